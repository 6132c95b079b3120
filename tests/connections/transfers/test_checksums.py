"""connections/transfers/checksums.py: the whole from its parts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.connections.transfers import checksums


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_parts_make_the_whole(parts: list[bytes]) -> None:
    """However it is cut, the CRC32 is that of the whole."""
    whole = checksums.combine((crc32(part), len(part)) for part in parts)
    assert whole == crc32(b"".join(parts))


def test_a_long_part() -> None:
    """Lengths beyond any table."""
    head, tail = b"head", bytes(5_000_001)
    assert checksums.combine([(crc32(head), 4), (crc32(tail), len(tail))]) == crc32(head + tail)


def test_a_file(tmp_path: Path) -> None:
    """Both checksums in one reading."""
    path = tmp_path / "f"
    path.write_bytes(bytes(range(256)) * 20000)
    content = path.read_bytes()
    for sha256, digest in ((True, hashlib.sha256(content).hexdigest()), (False, None)):
        with path.open("rb", buffering=0) as source:
            assert checksums.of_file(source, sha256=sha256) == (crc32(content), digest)
