"""Leave out the echo of what `send` typed, so that `until=` does not match the question itself.

A terminal shows typed text before it acts on it: the tty does, or the shell's line editor, with
colours, cursor movements and a prompt before it. The first line of output after the typing that
has the typed line's characters in their order is its echo, also if it goes over several lines of
the screen. A later line is one if it ends with the typed text: a busy shell shows it after its
next prompt, once more if the tty had shown it already. Where nothing is echoed (a password),
nothing is left out.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import takewhile
from typing import NamedTuple

from jupyter_bridge.consoles.sent_texts import MAX_SENT_BYTES, SentTexts
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.ansi import Piece

# After this much other output an echo is no longer waited for, bytes.
GIVE_UP_BYTES = 64 * 1024
# The most of an unfinished line that is held back, as it may be an echo.
HOLD_BYTES = 8 * 1024
# The longest prompt before a typed line that is drawn in pieces.
PROMPT_BYTES = 256
# A shorter line is found in many lines of output: only the first one may be its echo.
SHORT_BYTES = 4
# This much of a typed line at the end of an output line is the line before a wrap, not a chance.
WRAPPED_BYTES = 8

_UNSEEN = re.compile(rb"[\x00-\x20\x7f]+")


class _Awaited(NamedTuple):
    """A typed line whose echo is awaited."""

    offset: int
    text: bytes
    is_cooked: bool

    @property
    def visible(self) -> bytes:
        return _visible(self.text)


class EchoFilter:
    """Feed it a console's output in order; it returns what is not an echo."""

    def __init__(self, sent: SentTexts, start: int) -> None:
        self._sent = sent
        self._start = start
        self._number = 0  # of the last text that was taken
        self._awaited: deque[_Awaited] = deque()
        self._again: list[bytes] = []  # lines that the tty has shown, and a shell may show again
        self._held: list[Piece] = []
        self._line = b""  # the present line, also what was shown of it already
        self._is_first = True  # whether nothing visible came since the typing
        self._passed = 0  # bytes of whole lines that were no echo

    def feed(self, pieces: list[Piece]) -> list[Piece]:
        """Return the output that can be shown by now."""
        shown: list[Piece] = []
        for offset, data in pieces:
            while data:
                self._take()
                part = self._before(offset)
                if part:  # output from before the typing, or long after it
                    shown.append(Piece(offset, data[:part]))
                else:
                    part = data.find(b"\n") + 1 or len(data)
                    shown += self._look(Piece(offset, data[:part]))
                offset, data = offset + part, data[part:]
        return shown

    def pause(self) -> list[Piece]:
        """Return what is held back, unless it is the beginning of an echo; nothing follows now."""
        line = _visible(self._line)
        awaited = [self._awaited[0].visible] if self._awaited else []
        if any(_is_under_way(typed, line) for typed in awaited + self._again):
            return []
        return self.flush()

    def flush(self) -> list[Piece]:
        """Return what is held back."""
        held, self._held = self._held, []
        return held

    def _take(self) -> None:
        """Take the texts that were typed meanwhile."""
        for number, sent in self._sent.since(self._number, self._start):
            self._number = number
            lines = [_Awaited(sent.offset, line, sent.is_cooked) for line in sent.lines()]
            self._awaited += [line for line in lines if line.visible]

    def _before(self, offset: int) -> int:
        """Return how many bytes from this offset are no echo for sure."""
        if self._again:
            return 0
        return max(0, self._awaited[0].offset - offset) if self._awaited else MAX_SENT_BYTES

    def _look(self, piece: Piece) -> list[Piece]:
        """Look at a line, or the next part of it; return what can be shown."""
        self._held.append(piece)
        self._line += piece.data
        is_whole, line = piece.data.endswith(b"\n"), _visible(self._line)
        awaited = self._awaited[0] if self._awaited else None
        if awaited is not None:
            typed = awaited.visible
            if (is_whole or not awaited.text.endswith(b"\n")) and self._is_echo(typed, line):
                self._held.clear()
                self._next_text(line)
                return []
            is_whole = is_whole and not _begins(typed, line, WRAPPED_BYTES)
        is_whole = is_whole and not any(_begins(one, line, WRAPPED_BYTES) for one in self._again)
        for typed in self._again if is_whole else []:
            if line != typed and _is_later_echo(typed, line):
                self._again.remove(typed)
                self._held.clear()
                self._line = b""
                return []
        if not is_whole and len(self._line) <= HOLD_BYTES:
            return []
        self._passed += len(self._line)
        self._is_first = self._is_first and not line
        self._line = b""
        if self._passed > GIVE_UP_BYTES:
            self._again.clear()
            self._awaited.clear()
        return self.flush()

    def _is_echo(self, typed: bytes, line: bytes) -> bool:
        if self._is_first:
            return _has(line, typed)
        return line == typed or _is_later_echo(typed, line)

    def _next_text(self, line: bytes) -> None:
        before = self._awaited.popleft()
        if before.is_cooked and (self._is_first or line == before.visible):
            self._again.append(before.visible)
        self._line, self._passed = b"", 0
        # A line that was typed together with the last one is shown after that one's output.
        self._is_first = bool(self._awaited) and self._awaited[0].offset != before.offset


def _is_later_echo(typed: bytes, line: bytes) -> bool:
    """Tell whether the line is a prompt and the typed text, which an editor may draw in pieces."""
    if len(typed) < SHORT_BYTES:
        return False
    is_long = len(typed) > WRAPPED_BYTES and len(line) < 4 * len(typed) + PROMPT_BYTES
    return line.endswith(typed) or (is_long and _has(line, typed))


def _has(line: bytes, typed: bytes) -> bool:
    """Tell whether the line has these characters in their order."""
    characters = iter(line)
    return all(character in characters for character in typed)


def _begins(typed: bytes, line: bytes, least: int) -> bool:
    """Tell whether the line ends with `least` or more of the first bytes that were typed."""
    at = line.find(typed[:least]) if len(typed) > least else -1
    return at >= 0 and typed.startswith(line[at:]) and line[at:] != typed


def _is_under_way(typed: bytes, line: bytes) -> bool:
    """Tell whether the line may be the first part of an echo, after a prompt."""
    characters = iter(line)
    known = sum(1 for _ in takewhile(lambda one: one in characters, typed)) if line else 0
    has_more = next(characters, None) is not None
    if known == len(typed) and has_more and not line.endswith(typed):
        return False
    is_most = 2 * known + PROMPT_BYTES * (known >= SHORT_BYTES) > len(line)
    return is_most or _begins(typed, line, SHORT_BYTES)


def _visible(text: bytes) -> bytes:
    return _UNSEEN.sub(b"", ansi.strip(text))
