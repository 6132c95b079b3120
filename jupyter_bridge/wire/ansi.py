"""Remove terminal escape sequences from a stream of bytes, wherever the stream was cut.

The grammar is ECMA-48's as xterm and xterm.js read it: control characters may stand inside a CSI;
ESC ends an OSC or DCS and takes effect; CAN and SUB abort; C1 controls count where they are UTF-8.

    without_queries()   for replayed history: removes queries that a terminal emulator answers (DA,
                        DSR, DECRQM, DECRQSS, XTVERSION, colours and clipboard, window reports,
                        answerback), so that no answer to an old query is typed into a shell
    without_escapes()   removes every escape sequence

Both return a `Cutter`, which yields the pieces that remain, each with its offset. A piece never
spans a removed sequence, unless the cutter is `joined`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

# Bytes of an unfinished sequence that are held back. Only pictures and clipboards are longer.
HOLD_BYTES = 64 * 1024

_C0 = rb"\x00-\x17\x19\x1c-\x1f"
_INTRO = rb"\x1b[" + _C0 + rb"\x7f]*"
_CSI = rb"(?:" + _INTRO + rb"\[|\xc2\x9b)"
_OSC = rb"(?:" + _INTRO + rb"\]|\xc2\x9d)"
_DCS = rb"(?:" + _INTRO + rb"[PX^_]|\xc2[\x90\x98\x9e\x9f])"
_CSI_BODY = rb"[\x20-\x3f\x7f" + _C0 + rb"]*"
_OSC_BODY = rb"(?:[^\x07\x18\x1a\x1b\xc2]|\xc2(?!\x9c))*"
_DCS_BODY = rb"(?:[^\x18\x1a\x1b\xc2]|\xc2(?!\x9c))*"
_BROKEN = rb"(?=[\x18\x1a\x1b\x80-\xff])"
_STRING_END = rb"\x1b\\|(?=\x1b[^\\])|\xc2\x9c|[\x18\x1a]"

_WHOLE = b"|".join(
    (
        rb"\x05",
        _CSI + _CSI_BODY + rb"[\x40-\x7e]",
        _OSC + _OSC_BODY + rb"(?:\x07|" + _STRING_END + rb")",
        _DCS + _DCS_BODY + rb"(?:" + _STRING_END + rb")",
        _INTRO + rb"[\x20-\x2f][\x20-\x2f" + _C0 + rb"\x7f]*[\x30-\x7e]",
        _INTRO + rb"[\x30-\x4f\x51-\x57\x59\x5a\x5c\x60-\x7e]",
        # A sequence that was cut off: no effect, but it must not join bytes after a removed one.
        _CSI + _CSI_BODY + _BROKEN,
        _INTRO + rb"(?:[\x20-\x2f][\x20-\x2f" + _C0 + rb"\x7f]*)?" + _BROKEN,
    )
)
_UNFINISHED = b"|".join(
    (
        rb"\xc2",
        _CSI + _CSI_BODY,
        _OSC + _OSC_BODY + rb"[\x1b\xc2]?",
        _DCS + _DCS_BODY + rb"[\x1b\xc2]?",
        _INTRO + rb"[\x20-\x2f][\x20-\x2f" + _C0 + rb"\x7f]*",
        _INTRO,
    )
)
# The leftmost match counts, finished or not: bytes inside an unfinished one begin no sequence.
_SEQUENCE = re.compile(rb"(?:" + _WHOLE + rb")|(?P<unfinished>(?:" + _UNFINISHED + rb")\Z)")
# Most sequences set a colour, move the cursor, or switch a mode. They are recognised by one short
# pattern, so that the long one above is needed for the others only.
_PLAIN_CSI = rb"\[[0-?]*[@-~]"
_NO_QUERY = rb"\[(?:[0-9;:]*[@-bd-mo-su-wyz{-~]|\?(?!2048h)[0-9]{1,4}[hl])"
_PLAIN = re.compile(rb"\x1b" + _PLAIN_CSI)
# Where any other sequence may begin: in text with and without the bytes 5 and 0xC2. The pattern
# with one first byte only is three times as fast.
_Others = tuple[re.Pattern[bytes], re.Pattern[bytes]]


def _others(known: bytes) -> _Others:
    escape = rb"\x1b(?!%b)" % known
    return re.compile(rb"\x05|\xc2(?:[\x80-\x9f]|\Z)|" + escape), re.compile(escape)


_NOT_PLAIN, _MAYBE_QUERY = _others(_PLAIN_CSI), _others(_NO_QUERY)
_STRING_STOP = re.compile(rb"\x07|\x18|\x1a|\x1b\\|\xc2\x9c|(?=\x1b[^\\])")
# The bytes that can end a held-back sequence or change its kind, by its first bytes. Only they make
# it be parsed again from its start: it may arrive one byte at a time.
_STOPS = (
    (re.compile(_OSC), re.compile(rb"[\x07\x18\x1a]|\x1b[\x00-\xff]|\xc2\x9c", re.DOTALL)),
    (re.compile(_DCS), re.compile(rb"[\x18\x1a]|\x1b[\x00-\xff]|\xc2\x9c", re.DOTALL)),
    (re.compile(_CSI), re.compile(rb"[^\x20-\x3f\x7f" + _C0 + rb"]")),
    (
        re.compile(_INTRO + rb"[\x20-\x2f]"),
        re.compile(rb"[^\x20-\x2f\x7f" + _C0 + rb"]"),
    ),
    (re.compile(_INTRO), re.compile(rb"[^\x7f" + _C0 + rb"]")),
)
_ANY = re.compile(rb"")
_CONTROLS = bytes(range(0x20)) + b"\x7f"
_IGNORED = re.compile(rb"[" + _C0 + rb"\x7f]")

_CSI_QUERY = re.compile(
    rb"""
      [>=]?[0-9;:]*c           # DA1, DA2, DA3
    | \??[0-9;:]*n             # DSR, CPR, colour scheme
    | \??[0-9;:]*\$p           # DECRQM
    | [0-9;:]*\$[uw]           # DECRQTSR, DECRQPSR
    | [0-9;:]*[+]?x            # DECREQTPARM, DECRQPKFM
    | [0-9;:]*\*y              # DECRQCRA
    | [0-9;:]*&u               # DECRQUPSS
    | [0-9;:]*"v               # DECRQDE
    | [0-9;:]*'\|              # DECRQLP
    | [0-9;:]*\#[R|S]          # XTREPORTCOLORS, XTREPORTSGR, XTTITLEPOS
    | >[0-9;:]*q               # XTVERSION
    | 0*(?:1[1-9]|2[01])(?:;[0-9;:]*)?t   # window reports
    | \?[0-9;:]*[mSu]          # XTQMODKEYS, XTSMGRAPHICS, kitty keyboard
    | \?[0-9;:]*2048[0-9;:]*h  # in-band resize, which reports at once
    """,
    re.VERBOSE,
)
_OSC_QUERY = re.compile(rb"(?s)(?:.*;)?\?|(?:60|61)(?:;|\Z)|1337;(?:Report|Request)")
_DCS_QUERY = re.compile(rb"[0-9;]*[$+]q")  # DECRQSS, XTGETTCAP
_OSC_HARMLESS = re.compile(rb"(?:8|52|1337);")


class Piece(NamedTuple):
    """Bytes that remain, and their offset in the stream."""

    offset: int
    data: bytes


class Cutter:
    """Removes the sequences for which `drop(sequence)` is true. Feed it one stream, in order."""

    def __init__(
        self,
        drop: Callable[[bytes], bool],
        harmless: Callable[[bytes], bool] = lambda beginning: False,
        *,
        others: _Others = _MAYBE_QUERY,
        plain: re.Pattern[bytes] | None = None,
        joined: bool = False,
    ) -> None:
        """`harmless(beginning)` tells which sequences that are too long to hold back remain.

        `others` find where a sequence may begin that is neither kept nor `plain`; those that match
        `plain` are removed. If `joined`, a piece goes on after such a sequence.
        """
        self._drop = drop
        self._others = others
        self._plain = plain
        self.joined = joined
        self._harmless = harmless
        self._held = b""
        self._stop = _ANY
        self._offset = 0
        self._discarding = False

    def feed(self, offset: int, data: bytes) -> list[Piece]:
        """Return what remains of the held-back bytes and `data`, which begins at `offset`."""
        if self._held:
            seen = len(self._held)
            data = self._held + data
            offset = self._offset
            # ESC and 0xC2 are only the first half of a terminator.
            seen -= self._held[-1:] in (b"\x1b", b"\xc2")
            if len(data) <= HOLD_BYTES and not self._stop.search(data, seen):
                self._held = data
                return []
            self._held = b""
        pieces: list[Piece] = []
        start = at = 0
        if self._discarding:
            stop = _STRING_STOP.search(data)
            if stop is None:
                keep = 1 if data[-1:] in (b"\x1b", b"\xc2") else 0
                self._hold(offset + len(data) - keep, data[len(data) - keep :])
                return []
            self._discarding = False
            start = at = stop.end()
        if self.joined:
            kept = self._without_plain(data[start:])
            if b"\x1b" not in kept and b"\x05" not in kept and b"\xc2" not in kept:
                return [Piece(offset + start, kept)] if kept else []
        others = self._others[b"\x05" not in data and b"\xc2" not in data]
        unfinished: re.Match[bytes] | None = None
        while begins := others.search(data, at):
            match = _SEQUENCE.match(data, begins.start())
            if match is None:
                at = begins.end()
                continue
            if match["unfinished"] is not None:
                unfinished = match
                break
            at = match.end()
            if self._drop(match[0]):
                pieces += self._keep(offset, data, start, match.start())
                start = at
        end = len(data)
        if unfinished is not None:
            end = unfinished.start()
            if len(data) - end > HOLD_BYTES:
                # Too long to wait for: harmless by its beginning, or left out up to its end.
                if self._harmless(data[end : end + 64]):
                    end = len(data)
                else:
                    self._discarding = True
            else:
                self._hold(offset + end, data[end:])
        return pieces + self._keep(offset, data, start, end)

    def skim(self, offset: int, data: bytes) -> tuple[list[Piece], int]:
        """Like `feed`, for as much from the beginning of `data` as takes little time; return also
        how much that is. Nothing, if a sequence that needs a closer look is in it."""
        end = data.rfind(b"\x1b")
        end = len(data) if end < 0 else end
        if self._held or self._discarding or not end or b"\x05" in data or b"\xc2" in data:
            return [], 0
        data = data[:end]
        if self._plain is None:
            is_kept = self._others[1].search(data) is None
            return ([Piece(offset, data)], end) if is_kept else ([], 0)
        kept = self._without_plain(data) if self.joined else b"\x1b"
        if b"\x1b" in kept:
            return [], 0
        return [Piece(offset, kept)] if kept else [], end

    def _keep(self, offset: int, data: bytes, start: int, end: int) -> list[Piece]:
        """Return `data[start:end]` without the plain sequences in it; there are no others."""
        if self._plain is None:
            return [Piece(offset + start, data[start:end])] if end > start else []
        if self.joined:
            kept = self._without_plain(data[start:end])
            return [Piece(offset + start, kept)] if kept else []
        pieces = []
        for match in self._plain.finditer(data, start, end):
            if match.start() > start:
                pieces.append(Piece(offset + start, data[start : match.start()]))
            start = match.end()
        if end > start:
            pieces.append(Piece(offset + start, data[start:end]))
        return pieces

    def _without_plain(self, data: bytes) -> bytes:
        # Twice as fast as `sub`.
        return data if self._plain is None else b"".join(self._plain.split(data))

    def flush(self) -> list[Piece]:
        """Return the held-back bytes unchanged, at the end of the stream or of the history."""
        held, self._held = self._held, b""
        self._discarding = False
        return [Piece(self._offset, held)] if held else []

    def _hold(self, offset: int, data: bytes) -> None:
        self._offset, self._held = offset, data
        known = (stop for begins, stop in _STOPS if begins.match(data))
        self._stop = next(known, _ANY)


def is_query(sequence: bytes) -> bool:
    """Tell whether a terminal emulator may answer this sequence by typing; true if broken."""
    if sequence == b"\x05":
        return True
    kind, body = _parted(sequence)
    if not kind:
        return True
    if kind in b"P]_^X":
        if not sequence.endswith((b"\x07", b"\x1b\\", b"\xc2\x9c")):
            return True
        if kind == b"]":
            return _OSC_QUERY.match(_trimmed(body)) is not None
        if kind == b"P":
            return _DCS_QUERY.match(_IGNORED.sub(b"", body[:64])) is not None
        # kitty's graphics answer unless told not to
        return kind == b"_" and body[:1] == b"G" and re.search(rb"q=2[,;]", body[:256]) is None
    if b"\x05" in sequence or sequence[-1] < 0x30:
        return True
    if kind == b"[":
        return _CSI_QUERY.fullmatch(_IGNORED.sub(b"", body)) is not None
    return kind == b"Z"  # DECID


def without_queries() -> Cutter:
    """Return a Cutter for replayed history: no terminal emulator answers what remains."""
    return Cutter(is_query, _is_harmless)


def without_escapes(*, joined: bool = False) -> Cutter:
    """Return a Cutter that removes every escape sequence."""
    return Cutter(lambda sequence: True, others=_NOT_PLAIN, plain=_PLAIN, joined=joined)


def strip(data: bytes) -> bytes:
    """Return a whole text without its escape sequences."""
    cutter = without_escapes(joined=True)
    return b"".join(piece.data for piece in cutter.feed(0, data) + cutter.flush())


def _trimmed(body: bytes) -> bytes:
    """An OSC's text without its terminator."""
    for end in (b"\x07", b"\x1b\\", b"\xc2\x9c", b"\x18", b"\x1a"):
        if body.endswith(end):
            return body[: -len(end)]
    return body


def _parted(sequence: bytes) -> tuple[bytes, bytes]:
    """A sequence's kind, as the character after ESC, and what follows it."""
    if sequence[:1] == b"\xc2":
        return bytes((sequence[1] - 0x40,)), sequence[2:]
    bare = sequence.lstrip(_CONTROLS)
    return bare[:1], bare[1:]


def _is_harmless(beginning: bytes) -> bool:
    kind, body = _parted(beginning)
    if kind == b"]":
        return _OSC_HARMLESS.match(body) is not None
    return kind in b"X^" or (kind == b"P" and _DCS_QUERY.match(body) is None)
