r"""Send files to a machine that is reached only through a terminal.

A run needs files, and a remote terminal shares none with this machine. So they are typed into a
receiver, which is an `sh` script. The line that starts it means the same in bash, zsh, sh and
fish, and reports which of them read it:

    /bin/sh -c '<RECEIVER>' jb-hand jb=<nonce> '\' "${BASH_VERSION:+b}…$?" ' "f$status" \'
    /bin/sh -c '<AGAIN>' jb-hand jb=<nonce> … <folder>      if the receiver was sent before

(In fish `\'` inside single quotes is a quote, elsewhere a backslash and the closing quote: the
third argument is `$status` in fish and `$?` elsewhere.) The receiver switches the echo off, enters
its folder (made 0700, below $TMPDIR or /tmp) and prints a mark when it is ready:

    ESC ] 133 ; H ; jb=<nonce> ; <shell and status> ; <pid of the shell> ; <folder> BEL

Then it reads lines, each shorter than any terminal's limit (255 to 4095 bytes in POSIX, macOS and
Linux): `>name` begins a file, `:bytes` continues it in the escapes of printf's %b, and
`=name name …` ends all. It answers with the POSIX cksum of each file, so that foreign input typed
meanwhile is noticed. A line damaged by such input is skipped, and only the last line has a `=`, so
that the receiver still reads up to that line and none of it reaches the shell.

    ESC ] 133 ; U ; jb=<nonce> ; <cksum> <size> <cksum> <size> … BEL

or N, if there is no such folder.

It ends after 30 s without a line, or at an interrupt. A background process removes the folder when
the shell has ended. The files of one run are named by digits, and removed when the next run begins.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jupyter_bridge.wire.shell.integration import Dialect
from jupyter_bridge.wire.shell.wrapper import quote

# The name of the receiver in its folder.
RECEIVER_FILE = "r"

# Without single quotes and double backslashes: the four shells read it in single quotes.
RECEIVER = (
    "n=$1 k=$3 d=$5;umask 077;PATH=$PATH:/usr/bin:/bin;exec </dev/tty >/dev/tty 2>/dev/null;"
    'm(){ printf "\\033]133;%s;$n;%s\\007" "$1" "$2";};'
    "t=$(stty -g);"
    # The name is in the process table: somebody may have made a folder of that name first.
    'if [ -z "$d" ];then d=${TMPDIR:-/tmp}/jb-${n#jb=};mkdir -m 700 "$d"||{ m N "$d";exit 0;};'
    '(trap "" HUP INT QUIT;while kill -0 $PPID;do sleep 1;done;rm -rf "$d")'
    " </dev/null >/dev/null& fi;"
    'cd "$d"||{ m N "$d";exit 0;};'
    'trap "stty $t" EXIT;trap "exit 130" INT TERM;'
    "rm -f [0-9]*;stty -echo icanon icrnl;"
    "(i=0;while [ $i -lt 30 ];do sleep 1;i=$((i+1));done;kill $$) </dev/null >/dev/null& w=$!;"
    'm H "$k;$PPID;$PWD";exec >/dev/null;'
    'while IFS= read -r l;do [ -z "$w" ]||{ kill $w;w=;};case $l in '
    '*=*)break;;:*)printf %b "${l#:}";;">"*/*);;">"*)exec >"${l#>}";;esac;done;'
    'exec >/dev/tty;m U "$(echo $(for f in ${l#*=};do cksum <$f;done))"'
)

# Starts the receiver of the folder, unless somebody else has made a folder or a link of its name:
# what cleans /tmp may have taken it away.
AGAIN = f'[ -O "$5" ]&&[ ! -L "$5" ]&&exec /bin/sh "$5/{RECEIVER_FILE}" "$@"'

# How much of a file one line holds, in printf's units of at most 5 bytes; POSIX allows 255.
_UNITS = re.compile(rb"(?:\\0[0-7]{3}|\\[\\nt]|[^\\]){1,49}")
_ESCAPES = {
    code: f"\\0{code:03o}" for code in [*range(32), *range(127, 256)] if chr(code) not in "\n\t"
} | {ord("\n"): "\\n", ord("\t"): "\\t", ord("\\"): "\\\\", ord("="): "\\0075"}
# The most bytes that are typed at once.
PIECE = 16 << 10

_MARK = re.compile(rb"\x1b\]133;([HUN]);jb=([0-9a-f]+);([^\x07]*)\x07")
_SHELLS: dict[str, Dialect] = {"b": "bash", "z": "zsh", "f": "fish", "": "sh"}
_READER = re.compile(r"([bzf]?)([0-9]{1,3});([0-9]{1,18});(/.*)")


def opening(nonce: str, folder: str | None) -> bytes:
    """Return the line that starts the receiver, in `folder` if it was sent before.

    It begins with a space, which keeps it out of most histories.
    """
    # zsh's own status after an interrupted run may be wrong (see `data/zsh.zsh`).
    posix = "${BASH_VERSION:+b}${ZSH_VERSION:+z}${__jb_k:-$?}"
    report = f"""jb={nonce} '\\' "{posix}" ' "f$status" \\'"""
    if folder is None:
        return f" /bin/sh -c '{RECEIVER}' jb-hand {report}\r".encode()
    # A path that needs no quoting is the same in every shell; another folder is not used again.
    gone = f'printf "\\033]133;N;jb={nonce};\\007"'
    return f" /bin/sh -c '{AGAIN}' jb-hand {report} {folder} || {gone}\r".encode()


def is_plain(folder: str) -> bool:
    """Tell whether a path needs no quoting in any shell."""
    return quote("sh", folder) == folder


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
        yield f">{name}\n".encode()
        escaped = data.decode("latin-1").translate(_ESCAPES).encode("ascii")
        for match in _UNITS.finditer(escaped):
            yield b":" + match[0] + b"\n"
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
class Reader:
    """H: the shell that read the line, its status, its process, and the folder."""

    dialect: Dialect
    status: int
    pid: int
    folder: str


@dataclass(frozen=True)
class ReceivedFiles:
    """U: the checksums of the received files."""

    sums: str


@dataclass(frozen=True)
class Missing:
    """N: there is no such folder, or it cannot be made."""

    folder: str


def marks_in(data: bytes, nonce: str) -> list[Reader | ReceivedFiles | Missing]:
    """Return the receiver's marks with this nonce in these bytes."""
    found: list[Reader | ReceivedFiles | Missing] = []
    for match in _MARK.finditer(data):
        letter, whose, rest = match[1], match[2].decode(), match[3].decode("utf-8", "replace")
        if whose != nonce:
            continue
        if letter == b"N":
            found.append(Missing(rest))
        elif letter == b"U":
            found.append(ReceivedFiles(rest.strip()))
        elif reader := _READER.fullmatch(rest):
            shell, status, pid, folder = reader.groups()
            found.append(Reader(_SHELLS[shell], int(status), int(pid), folder))
    return found
