"""DetachKeys: find the keys that leave an attached console among what the keyboard sends.

A program may have changed how the terminal sends keys, so that Ctrl-] comes as one of

    1D                      as ever
    ESC [ 27 ; 5 ; 93 ~     xterm's modifyOtherKeys
    ESC [ 93 ; 5 u          kitty's keyboard protocol, also with the kind of event, other keys of
                            the layout, and locks: ESC [ 93 : 125 ; 69 : 1 u

Pressed once, the keys leave; pressed again within AGAIN_SECONDS, they are sent to the console,
once. Of several keys, those that the next one does not continue are sent. Pasted text never leaves.
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable

from jupyter_bridge.problems import BadRequest

DEFAULT = "ctrl-]"
# How long after the keys the same keys again mean: send them.
AGAIN_SECONDS = 0.4
# How long to wait for the rest of an escape sequence; Esc alone is a key, too.
REST_SECONDS = 0.05

_CONTROL = {f"ctrl-{letter}": ord(letter) & 31 for letter in string.ascii_lowercase + "@[\\]^_"}
_TOKEN = re.compile(rb"\x1b\[[0-9:;<=>?]*[ -/]*[@-~]|.", re.DOTALL)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9:;]*)?\Z")
_MODIFIED = re.compile(rb"\x1b\[27;(?P<modifiers>\d+);(?P<code>\d+)~")
_KITTY = re.compile(
    rb"\x1b\[(?P<code>\d+)(?::\d*)?(?::(?P<base>\d+))?"
    rb"(?:;(?P<modifiers>\d*)(?::(?P<event>\d+))?)?(?:;[\d:]*)?u"
)
_PASTE = {b"\x1b[200~": True, b"\x1b[201~": False}
_CTRL = 4
_LOCKS = 64 | 128  # Caps Lock and Num Lock
_RELEASE = b"3"
_MODIFIER_KEYS = range(57441, 57455)


def parsed(text: str) -> tuple[int, ...]:
    """Return the keys of `ctrl-p,ctrl-q` or `ctrl-],a` as their bytes. Raises BadRequest."""
    keys = []
    for word in text.split(","):
        name = word.strip()
        if name.lower() in _CONTROL:
            keys.append(_CONTROL[name.lower()])
        elif len(name) == 1 and " " < name < "\x7f":
            keys.append(ord(name))
        else:
            raise BadRequest(
                f"--detach-keys {text}: write letters, or ctrl- and one of a-z @ [ \\ ] ^ _, "
                "with commas between them."
            )
    return tuple(keys)


class DetachKeys:
    """Feed it what is typed; it returns what to send, and knows when to leave."""

    def __init__(self, keys: str = DEFAULT, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = parsed(keys)
        self._clock = clock
        self._rest = b""  # an unfinished escape sequence
        self._held: list[bytes] = []  # keys that may begin or repeat the detach keys
        self._count = 0  # how many of the keys were pressed, up to all of them twice
        self._pressed = 0.0
        self._is_paste = False

    @property
    def wait(self) -> float | None:
        """After how many seconds to call `feed` with nothing; None if that is not needed."""
        if self._count >= len(self._keys):
            return max(0.0, self._pressed + AGAIN_SECONDS - self._clock())
        return REST_SECONDS if self._rest else None

    @property
    def leaves(self) -> bool:
        """Whether the keys were pressed, and not again."""
        is_over = self._clock() - self._pressed >= AGAIN_SECONDS
        return self._count >= len(self._keys) and is_over

    def feed(self, data: bytes) -> bytes:
        """Return what to send by now. Nothing (b"") after `wait` has passed ends a sequence."""
        sent = b""
        whole, self._rest = self._rest + data, b""
        cut = _UNFINISHED.search(whole) if data else None
        if cut is not None:
            whole, self._rest = whole[: cut.start()], cut[0]
        for token in _TOKEN.findall(whole):
            sent += self._press(token)
        return sent

    def _press(self, token: bytes) -> bytes:
        if token in _PASTE:
            self._is_paste = _PASTE[token]
        key = None if self._is_paste else _key_of(token)
        if key == _NO_KEY and self._count:
            self._held.append(token)  # a key that comes up says nothing
            return b""
        size = len(self._keys)
        if self._count < 2 * size and key == self._keys[self._count % size]:
            self._held.append(token)
            self._count += 1
            self._pressed = self._clock()
            if self._count < 2 * size:
                return b""
            half = self._held[: _half(self._held)]
            self._count, self._held = 0, []
            return b"".join(half)
        held, self._held = self._held, []
        is_whole, self._count = self._count >= size, 0
        if is_whole:  # something else was typed at once: leave, and send nothing
            self._count, self._pressed = size, -AGAIN_SECONDS
            return b""
        if held and key == self._keys[0]:
            return b"".join(held) + self._press(token)
        return b"".join(held) + token


_NO_KEY = -1


def _half(held: list[bytes]) -> int:
    """Return how many tokens are the keys pressed the first time."""
    presses = [number for number, token in enumerate(held) if _key_of(token) != _NO_KEY]
    return presses[len(presses) // 2]


def _key_of(token: bytes) -> int | None:
    """Return the byte of a key that was pressed, _NO_KEY for one that says nothing, else None."""
    if len(token) == 1:
        return token[0]
    found = _MODIFIED.fullmatch(token) or _KITTY.fullmatch(token)
    if found is None:
        return None
    groups = found.groupdict()
    code = int(groups["code"])
    if code in _MODIFIER_KEYS or groups.get("event") == _RELEASE:
        return _NO_KEY
    modifiers = (int(groups["modifiers"] or 1) - 1) & ~_LOCKS
    for number in (code, int(groups.get("base") or code)):
        if modifiers == _CTRL and (chr(number) in string.ascii_lowercase or number in _SIGNS):
            return number & 31
    return code if modifiers == 0 and 32 < code < 127 else None


_SIGNS = frozenset(map(ord, "@[\\]^_"))
