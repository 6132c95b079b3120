"""TerminalModes: the modes that a terminal's output has set, to set and to reset them elsewhere.

A viewer that comes late needs what the output before it has set: the alternate screen, mouse
reports, bracketed paste, cursor keys, the keypad, the cursor, the title, and the two protocols by
which keys are told apart (xterm's modifyOtherKeys, kitty's keyboard). Colours, margins and cursor
positions are not modes: a full-screen program sets them as it draws.

    set_up()     the sequences that set these modes in a terminal that was just reset
    put_back()   the sequences that reset all that the output may have changed

See xterm's ctlseqs, and https://sw.kovidgoyal.net/kitty/keyboard-protocol/.
"""

from __future__ import annotations

import re

# An unfinished sequence is held back up to this size, bytes; only titles are long.
HOLD_BYTES = 1024
# The most levels of kitty's stack; the protocol lets a terminal discard the oldest.
MAX_LEVELS = 8

_MODE = re.compile(
    rb"""\x1b(?:
      \[\?(?P<private>[0-9;]{1,64})(?P<set>[hlrs])
    | \[4(?P<insert>[hl])
    | \[(?P<kitty>[<>=])(?P<flags>[0-9;]{0,16})u
    | \[>(?P<keys>[0-9;]{0,16})m
    | \[(?P<cursor>[0-9]{0,2})\ q
    | \][02];(?P<title>[^\x00-\x1f\x7f]{0,1000})(?:\x07|\x1b\\)
    | (?P<keypad>[=>])
    | (?P<soft>\[!p)
    | (?P<hard>c)
    )""",
    re.VERBOSE,
)
# Most sequences are colours and cursor movements, and none of these; text with no others is read
# ten times as fast.
_SIGN = re.compile(rb"\x1b(?!\[[0-35-9;mK])|\x1b\[[0-9]{1,2}\ q")
_UNFINISHED = re.compile(
    rb"\x1b(?:\[[?<>=!]?[0-9;]{0,64}\x20?|\](?:[02](?:;[^\x00-\x1f\x7f]{0,1000}\x1b?)?)?)?\Z"
)

# Private modes that are set in a terminal that was just reset: wrap, cursor, alternate scroll.
_NORMALLY_SET = frozenset((7, 25))
# Those of a program's screen; the first screen's own modes are not kept apart by terminals.
_SCREENS = (1049, 1047, 47)
# Not set again for a late viewer: synchronized output would stop its screen, and 2048 reports at
# once.
_NOT_AGAIN = frozenset((2026, 2048))
_KNOWN = frozenset(
    (
        *(1, 5, 6, 7, 9, 12, 25, 45, 47, 66, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007),
        *(1015, 1016, 1035, 1036, 1047, 1049, 2004, 2026, 2027, 2031, 2048),
    )
)
# What a soft reset (DECSTR) changes.
_SOFT = (1, 6, 7, 25, 66)


class TerminalModes:
    """The modes after the output that was fed so far."""

    def __init__(self) -> None:
        self._touched: set[int] = set()
        self._has_title = False
        self._held = b""
        self._reset()

    def _reset(self) -> None:
        self._modes: dict[int, bool] = {}  # only those that are not as after a reset
        self._saved: dict[int, bool] = {}
        self._insert = False
        self._keys: dict[int, bytes] = {}
        self._kitty: tuple[list[int], list[int]] = [0], [0]  # of the first and the other screen
        self._cursor = b""
        self._title = b""

    def feed(self, data: bytes) -> None:
        """Read output, which may be cut anywhere."""
        data, self._held = self._held + data, b""
        if b"\x1b" not in data:
            return
        end = 0
        if _SIGN.search(data):
            for found in _MODE.finditer(data):
                self._read(found)
                end = found.end()
        cut = _UNFINISHED.search(data, max(end, len(data) - HOLD_BYTES))
        if cut is not None:
            self._held = cut[0]

    def checkpoint(self) -> bytes:
        """Return output after which new modes are as these are now, as far as `set_up` tells."""
        return self.set_up() + self._held

    def set_up(self) -> bytes:
        """Return the sequences that set these modes."""
        parts = [self._kitty_of(0)]
        screen = [mode for mode in _SCREENS if self._modes.get(mode)]
        if screen:
            parts += [b"\x1b[?%dh" % screen[0], self._kitty_of(1)]
        for mode, is_set in self._modes.items():
            if mode not in _SCREENS and mode not in _NOT_AGAIN:
                parts.append(b"\x1b[?%d%c" % (mode, b"h" if is_set else b"l"))
        parts += [b"\x1b[>%d;%bm" % pair for pair in self._keys.items()]
        parts.append(b"\x1b[4h" if self._insert else b"")
        parts.append(b"\x1b[%b q" % self._cursor if self._cursor else b"")
        parts.append(b"\x1b]2;%b\x07" % self._title if self._title else b"")
        return b"".join(parts)

    def put_back(self) -> bytes:
        """Return the sequences that reset what the output may have changed, the title excepted."""
        parts = []
        if self._is_other:
            parts.append(self._without_kitty(1))
            parts += [b"\x1b[?%dl" % mode for mode in _SCREENS if self._modes.get(mode)]
        parts.append(self._without_kitty(0))
        for mode in sorted(self._touched - set(_SCREENS)):
            parts.append(b"\x1b[?%d%c" % (mode, b"h" if mode in _NORMALLY_SET else b"l"))
        parts += [b"\x1b[>%dm" % resource for resource in self._keys]
        parts.append(b"\x1b[4l" if self._insert else b"")
        parts.append(b"\x1b[0 q" if self._cursor else b"")
        return b"".join(parts)

    @property
    def has_title(self) -> bool:
        """Whether the output has set the window's title."""
        return self._has_title

    @property
    def _is_other(self) -> bool:
        return any(self._modes.get(mode) for mode in _SCREENS)

    def _kitty_of(self, screen: int) -> bytes:
        base, *levels = self._kitty[screen]
        first = b"\x1b[=%d;1u" % base if base else b""
        return first + b"".join(b"\x1b[>%du" % flags for flags in levels)

    def _without_kitty(self, screen: int) -> bytes:
        base, *levels = self._kitty[screen]
        first = b"\x1b[<%du" % len(levels) if levels else b""
        return first + (b"\x1b[=0;1u" if base else b"")

    def _read(self, found: re.Match[bytes]) -> None:
        what = found.lastgroup
        if found["private"] is not None:
            for number in found["private"].split(b";"):
                if number and int(number) in _KNOWN:
                    self._private(int(number), found["set"])
        elif found["insert"] is not None:
            self._insert = found["insert"] == b"h"
        elif found["kitty"] is not None:
            self._read_kitty(found["kitty"], found["flags"])
        elif what == "keys":
            self._read_keys(found["keys"])
        elif what == "cursor":
            self._cursor = found["cursor"].lstrip(b"0")
        elif what == "title":
            self._title, self._has_title = found["title"], True
        elif what == "keypad":
            self._set(66, found["keypad"] == b"=")
        elif what == "soft":
            self._insert, self._cursor = False, b""
            for mode in _SOFT:
                self._set(mode, mode in _NORMALLY_SET)
        elif what == "hard":
            self._reset()

    def _private(self, mode: int, how: bytes) -> None:
        if how == b"s":
            self._saved[mode] = self._modes.get(mode, mode in _NORMALLY_SET)
        elif how != b"r":
            self._set(mode, how == b"h")
        elif mode in self._saved:
            self._set(mode, self._saved[mode])

    def _set(self, mode: int, is_set: bool) -> None:
        self._touched.add(mode)
        if mode in _SCREENS:
            for other in _SCREENS:
                self._modes.pop(other, None)
            if is_set and not self._is_other:
                self._kitty[1][:] = [0]
        if is_set == (mode in _NORMALLY_SET):
            self._modes.pop(mode, None)
        else:
            self._modes[mode] = is_set

    def _read_kitty(self, how: bytes, text: bytes) -> None:
        stack = self._kitty[self._is_other]
        numbers = [int(number or 0) for number in text.split(b";")]
        if how == b">":
            stack.append(numbers[0] & 31)
            del stack[1 : len(stack) - MAX_LEVELS]
        elif how == b"<":
            del stack[max(1, len(stack) - max(1, numbers[0])) :]
        else:
            flags, way = numbers[0] & 31, numbers[1] if len(numbers) > 1 else 1
            stack[-1] = {2: stack[-1] | flags, 3: stack[-1] & ~flags}.get(way, flags)

    def _read_keys(self, text: bytes) -> None:
        resource, _, value = text.partition(b";")
        if not resource:
            self._keys.clear()
        elif value.strip(b"0;"):
            self._keys[int(resource.split(b";")[0])] = value.split(b";")[0]
        else:
            self._keys.pop(int(resource), None)
