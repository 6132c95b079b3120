"""The patterns of requests: RE2's syntax, in bounds, and what is said where it is not."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from jupyter_bridge.consoles.tail.pattern import Linear, PlainText, compiled, plain_text
from jupyter_bridge.problems import BadRequest, Unsupported

PLAIN = ["tests passed", "é € 😀", "100%", "a-b_c,d:e/f", r"tests passed\.", r"\$\[x\]", r"a\nb"]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_needs_no_engine(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without metacharacters, or with all of them escaped, a pattern is text."""
    monkeypatch.setitem(sys.modules, "re2", None)
    assert isinstance(compiled(text, "until"), PlainText)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"a\.b", "a.b"), (r"\(\)\\", "()\\"), (r"\r\n\t", "\r\n\t"), ("", "")]
    + [(pattern, None) for pattern in (".", "a|b", r"\d", r"\b", "a\\", "é*", "{", "]", r"\é")],
)
def test_what_is_plain(pattern: str, text: str | None) -> None:
    """Escaped punctuation and control characters are text; what could mean more is not."""
    assert plain_text(pattern) == text


def test_a_pattern_without_its_engine_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """501, with a command to type."""
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(Unsupported, match="pip install google-re2") as caught:
        compiled("a+", "until")
    assert caught.value.status == 501
    assert caught.value.details["field"] == "until"


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("(", r"a \( is not closed"),
        ("a)", r"a \) closes nothing"),
        ("[a", r"a \[ is not closed"),
        ("a\\", r"a \\ at the end escapes nothing"),
        ("*a", r"there is nothing to repeat: \*"),
        ("a**", r"a repeat follows a repeat: \*\*"),
        ("$**", r"a repeat follows a repeat: \*\*"),
        ("a{2000}", r"repeat at most 1000 times"),
        ("a{3,2}", r"repeat at most 1000 times"),
        ("(?:a{1000}){1000}", r"repeat at most 1000 times"),
        ("(?=a)", r"RE2 does not know the group: \(\?="),
        ("(?!a)", r"RE2 does not know the group: \(\?!"),
        (r"(a)\1", r"RE2 does not know: \\1"),
        (r"a\Z", r"RE2 does not know: \\Z"),
        ("[z-a]", r"no such characters: z-a"),
        (r"\pX", r"no such characters: \\pX"),
        ("(?P<a b>a)", r"not a name for a group"),
        (".{1000}.{1000}", r"too large"),
        (r"(?:\pL{0,20}){0,20}", r"too large"),
        ("(" * 1000, r"not closed"),
        ("a" * 1001, r"at most 1000 characters"),
        (r"\pL" * 51, r"at most 50 of \\p"),
        (r"[\PL\pN]" * 26, r"at most 50 of \\p"),
        ("\ud800*", r"not valid Unicode"),
        ("\ud800", r"not valid Unicode"),
    ],
)
def test_what_is_no_pattern_is_named(
    pattern: str, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bad pattern is a BadRequest that names the fault; nothing is written to stderr."""
    with pytest.raises(BadRequest, match=fault) as caught:
        compiled(pattern, "until")
    assert caught.value.details == {"field": "until"}
    assert "\\r*" not in caught.value.message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:a?){500}" * 60, r"\pL" * 300, "(?i)" + r"\pL{9}" * 160, "|".join(["x"] * 500),
        "(" * 400 + "a" + ")*" * 400, "[^" + "ab" * 490 + "]", "(?:(?:a{0,10}){0,10}){0,10}" * 30,
        r"[\pL\pN\pS\pP]{100}" * 40, "(?i)" + "\u017fk" * 490, "(?:(?:(?:" * 100, "a{1000}" * 140,
    ],
)  # fmt: skip
def test_reading_a_pattern_is_quick(pattern: str) -> None:
    """Whatever stands in it: it is read on the event loop."""
    begin = time.process_time()
    try:
        compiled(pattern, "until")
    except BadRequest:
        pass
    assert time.process_time() - begin < 0.25


def test_groups_and_flags_of_re2_are_known() -> None:
    """The syntax is RE2's: named groups, flags, classes of Unicode, quotations."""
    for pattern in ("(?P<n>a)", "(?<n>a)+", "(?is)a.b", r"\p{Greek}+", r"\Qa.b\E*", "[[:word:]]"):
        assert isinstance(compiled(pattern, "until"), Linear)


def test_a_server_starts_without_the_engine() -> None:
    """It is imported with the first pattern that needs it, and not before."""
    code = (
        "import sys, jupyter_bridge.app, jupyter_bridge.consoles.handlers;"
        "from jupyter_bridge.consoles.tail.pattern import compiled; compiled('ready', 'until');"
        "assert 're2' not in sys.modules; compiled('r.ady', 'until'); assert 're2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
