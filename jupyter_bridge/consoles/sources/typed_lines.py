"""TypedLines: what is typed to a kernel, line by line, with its rubouts applied."""

from __future__ import annotations

import codecs
import re

from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.problems import TooLarge

# The most bytes of a line that is not complete yet: nobody types a longer one.
MAX_LINE = 64 << 10
# The bytes between two pauses: with rubouts they take up to 4 ms.
_PIECE = 16 << 10
# What rubouts remove at once, and how often that is tried: it takes a tenth of the time of `_type`.
_REMOVED = re.compile(rb"[^\n\x08\x7f][\x08\x7f]|(?<=\n)[\x08\x7f]+")
_PASSES = 4
_TEXT_AND_RUBOUTS = re.compile(rb"([^\x08\x7f]*)([\x08\x7f]*)")


class TypedLines:
    """The line that is being typed, and the complete lines before it.

    CR and CR LF end a line as LF does. A rubout removes one byte, but no end of a line.
    """

    def __init__(self) -> None:
        self._rest = b""

    async def feed(self, data: bytes) -> str | None:
        """Return all lines that `data` completes as one text, or None; keep the rest.

        TooLarge if the rest has more than MAX_LINE bytes; then nothing of `data` was typed. Call it
        once at a time: the loop has its turns meanwhile.
        """
        line, pauses = bytearray(self._rest), Pauses()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        texts: list[str] = []
        start = 0
        while start < len(data):
            end = start + _PIECE
            if data[end - 1 : end + 1] == b"\r\n":
                end += 1
            piece = data[start:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            _type(line, piece)
            if b"\n" in piece:
                complete = line.rfind(b"\n") + 1
                texts.append(decode(line[:complete]))
                del line[:complete]
            start = end
            await pauses()
        if len(line) > MAX_LINE:
            raise TooLarge(
                f"A line typed to a kernel may have {MAX_LINE} bytes at most; end it with a "
                "newline, or send the code to /bridge/execute.",
                limit=MAX_LINE,
            )
        self._rest = bytes(line)
        return "".join(texts)[:-1] if texts else None


def _type(line: bytearray, data: bytes) -> None:
    """Add `data` to the line; its rubouts remove what is before them."""
    if b"\x08" not in data and b"\x7f" not in data:
        line += data
        return
    for _ in range(_PASSES):
        before, data = len(data), _REMOVED.sub(b"", data)
        if len(data) == before:
            break
    for match in _TEXT_AND_RUBOUTS.finditer(data):
        text, rubouts = match.groups()
        line += text
        if rubouts:
            first = max(0, len(line) - len(rubouts))
            del line[max(first, line.rfind(b"\n", first) + 1) :]
