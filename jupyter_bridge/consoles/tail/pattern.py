"""Patterns of requests, in RE2's syntax, matched in time linear in the text.

    find(text, start, end, least)  the match with the smallest end, or None
    search(text, start)            the match that begins first, or None

Text without metacharacters needs no google-re2. It is imported for the first other pattern; if it
is not installed, that is Unsupported.

`^` and `$` match at the ends of lines. `$` matches before LF, and before the CRs in front of it.
A pattern for `lines` treats each line as a text of its own: no match has an LF in it. In any other,
`^` matches after LF, and after a CR that no LF follows: there a shell's line editor or a progress
bar starts its line over.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from jupyter_bridge.aio.serial_worker import SerialWorker, in_worker
from jupyter_bridge.consoles.tail.pattern_cost import unicode_size
from jupyter_bridge.consoles.tail.pattern_faults import TOO_LARGE, fault_of
from jupyter_bridge.problems import BadRequest, Unsupported

# One worker for all patterns, so that they take one core; they take turns by block.
LANE = SerialWorker()
MAX_PATTERN = 1000  # characters
# The most Unicode classes: each is looked up, and the first time compiled by itself.
MAX_UNICODE = 50
# RE2's memory for one pattern, bytes: two thirds for the program, one third for its states.
MAX_MEMORY = 1024 * 1024
# Instructions of RE2's program. If its states outgrow the memory, RE2 takes about 10 ns for each
# instruction and byte: 300 ms for 8 KiB of text, on a thread of its own.
MAX_PROGRAM = 4000
# The most instructions of Unicode classes, all copies that repeats make: RE2 compiles these in
# 5 ms, and other threads wait. It makes fewer of classes that overlap.
MAX_UNICODE_SIZE = 2 * MAX_PROGRAM
# How many refused patterns are known: they are not compiled again.
MAX_REFUSED = 256

# Stands for a byte that is not UTF-8: one byte too, so that offsets do not change.
SUBSTITUTE = "\x1a"
_NOT_UTF8 = re.compile("[\udc80-\udcff]")

_METACHARACTERS = frozenset("\\.+*?()|[]{}^$")
_PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_CLASS = r"\[\^?\]?(?:\[:\^?\w*:\]|\\.|[^\]\\])*\]?"
_TOKEN = re.compile(rf"\\Q(?:.*?)(?:\\E|\Z)|\\.|{_CLASS}|.", re.DOTALL)
_LINE_END = r"(?:\r*$)"
# What replaces a token in a pattern for lines: the ends of the text, and any byte, even LF.
_IN_LINES = {r"\A": "^", r"\z": _LINE_END, r"\C": "(?s:.)"}
_ENDS_OF_TEXT = re.compile(r"\(\?\w*-\w*m")
# In the text of a pattern with `^`, a vertical tab stands for each CR that starts a line over: RE2
# cannot look behind.
_OVER = b"\x0b"
_LINE_START = r"(?:^|\x0b)"
_REPEATS = re.compile(r"[*+?{]")
_RETURNS = re.compile(rb"\r+\n?")
_RETURN_TOKENS = {r"\r": r"[\r\x0b]", "\r": r"[\r\x0b]", r"\s": r"[\s\x0b]", r"\S": r"[^\s\x0b]"}
_RETURN_IN_CLASS = re.compile(r"\\[rs]|\r")
_LOOKS_AHEAD = frozenset(("$", r"\b", r"\B", r"\z"))

# The faults of patterns that were refused lately, and the sizes of the classes that RE2 knows.
_refused: OrderedDict[tuple[str, bool], str] = OrderedDict()
_class_sizes: dict[str, int] = {}


class _Refused(Exception):
    """A pattern that is refused, for this reason."""


class Pattern(Protocol):
    """A pattern to find in UTF-8 text.

    `looks_ahead`: whether a match depends on the byte after it. `size`: the most work for one byte
    of text, in RE2's instructions.
    """

    looks_ahead: bool
    size: int

    def find(self, text: bytes, start: int, end: int, least: int = 0) -> tuple[int, int] | None:
        """Return the start and end of the match in `text[start:end]` that ends first, the longest.

        `^`, `$` and `\\b` see the bytes around that range. The caller knows that no match ends
        before `least`.
        """
        ...

    def readable(self, text: bytes) -> bytes:
        """Return `text`, which may not be UTF-8, as `search` needs it, of the same length."""
        ...

    def search(self, text: bytes, start: int) -> tuple[int, int] | None:
        """Return the start and end of the first match at or after `start`."""
        ...


class PlainText:
    """Text without metacharacters."""

    looks_ahead = False
    size = 1

    def __init__(self, text: str) -> None:
        self._text = text.encode()

    def find(self, text: bytes, start: int, end: int, least: int = 0) -> tuple[int, int] | None:
        at = text.find(self._text, start, end)
        return None if at < 0 else (at, at + len(self._text))

    def readable(self, text: bytes) -> bytes:
        return text

    def search(self, text: bytes, start: int) -> tuple[int, int] | None:
        return self.find(text, start, len(text))


class FastText(PlainText):
    """The same, searched by RE2: twice as fast, and without Python's lock."""

    def __init__(self, text: str, regexp: Any) -> None:
        super().__init__(text)
        self._regexp = regexp

    def search(self, text: bytes, start: int) -> tuple[int, int] | None:
        found = self._regexp.search(text, start)
        return None if found is None else (found.start(), found.end())


class Linear:
    """A pattern with metacharacters, matched by RE2."""

    def __init__(
        self, regexp: Any, *, looks_ahead: bool, looks_behind: bool = False, first: Any = None
    ) -> None:
        """`looks_behind`: whether the pattern has `^`. `first` matches wherever `regexp` does, and
        is faster: RE2 looks for the text that a match begins with."""
        self._regexp = regexp
        self._first = first
        self.looks_ahead = looks_ahead
        self._looks_behind = looks_behind
        self.size: int = regexp.programsize

    def find(self, text: bytes, start: int, end: int, least: int = 0) -> tuple[int, int] | None:
        if self._looks_behind and text.count(b"\r") != text.count(b"\r\n"):
            text = _RETURNS.sub(_started_over, text)
        if self._first is not None and self._first.search(text, start, end) is None:
            return None
        found = self._regexp.search(text, start, end)
        if found is None:
            return None
        # RE2 prefers the match that begins first; in a shorter text a match may end earlier.
        low, high = max(start, least), found.end()
        while low < high:
            middle = (low + high) // 2
            shorter = self._regexp.search(text, start, middle)
            if shorter is None:
                low = middle + 1
            else:
                found, high = shorter, min(middle, shorter.end())
        first = found.start()
        if self._looks_behind and text[first : found.end()][:1] == _OVER:
            first += 1  # `^` has no width
        return first, found.end()

    def readable(self, text: bytes) -> bytes:
        return text if text.isascii() else utf8(text.decode("utf-8", "surrogateescape"))

    def search(self, text: bytes, start: int) -> tuple[int, int] | None:
        found = self._regexp.search(text, start)
        return None if found is None else (found.start(), found.end())


def _started_over(returns: re.Match[bytes]) -> bytes:
    text = returns[0]
    is_end = text.endswith(b"\n") or returns.end() == len(returns.string)
    return text if is_end else _OVER * len(text)


def compiled(pattern: str, field: str, *, lines: bool = False) -> Pattern:
    """Return the pattern of a request's `field`.

    Raises BadRequest if it is invalid or too large, Unsupported without google-re2.
    """
    _check(pattern, field)
    text = plain_text(pattern)
    if text is not None:
        return literal(text, field, lines=lines)
    fault = _refused.get((pattern, lines))
    if fault is None:
        try:
            return _linear(pattern, field, lines)
        except _Refused as refused:
            fault = str(refused)
            _refused[pattern, lines] = fault
            if len(_refused) > MAX_REFUSED:
                _refused.popitem(last=False)
    raise BadRequest(f"{field}: {fault}.", field=field)


async def prepared(pattern: str, field: str, *, lines: bool = False) -> Pattern:
    """Like `compiled`, and one pattern at a time, in the patterns' worker, if it needs RE2."""
    return await in_worker(LANE, partial(compiled, pattern, field, lines=lines))


def literal(text: str, field: str, *, lines: bool = False) -> Pattern:
    """Return a pattern that matches exactly this text; raises BadRequest."""
    _check(text, field)
    if not lines:
        return PlainText(text)
    if "\n" in text:
        raise BadRequest(f"{field}: a match is within one line.", field=field)
    try:
        import re2
    except ImportError:
        return PlainText(text)
    options = _options(re2)
    options.literal = True
    try:
        return FastText(text, re2.compile(text.encode(), options))
    except re2.error:  # too long
        return PlainText(text)
    finally:
        re2.purge()


def _check(pattern: str, field: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise BadRequest(f"{field}: a pattern has at most {MAX_PATTERN} characters.", field=field)
    if sum(map(pattern.count, (r"\p", r"\P"))) > MAX_UNICODE:
        raise BadRequest(f"{field}: a pattern has at most {MAX_UNICODE} of \\p.", field=field)
    try:
        pattern.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{field}: not valid Unicode.", field=field) from error


def utf8(text: str) -> bytes:
    """Encode a text to match; its surrogate escapes, for bytes that are not UTF-8, as SUBSTITUTE.

    So each of those bytes is a character, which `.` and negated classes match.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _NOT_UTF8.sub(SUBSTITUTE, text).encode()


def character_at(text: bytes, index: int) -> int:
    """Return where a character begins, at or after `index`."""
    while index < len(text) and 0x80 <= text[index] < 0xC0:
        index += 1
    return index


def plain_text(pattern: str) -> str | None:
    """Return the only text that matches, or None for a pattern that needs RE2."""
    text = ""
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            known = escaped if escaped.isascii() and _is_punctuation(escaped) else None
            character = _PLAIN_ESCAPES.get(escaped) or known or ""
            if not character:
                return None
        elif character in _METACHARACTERS:
            return None
        text += character
    return text


def _is_punctuation(character: str) -> bool:
    return character.isprintable() and not character.isalnum() and character not in "_ "


def _linear(pattern: str, field: str, lines: bool) -> Linear:
    try:
        import re2
    except ImportError as error:
        raise Unsupported(
            f"{field}: patterns need google-re2, which is not installed with this server. "
            "Install it with `python -m pip install google-re2`, or use text without any of "
            "\\.+*?()|[]{}^$.",
            field=field,
        ) from error
    options = _options(re2)
    if unicode_size(pattern, _class_size) > MAX_UNICODE_SIZE:
        raise _Refused(TOO_LARGE)
    tokens = list(_tokens(pattern))
    looks_behind = "^" in tokens and not lines
    if lines:
        if _ENDS_OF_TEXT.search(pattern):
            raise _Refused("the flag -m has no use within one line")
        options.never_nl = True
        tokens = [_IN_LINES.get(token, token) for token in tokens]
    if looks_behind:
        tokens = [_with_returns(token) for token in tokens]
    written = "".join(_LINE_END if token == "$" else token for token in tokens)
    try:
        regexp = re2.compile(f"(?m){written}".encode(), options)
    except re2.error as error:
        raise _Refused(fault_of(error).replace(_LINE_END, "$")) from error
    finally:
        re2.purge()  # else its cache keeps patterns, with their memory
    if regexp.programsize > MAX_PROGRAM:
        raise _Refused(TOO_LARGE)
    first = None
    if tokens[0] == _LINE_START and not _REPEATS.match("".join(tokens[1:2])):
        rest = "".join(_LINE_END if token == "$" else token for token in tokens[1:])
        first = _without_error(f"(?m){rest}".encode(), options)
    looks_ahead = any(token in _LOOKS_AHEAD for token in tokens)
    return Linear(regexp, looks_ahead=looks_ahead, looks_behind=looks_behind, first=first)


def _class_size(name: str) -> int:
    """Return the size of the program of a Unicode class; 0 of one that RE2 does not know."""
    size = _class_sizes.get(name)
    if size is None:
        import re2

        regexp = _without_error(name.encode(), _options(re2))
        if regexp is None:
            return 0
        size = _class_sizes[name] = int(regexp.programsize)
    return size


def _without_error(pattern: bytes, options: Any) -> Any:
    """Return the compiled pattern; None if it is invalid."""
    import re2

    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None
    finally:
        re2.purge()


def _with_returns(token: str) -> str:
    """Return a part of a pattern with `^` for text where `_OVER` stands for some CRs."""
    if token == "^":
        return _LINE_START
    if token[0] == "[" and token[-1] == "]" and _RETURN_IN_CLASS.search(token):
        return rf"{token[:-1]}\x0b]"
    return _RETURN_TOKENS.get(token, token)


def _options(re2: Any) -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would write the pattern to stderr
    options.never_capture = True
    options.max_mem = MAX_MEMORY
    return options


def _tokens(pattern: str) -> Iterator[str]:
    """Return the parts of the pattern: a class, an escape, a quotation, or one character."""
    return (found[0] for found in _TOKEN.finditer(pattern))
