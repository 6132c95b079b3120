"""The streams of a split run at the end of a line come back exactly, however they are cut."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.shell import line_download
from jupyter_bridge.wire.shell.line_download import StreamFinder, StreamPiece

NONCE = "0123456789abcdef"


def frame(stream: int, data: bytes, nonce: str = NONCE, size: int | None = None) -> bytes:
    """As the script says it."""
    lines = base64.encodebytes(data).replace(b"\n", b"\r\n")
    head = f"\x1b]133;F;jb={nonce};{stream};{len(data) if size is None else size};"
    return head.encode() + lines + b"\x07"


def told(said: bytes, cuts: list[int]) -> tuple[bytes, bytes, int]:
    """stdout, stderr and what is lost, of what is cut at these places."""
    parted, streams, lost, at = StreamFinder(NONCE), [b"", b""], 0, 0
    for cut in [*sorted(cuts), len(said)]:
        for stream, data, gone in parted.feed(said[at : max(at, cut)]):
            streams[stream] += data
            lost += gone
        at = max(at, cut)
    return streams[0], streams[1], lost


@given(
    st.binary(max_size=400),
    st.binary(max_size=400),
    st.lists(st.integers(0, 1500), max_size=12),
    st.sampled_from([b"", b"typed\r\n", b"\x1b]133;F;jb=", frame(1, b"old", "ff")]),
)
def test_any_bytes_however_cut(out: bytes, err: bytes, cuts: list[int], noise: bytes) -> None:
    """Both streams are there to the byte; what stands around them, and other runs', is not."""
    said = noise + frame(1, out) + noise + frame(2, err) + noise
    assert told(said, cuts) == (out, err, 0)


def test_what_was_not_sent_is_told() -> None:
    """The size says how much there was; what is garbled is lost, never wrong."""
    assert told(frame(1, b"abc", size=10), []) == (b"abc", b"", 7)
    assert told(frame(1, b"abcdef").replace(b"Y", b"!"), []) == (b"", b"", 6)


def test_the_script_sends_and_tidies(tmp_path: Path) -> None:
    """The script itself, in a terminal: at most so many bytes of each file, then they are gone."""
    (tmp_path / line_download.FILE).write_bytes(line_download.SCRIPT)
    (tmp_path / line_download.ORDER).write_text(f"{NONCE} 1000\n")
    out = bytes(range(256)) * 8
    for name, data in zip((*line_download.STREAMS, "1"), (out, b"err\n", b"wrapper"), strict=True):
        (tmp_path / name).write_bytes(data)
    code = f"import pty; pty.spawn(['/bin/sh', {str(tmp_path / line_download.FILE)!r}])"
    said = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True
    ).stdout
    assert told(said, []) == (out[:1000], b"err\n", len(out) - 1000)
    assert [path.name for path in tmp_path.iterdir()] == [line_download.FILE]


def test_pieces_are_told_as_they_come() -> None:
    """A large stream is not held until its end."""
    parted = StreamFinder(NONCE)
    said = frame(1, bytes(30_000))
    first = list(parted.feed(said[:20_000]))
    assert sum(len(piece.data) for piece in first) > 10_000
    assert all(isinstance(piece, StreamPiece) for piece in first)
