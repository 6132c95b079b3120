"""What may stand in a terminal when a run comes, for shells here and on a remote."""

from __future__ import annotations

import pytest

from tests.support.shells import needs

# Text that somebody typed and did not send, in a mode of the line editor.
TYPED: dict[str, tuple[str, bytes]] = {
    "typed": ("emacs", b"touch VICTIM"),
    "cursor": ("emacs", b"touch VICTIM\x02\x02\x02"),
    "vi": ("vi", b"touch VICTIM"),
    "vi command": ("vi", b"touch VICTIM\x1b"),
    "at its start": ("vi", b"touch VICTIM\x1b0"),
    "search": ("emacs", b"touch VICTIM\x12true"),
    "completion": ("emacs", b"touch VICTIM \t"),
    "wide": ("emacs", "touch VICTIM \u00e9\u6f22".encode()),
    "half a key": ("emacs", b"touch VICTIM\x1b"),
    "a key to quote": ("emacs", b"touch VICTIM\x16"),
    "a count": ("emacs", b"touch VICTIM\x1b3"),
    "vi's half a command": ("vi", b"touch VICTIM\x1b0d"),
}
_VI = {"bash": "set -o vi", "zsh": "bindkey -v", "fish": "fish_vi_key_bindings", "dash": ":"}

# What a terminal does when it is no prompt: how it gets there, and what it shows then.
BUSY: dict[str, tuple[bytes, bytes]] = {
    "an open quote": (b"echo 'open\r", b""),
    "a here-document": (b"cat > NOTES <<EOF\rone\r", b""),
    "read": (b"read x\r", b""),
    "a program that reads": (b"cat > NOTES\r", b""),
    "a shell inside": (b"sh -i\r", b""),
    "a script that reads": (b"sh -c 'read x; echo got $x > NOTES'\r", b""),
    "an editor": (b"busybox vi NOTES\r", b"NOTES"),
    "a loop": (b"while true; do true; done\r", b""),
}


def vi_mode(shell: str) -> str:
    """Return the command that has the shell's editor take the keys of vi."""
    return _VI.get(shell, "set -o vi")


def is_shown_anew(shell: str, keys: bytes) -> bool:
    """Tell whether these keys show the line anew: what is in it is unknown until Ctrl-C."""
    return shell in ("dash", "mksh") and b"\x12" in keys


def busy_case(what: str, shell: str) -> tuple[bytes, bytes]:
    """Return what is typed, and what is shown then, in the words of this shell."""
    keys, shows = BUSY[what]
    if shell == "fish" and what == "a here-document":
        pytest.skip("fish has none")
    if shell == "fish" and what == "a loop":
        keys = b"while true; end\r"
    if what == "an editor":
        needs("busybox")
    return keys, shows
