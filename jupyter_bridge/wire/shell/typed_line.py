"""The text that somebody typed at a prompt, from what the line editor wrote to the terminal."""

from __future__ import annotations

import re
import shlex
from urllib.parse import unquote_to_bytes

# How much of a line is kept, bytes; of a text, characters.
LINE_BYTES = 4096
TEXT_CHARACTERS = 1000
# How many cells may be moved or left blank while a line is rendered; an edited line of 300 columns
# moves less. What follows is not shown.
_CELLS = 1 << 18
# A blank cell costs as much as so many that are moved.
_BLANK = 16

_STEP = re.compile(
    r"\x1b\[(?P<count>[0-9]*)(?P<csi>[A-Za-z@])"  # a sequence that may move the cursor
    r"|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()].|\x1b."
    r"|(?P<control>[\x00-\x1f\x7f])|(?P<text>[^\x00-\x1f\x7f]+)"
)
# Where a prompt ends that does not tell: `user@host:~$ `.
_PROMPT = re.compile(r"^[^$#%>\u276f]*[$#%>\u276f] ")
# The line that starts a run, `wrapper.py`: its comment shows the command.
_RUN = re.compile(r"/jb-\w+/[0-9]+\b")
_COMMENT = " # "
# What follows the backslashes: a number, or (zsh) Meta and Control, or a letter.
_ANSI_C = re.compile(
    rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|(M-)?(?:\\?(C-))?(.))", re.DOTALL
)
_LETTERS = dict(zip(b"ntrabeEfv", b"\n\t\r\a\b\x1b\x1b\f\v", strict=True))


def rendered(data: bytes, column: int = 0) -> tuple[str, int]:
    """Return the line as a terminal without an edge shows it, and the column of the cursor."""
    cells: list[str] = []
    left = _CELLS
    for step in _STEP.finditer(data.decode("utf-8", "replace")):
        if left < 0:
            break
        if text := step["text"]:
            left -= _BLANK * max(0, column - len(cells))
            cells.extend(" " * (column - len(cells)))
            cells[column : column + len(text)] = text
            column += len(text)
        elif step["control"] == "\b":
            column = max(0, column - 1)
        elif step["control"] == "\r":
            column = 0
        elif csi := step["csi"]:
            count = min(int(step["count"][:4] or 1), LINE_BYTES)
            if csi == "C":
                column += count
            elif csi == "D":
                column = max(0, column - count)
            elif csi == "G":
                column = max(0, count - 1)
            elif csi in "KJ" and not step["count"].strip("0"):
                del cells[column:]
            elif csi == "P":
                left -= len(cells)
                del cells[column : column + count]
            elif csi == "@":
                left -= len(cells) + _BLANK * count
                cells[column:column] = " " * count
            column = min(column, LINE_BYTES)
            del cells[LINE_BYTES:]
    return "".join(cells), column


def typed(data: bytes, prompt: int | None) -> str:
    """Return what was typed in a line; its prompt is in its first `prompt` bytes, if known."""
    line, _ = rendered(data)
    if prompt is not None:
        _, column = rendered(data[:prompt])
        return line[column:].strip()
    return _PROMPT.sub("", line, count=1).strip()


def starts_run(line: str) -> bool:
    """Tell whether the line looks like one that starts a run."""
    return _RUN.search(line) is not None


def run_text(line: str) -> str | None:
    """Return the text of the command in the line that starts a run; None if it has none."""
    found = _RUN.search(line)
    return line[found.end() :].partition(_COMMENT)[2].strip() or None if found else None


def unquoted(text: bytes) -> str:
    """Return the words that `printf %q` or zsh's `(q+)` quoted; the text itself if it was cut."""
    text = text[: TEXT_CHARACTERS * 4]
    if text.startswith(b"$'"):
        return _ANSI_C.sub(_plain, text[2:].removesuffix(b"'")).decode("utf-8", "replace")
    shown = text.decode("utf-8", "replace")
    try:
        return " ".join(shlex.split(shown))
    except ValueError:
        return re.sub(r"\\(.)", r"\1", shown)


def decoded(text: bytes) -> str:
    """Return a text that was percent-encoded."""
    return unquote_to_bytes(text[: TEXT_CHARACTERS * 12]).decode("utf-8", "replace")


def _plain(found: re.Match[bytes]) -> bytes:
    octal, short, long, meta, control, letter = found.groups()
    if octal or short:
        return bytes([int(octal, 8) & 0xFF if octal else int(short, 16)])
    if long:
        return chr(int(long, 16)).encode("utf-8", "replace")
    if not meta and not control:
        return bytes([_LETTERS.get(letter[0], letter[0])])
    code = 0x7F if letter == b"?" else letter[0] & 0x1F
    return bytes([(code if control else letter[0]) | (0x80 if meta else 0)])
