"""What the Unicode classes of a pattern cost: told before RE2 compiles it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_bridge.consoles.tail import pattern as patterns
from jupyter_bridge.consoles.tail.pattern import Linear, compiled, prepared
from jupyter_bridge.consoles.tail.pattern_cost import unicode_size
from jupyter_bridge.problems import BadRequest
from tests.support.turns import counted_turns


@pytest.mark.parametrize(
    ("pattern", "copies"),
    [
        (r"\pL", 1),
        (r"\p{Greek}\P{^Latin}\PN", 3),
        (r"a\pLb", 1),
        (r"\pL{3}", 3),
        (r"\pL{2,5}", 5),
        (r"\pL{4,}", 4),
        (r"\pL{0}", 1),
        (r"a{9}\pL", 1),
        (r"\pLa{9}", 1),
        (r"[\pL\pNa-z]{3}", 6),
        (r"[^\pL]", 1),
        (r"(\pL\pN){3}", 6),
        (r"(?:a(\pL{2}|\pN){3}){4}", 36),
        (r"(?i)\pL{2}", 2),
        (r"(?P<n>\pL){7}", 7),
        (r"(\pL){2}(\pN){3}", 5),
        (r"\\pL{9}", 0),
        (r"\Q\pL\E{9}", 0),
        (r"(\pL", 1),
        (r"\pL)){3}", 1),
        (r"\p", 0),
    ],
)
def test_copies_are_counted(pattern: str, copies: int) -> None:
    """Each class counts as often as the repeats around it copy it."""
    assert unicode_size(pattern, lambda name: 1) == copies


@pytest.mark.parametrize(
    "pattern",
    [
        r"\pL" * 50,
        r"(?i)[\pL\pN\pM\pS]{12}",
        r"(?:\pL{0,20}){0,20}",
        r"(?i)(?:(?:\pL\pN){9}){9}",
        r"[\PL\pN\pM]{300}",
    ],
)
@pytest.mark.parametrize("lines", [False, True], ids=["until", "q"])
def test_costly_ones_are_not_compiled(
    pattern: str, lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RE2 took 20 to 80 ms to refuse each, and held Python's lock; now it does not see them."""
    import re2

    written: list[bytes] = []
    compile_it = re2.compile

    def note(given: bytes, options: Any) -> Any:
        written.append(given)
        return compile_it(given, options)

    monkeypatch.setattr(re2, "compile", note)
    with pytest.raises(BadRequest, match="too large"):
        compiled(pattern, "x", lines=lines)
    assert all(len(one) < 10 for one in written)  # the classes themselves


@pytest.mark.parametrize("pattern", [r"\pL{3}", r"[\pL\pN]+\s", r"\p{Nl}{12}", r"\p{Greek}{50}"])
def test_others_are_compiled(pattern: str) -> None:
    """What fits into MAX_PROGRAM is found as before."""
    assert isinstance(compiled(pattern, "x"), Linear)


def test_a_refused_pattern_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled once, the newest MAX_REFUSED are known, and the sentence names the field."""
    monkeypatch.setattr(patterns, "MAX_REFUSED", 2)
    patterns._refused.clear()
    tried: list[str] = []
    linear = patterns._linear

    def note(pattern: str, *more: Any) -> Any:
        tried.append(pattern)
        return linear(pattern, *more)

    monkeypatch.setattr(patterns, "_linear", note)
    for pattern, field in (("(", "until"), ("(", "q"), ("a**", "q"), (".{9}{9}", "q"), ("(", "q")):
        with pytest.raises(BadRequest, match=f"^{field}: ") as caught:
            compiled(pattern, field)
        assert caught.value.details == {"field": field}
    assert tried == ["(", "a**", ".{9}{9}", "("]
    assert len(patterns._refused) == 2


async def test_many_at_once_give_the_loop_its_turns() -> None:
    """A hundred patterns are compiled one after the other, and not in one turn of the loop."""
    async with counted_turns() as turns:
        found = await asyncio.gather(*(prepared(rf"\w*\W{{{n}}}", "x") for n in range(1, 101)))
    assert all(isinstance(one, Linear) for one in found)
    assert turns.count > 3
