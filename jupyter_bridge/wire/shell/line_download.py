r"""Files sent back through a terminal just before D: stdout and stderr of a `split` run.

There are no pipes to another machine, so the streams of a `split` run are written to files there.
A script beside them, run before D, prints them, exact for any bytes:

    ESC ] 133 ; F ; jb=<nonce> ; <1 or 2> ; <size> ; <base64, in lines> BEL

Terminals do not show it. The script then removes the files of all runs.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

# The files of the streams, and the one with the nonce and the limit of bytes for each stream.
STREAMS = ("5", "6")
ORDER = "0"
FILE = "s"

SCRIPT = rb"""umask 077
PATH=$PATH:/usr/bin:/bin
trap "" INT QUIT TSTP
cd "${0%/*}" || exit
exec </dev/null >/dev/tty 2>/dev/null
if [ -f 0 ]; then
  read -r nonce max <0
  for file in 5 6; do
    [ -f $file ] || continue
    printf '\033]133;F;jb=%s;%s;%s;' "$nonce" $((file - 4)) $(wc -c <$file)
    head -c "$max" $file | base64
    printf '\007'
  done
fi
rm -f [0-9] [0-9].x
"""

_BEGIN = re.compile(rb"\x1b\]133;F;jb=([0-9a-f]+);([12]);([0-9]{1,18});")
# The most bytes before the base64.
_LONGEST = 96
_SPACE = b"\r\n \t"


class StreamPiece(NamedTuple):
    """A piece of stream 0 (stdout) or 1 (stderr); `lost` bytes are missing after it."""

    stream: int
    data: bytes
    lost: int = 0


class StreamFinder:
    """Finds the streams of one run in its terminal's bytes, wherever they are cut."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce.encode("ascii")
        self._held = b""
        self._stream: int | None = None
        self._left = 0
        self.streams: set[int] = set()

    def feed(self, data: bytes) -> Iterator[StreamPiece]:
        """Return the pieces in these bytes, which follow the last ones."""
        data = self._held + data
        while True:
            if self._stream is None:
                begin = _BEGIN.search(data)
                if begin is None:
                    self._held = data[-_LONGEST:]
                    return
                data = data[begin.end() :]
                if begin[1] != self._nonce:
                    continue
                self._stream, self._left = int(begin[2]) - 1, int(begin[3])
                self.streams.add(self._stream)
            text, end, rest = data.partition(b"\x07")
            text = text.translate(None, _SPACE)
            whole = len(text) if end else len(text) // 4 * 4
            piece = _decoded(text[:whole])
            self._left -= len(piece)
            if piece:
                yield StreamPiece(self._stream, piece)
            if not end:
                self._held = text[whole:]
                return
            if self._left > 0:
                yield StreamPiece(self._stream, b"", self._left)
            self._stream, data = None, rest


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:  # other output came in between: the missing bytes are counted
        return b""
