"""wire/large_json.py: large values come out as they went in, in pieces."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire import large_json
from jupyter_bridge.wire.large_json import LargeJson, LargeText, as_utf8, encode, parse, split

# Escapes, pairs of surrogates, and characters of several bytes, close together.
TEXT = st.text(st.sampled_from('ab"\\\n\x01/ué😀\u2028') | st.characters(codec="utf-8"))


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_json, "LARGE", 5)


@given(TEXT, st.booleans())
def test_texts(text: str, ascii_only: bool) -> None:
    """A string is decoded in pieces, wherever they end."""
    large = LargeJson(json.dumps(text, ensure_ascii=ascii_only).encode())
    assert "".join(large.texts()) == text == large.decode()
    assert json.loads(b"".join(large.pieces())) == text


@given(TEXT, TEXT)
def test_large_text(text: str, rest: str) -> None:
    """Text that is held as UTF-8 is written as one JSON string."""
    written = b"".join(LargeText(bytearray(text.encode()), rest).pieces())
    assert json.loads(written) == text + rest


@given(st.binary())
def test_what_is_not_utf8(raw: bytes) -> None:
    """It is U+FFFD, whether in a string or in bytes that are passed on."""
    text = raw.replace(b"\\", b"").replace(b'"', b"").decode("utf-8", "replace")
    large = LargeJson(b'"%b"' % raw.replace(b"\\", b"").replace(b'"', b""))
    assert b"".join(large.pieces()).decode() == f'"{text}"'
    assert b"".join(as_utf8(raw)).decode() == raw.decode("utf-8", "replace")


@given(st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT | st.lists(st.integers()))))
def test_parse_and_encode(value: dict[str, Any]) -> None:
    """What is parsed with large values left as they are is written as it was."""
    raw = json.dumps(value, ensure_ascii=False).encode()
    parsed = parse(raw)
    assert json.loads(b"".join(encode(parsed))) == value
    texts, found = split(parsed)
    assert sum(map(len, (*texts, *found))) <= len(raw)


def test_nothing_is_copied() -> None:
    """A large value refers to the bytes that it came in."""
    raw = json.dumps({"data": {"text/plain": "x" * 100}}).encode()
    before = sys.getrefcount(raw)
    large = parse(raw)["data"]["text/plain"]
    assert isinstance(large, LargeJson)
    assert sys.getsizeof(large.raw) < 1000
    assert sys.getrefcount(raw) > before
    assert len(list(large.pieces())) > 10


def test_what_is_no_json() -> None:
    """It raises what decoding raises, also where only its frame is looked at."""
    for raw in (b"junk, and more", b"[" * 100_000, b'{"a": "b', b'{"a":' * 100_000):
        assert not large_json.is_json(raw)
        with pytest.raises((msgspec.DecodeError, RecursionError)):
            parse(raw)
    with pytest.raises(TypeError):
        split(object())
