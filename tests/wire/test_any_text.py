"""Tests for `jupyter_bridge.wire.any_text`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.models.datasets import Dataset, File, Item
from jupyter_bridge.problems import Conflict
from jupyter_bridge.wire.any_text import escaped, pieces, readable, to_json, unescaped

BAD = "b\udcff\udcfe"
SHOWN = "b\ufffd\ufffd"
any_text = st.text(alphabet=st.characters(), max_size=5)  # surrogates too
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


@given(any_text)
def test_an_escaped_text_comes_back(text: str) -> None:
    """UTF-8 can encode it meanwhile; a text that needs no escape is unchanged."""
    escaped(text).encode()
    assert unescaped(escaped(text)) == text
    if text.isascii() and "\0" not in text:
        assert escaped(text) == text


@given(values)
def test_any_value_is_json(value: Any) -> None:
    """It is what msgspec encodes, with readable texts."""
    plain = json.loads(json.dumps(value, ensure_ascii=False), object_pairs_hook=list)
    told = json.dumps(plain, ensure_ascii=False)
    found = json.loads(to_json(value), object_pairs_hook=list)
    assert json.dumps(found, ensure_ascii=False) == readable(told)


# Listings, by name, with what their JSON is.
LISTINGS: dict[str, tuple[Any, Any]] = {
    "nothing": ([], []),
    "a name": ([Item(BAD, f"a/{BAD}", "file")], [{"name": SHOWN, "path": f"a/{SHOWN}"}]),
    "info": ([Item("a", "a", "x", info={BAD: [BAD]})], [{"name": "a", "info": {SHOWN: [SHOWN]}}]),
    "defaults": ([File(BAD), File("b", 2)], [{"path": SHOWN}, {"path": "b", "size": 2}]),
    "a data set": (
        Dataset(BAD, [File("a"), File(BAD, 3)], location=None),
        {"permId": SHOWN, "files": [{"path": "a"}, {"path": SHOWN, "size": 3}], "location": None},
    ),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing(name: str) -> None:
    """At once and in pieces it is the same; a field at its default is left out as ever."""
    listing, expected = LISTINGS[name]
    for found in (to_json(listing), b"".join(pieces(listing))):
        decoded = json.loads(found)
        for one, more in zip(
            decoded if isinstance(decoded, list) else [decoded],
            expected if isinstance(expected, list) else [expected],
            strict=True,
        ):
            assert one.items() >= more.items()
    if name == "defaults":
        assert decoded == expected


def test_the_pieces_of_a_large_listing_are_small() -> None:
    """None is encoded with all others, also if one name, or each, is not UTF-8."""
    good = [Item(f"{number:050}", f"{number:050}", "file") for number in range(20_000)]
    for listing in (good, [*good, Item(BAD, BAD, "file")]):
        found = [*pieces(listing)]
        assert max(map(len, found)) < 256 << 10
        assert b"".join(found) == to_json(listing)
    assert b"".join(pieces(good)) == msgspec.json.encode(good)


def test_a_problem_can_be_told() -> None:
    """Names in its sentence and its details are readable."""
    told = Conflict(f"{BAD} exists already.", taken=[BAD, "a"], path=BAD, count=2).to_json()
    assert json.loads(msgspec.json.encode(told)) == {
        "error": "conflict",
        "message": f"{SHOWN} exists already.",
        "reason": f"{SHOWN} exists already.",
        "taken": [SHOWN, "a"],
        "path": SHOWN,
        "count": 2,
    }
