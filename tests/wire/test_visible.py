"""Text of strangers is made safe for a terminal, a table, a log and JSON."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.visible import (
    short,
    visible,
    visible_json,
    visible_lines,
    visible_prompt,
)

# Signs that Unicode counts as format characters, and that have a shape.
SHAPED = {
    *range(0x600, 0x606),
    0x6DD,
    0x70F,
    0x890,
    0x891,
    0x8E2,
    0x110BD,
    0x110CD,
}
KINDS = [
    ("\x1b[31mred", r"\x1b[31mred"),
    ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ("\x1b]52;c;cm0=\x07", r"\x1b]52;c;cm0=\x07"),
    ("\x9b31m", r"\x9b31m"),
    ("\x9d0;title\x9c", r"\x9d0;title\x9c"),
    ("\x00\x07\x08\x7f", r"\x00\x07\x08\x7f"),
    ("two\nlines\r\tof", r"two\nlines\r\tof"),
    ("\x85", r"\x85"),
    ("gpj.\u202eexe", r"gpj.\u202eexe"),
    ("\u202a\u2066\u2069\u200e\u200f\u061c", r"\u202a\u2066\u2069\u200e\u200f\u061c"),
    ("a\u200bb\u2060c\ufeff", r"a\u200bb\u2060c\ufeff"),
    ("\u2028\u2029", r"\u2028\u2029"),
    ("tag\U000e0041", r"tag\U000e0041"),
    ("not utf-8 \udcff", r"not utf-8 \udcff"),
    ("hidden\ufe0e\ufe0f", r"hidden\ufe0e\ufe0f"),
    ("\u3164\u115f\u2800", r"\u3164\u115f\u2800"),
]


@pytest.mark.parametrize(("text", "shown"), KINDS)
def test_what_is_unseen_is_shown(text: str, shown: str) -> None:
    """Each kind of unseen character is written as Python writes it."""
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain text, [red]with brackets[/red]",
        "Zürich, Łódź, Αθήνα, Москва, 東京, القاهرة, תל אביב",
        "e\u0301, C:\\new\\table, 10\u00a0µm, \u00ab\u202f\u2019\u202f\u00bb",
        "❤️ ✔️ 🏳️ ©️",
    ],
)
def test_what_is_seen_stays(text: str) -> None:
    """Names in any script stay as they are, emoji and backslashes too."""
    assert visible(text) == visible_lines(text) == visible_prompt(text) == text
    assert visible_json(text) == text


def test_every_control_of_unicode() -> None:
    """No character of the categories Cc, Cf, Cs, Zl and Zp stays, but those that have a shape."""
    unseen = {
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }
    left = {code for code in unseen - SHAPED if visible(chr(code)) == chr(code)}
    assert left == set()


@given(st.text(st.characters()) | st.text("\x1b[]0;m\x07\n\x9b\u202ea", max_size=40))
def test_any_text(text: str) -> None:
    """Any text becomes one line that stays as it is when it is made visible again."""
    shown = visible(text)
    assert "\n" not in shown
    assert visible(shown) == shown
    assert len(shown.splitlines()) <= 1
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    shown.encode("utf-8")
    lines = visible_lines(text)
    assert (lines.count("\n"), lines.count("\t")) == (text.count("\n"), text.count("\t"))
    assert visible(lines) == shown


@given(st.text("\x1b[]0;:m\x07\n\x9b?ha", max_size=40))
def test_a_prompt_has_colours_alone(text: str) -> None:
    """Of all escape sequences only those that set colours stay in a prompt."""
    left = re.sub(r"\x1b\[[0-9;:]*m", "", visible_prompt(text))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", left)


@given(st.recursive(st.text() | st.integers(), lambda v: st.dictionaries(st.text(), v)))
def test_json_means_the_same(value: object) -> None:
    """Encoded JSON decodes to the same value, and holds no unseen character."""
    encoded = visible_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(encoded) == value
    assert visible(encoded) == encoded


def test_short() -> None:
    """A long text is cut, and says how long it was."""
    assert short("abc", 3) == "abc"
    assert short("abcd", 3) == "abc… (4 characters)"


def test_the_panel_shows_the_same() -> None:
    """The panel's own pattern has the same characters, each for itself and behind a symbol."""
    source = Path(__file__).parents[2] / "labextension/src/wire/visible.ts"
    found = re.search(r"/(\[.+\])/gu;", source.read_text(encoding="utf-8"))
    assert found is not None
    spelled = re.sub(r"\\u\{(\w+)\}", lambda one: rf"\U{int(one[1], 16):08x}", found[1])
    theirs = re.compile(spelled)
    for before in ("", "a", "\u260e"):
        shown = [before + chr(code) for code in range(sys.maxunicode + 1)]
        differ = [text for text in shown if (visible(text) != text) != bool(theirs.search(text))]
        assert differ == []
