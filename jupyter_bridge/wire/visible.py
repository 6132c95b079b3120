r"""Make untrusted text safe for a terminal, a table or a log: escape invisible characters.

A file name, a title or an error message may hold escape sequences, line breaks, characters that
reorder the line, and characters without width. Each of them is shown as Python writes it: `\x1b`,
`\n`, `\u202e`, `\U000e0041`. A backslash is not doubled, so that paths can be read; use JSON for
the exact name, where the same characters are JSON's escapes.

    visible()        one line: newline, carriage return and tab are escaped, too
    visible_lines()  several lines of our own text: newline and tab remain
    visible_prompt() a question of a program: its colours (SGR) remain, too
    visible_json()   encoded JSON, which keeps its meaning

Escaped are the controls C0, DEL and C1 (ECMA-48; U+0080 to U+009F also work in UTF-8), the bidi
controls (UAX 9), the line and paragraph separators, lone surrogates, the characters of Unicode's
Default_Ignorable_Code_Point, and the blank letters. A variation selector after a symbol remains:
emoji have one.
"""

from __future__ import annotations

import re

# The invisible characters above U+009F, as the inside of a regular expression's class.
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff"
)
# U+FE0E and U+FE0F select the look of the symbol before them, and can hide data elsewhere.
_SELECTOR = "(?<![\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
_LINE = re.compile(f"[\x00-\x1f\x7f-\x9f{_UNSEEN}]|{_SELECTOR}")
_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_UNSEEN}]|{_SELECTOR}")
# Colours are matched first, and kept; no other sequence is.
_PROMPT = re.compile(rf"(?P<colour>\x1b\[[0-9;:]{{0,64}}m)|{_LINES.pattern}")


def visible(text: str) -> str:
    """Return `text` as one line without invisible characters."""
    return _LINE.sub(_as_python, text)


def visible_lines(text: str) -> str:
    """Return `text` with its newlines and tabs, and all other invisible characters escaped."""
    return _LINES.sub(_as_python, text)


def visible_prompt(text: str) -> str:
    """Return `text` with its newlines, tabs and colours, and the rest escaped."""
    return _PROMPT.sub(lambda found: found["colour"] or _as_python(found), text)


def visible_json(encoded: str) -> str:
    """Return the JSON `encoded`, on one line, with invisible characters as JSON escapes."""
    return _LINE.sub(_as_json, encoded)


def short(text: str, limit: int) -> str:
    """Return `text`, or its first `limit` characters and its length."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _as_python(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _as_json(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
