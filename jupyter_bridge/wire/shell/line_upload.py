r"""Send the files of a run to a machine that is reached only through a terminal.

A run needs files, and a remote terminal shares none with this machine. So they are typed into a
receiver, `data/receive.sh`, which lies in the folder of the shell there (`remote_startup.py`). The
shell's line that starts it also sources the wrapper among the files, if the receiver allows it:

    /bin/sh <folder>/r jb=<key> <status> && . <folder>/1

The receiver switches the echo off and prints a mark when it is ready, with the shell's `$?`:

    ESC ] 133 ; H ; jb=<key> ; <status> BEL

Then it reads lines, each shorter than any terminal's limit (255 to 4095 bytes in POSIX, macOS and
Linux): `:@name` begins a file, `: bytes` continues it in the escapes of printf's %b, and
`=name name …` ends all. It answers with the POSIX cksum of each file, so that foreign input typed
meanwhile is noticed. A line damaged by such input is skipped, and only the last line has a `=`, so
that the receiver still reads up to that line and none of it reaches the shell.

    ESC ] 133 ; U ; jb=<key> ; <cksum> <size> <cksum> <size> … BEL

At `!jb=<key>` it ends, and the shell starts the run. It ends without a run after 30 s without a
line, or at an interrupt. The files of one run are named by digits, and removed when the next run
begins.
"""

from __future__ import annotations

import re
import string
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from jupyter_bridge.wire.shell.integration import Dialect, script

# The names of the receiver, and of a run's wrapper, in the folder.
RECEIVER_FILE = "r"
WRAPPER = "1"

# How much of a file one line holds, in printf's units of at most 5 bytes; POSIX allows 255.
_UNITS = re.compile(rb"(?:\\0[0-7]{3}|\\[\\nt]|[^\\]){1,48}")
# A shell that gets such a line, should the receiver have ended, finds nothing in it to do.
_PLAIN = frozenset(string.ascii_letters + string.digits + " _./,:+@-")
_ESCAPES = {code: f"\\0{code:03o}" for code in range(256) if chr(code) not in _PLAIN} | {
    ord("\n"): "\\n",
    ord("\t"): "\\t",
}
# The most bytes that are typed at once.
PIECE = 16 << 10

_MARK = re.compile(rb"\x1b\]133;([HU]);jb=([0-9a-f]+);([0-9 ]{0,4096})\x07")
_RECEIVE = '/bin/sh "$__jb_dir/r" jb="$__jb_key"'


@cache
def receiver() -> str:
    """Return the script that receives a run's files."""
    return script("receive.sh")


def line(dialect: Dialect) -> str:
    """Return the line that receives a run's files, and then starts the run."""
    if dialect == "fish":
        start = f'source "$__jb_dir/{WRAPPER}"; eval $__jb_l; __jb_e'
        return f' if {_RECEIVE} "$status"; {start}; end'
    if dialect == "sh":
        # The key of the others looks at the folder itself: a cleaner may have taken it.
        own = '[ -O "$__jb_dir" ] && [ ! -L "$__jb_dir" ]'
        return f' {own} && {_RECEIVE} 0 && \\. "$__jb_dir/{WRAPPER}"'
    # zsh's own status after an interrupted run may be wrong (see `data/zsh.zsh`).
    return f' {_RECEIVE} "${{__jb_k:-$?}}" && \\. "$__jb_dir/{WRAPPER}"'


def go(key: str) -> bytes:
    """Return what lets the shell start the run whose files it has."""
    return f"!jb={key}\n".encode()


def pieces(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """Return the text to type to the receiver, cut between lines."""
    piece = b""
    for line in _lines(files):
        if len(piece) + len(line) > PIECE:
            yield piece
            piece = b""
        piece += line
    yield piece


def _lines(files: Mapping[str, bytes]) -> Iterator[bytes]:
    for name, data in files.items():
        yield f":@{name}\n".encode()
        escaped = data.decode("latin-1").translate(_ESCAPES).encode("ascii")
        for match in _UNITS.finditer(escaped):
            yield b": " + match[0] + b"\n"
    yield f"={' '.join(files)}\n".encode()


def sums(files: Mapping[str, bytes]) -> str:
    """Return the checksums that `ReceivedFiles` has if all arrived."""
    return " ".join(cksum(data) for data in files.values())


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def cksum(data: bytes) -> str:
    """Return the CRC of the POSIX utility for these bytes, and their size.

    It is zlib's CRC with the bits of every byte, and of the result, reversed.
    """
    size = len(data)
    length = size.to_bytes((size.bit_length() + 7) // 8, "little")
    crc = zlib.crc32((data + length).translate(_REVERSED), 0xFFFFFFFF)
    return f"{int(f'{crc:032b}'[::-1], 2)} {size}"


@dataclass(frozen=True)
class Receiving:
    """H: the receiver waits for files; `status` is the shell's `$?`."""

    status: int


@dataclass(frozen=True)
class ReceivedFiles:
    """U: the checksums of the received files."""

    sums: str


def marks_in(data: bytes, key: str) -> list[Receiving | ReceivedFiles]:
    """Return the receiver's marks with this key in these bytes."""
    found: list[Receiving | ReceivedFiles] = []
    for match in _MARK.finditer(data):
        letter, whose, rest = match[1], match[2].decode(), match[3].decode()
        if whose != key:
            continue
        if letter == b"U":
            found.append(ReceivedFiles(rest.strip()))
        elif rest.isdigit() and len(rest) <= 3:
            found.append(Receiving(int(rest)))
    return found
