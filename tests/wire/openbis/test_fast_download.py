"""wire/openbis/fast_download.py: requests, ranges, and the stream of chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pybis.fast_download import deserialize_chunk

from jupyter_bridge.wire.openbis import fast_download
from jupyter_bridge.wire.openbis.fast_download import Chunk, ChunkError, ChunkReader

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "openbis.json").read_text())
CHUNKS = pytest.mark.parametrize(
    "case", VECTORS["chunks"], ids=[case["name"] for case in VECTORS["chunks"]]
)

names = st.text(max_size=12)
chunks = st.builds(
    Chunk,
    number=st.integers(0, (1 << 30)),
    item=names,
    path=names,
    offset=st.integers(0, (1 << 64) - 1),
    payload=st.binary(max_size=60),
    directory=st.booleans(),
    sound=st.booleans(),
)


def _chunk(case: dict[str, Any]) -> Chunk:
    return Chunk(
        *(case["number"], case["item"], case["path"], case["offset"]),
        bytes.fromhex(case["payload"]),
        directory=case["directory"],
        sound=case["sound"],
    )


def _read(data: bytes, size: int) -> list[Chunk]:
    reader = ChunkReader()
    found = [
        chunk.to_chunk()
        for start in range(0, len(data), size)
        for chunk in reader.feed(data[start : start + size])
    ]
    reader.end()
    return found


@CHUNKS
def test_chunk_vectors(case: dict[str, Any]) -> None:
    """A chunk is read and written as the protocol says, byte for byte."""
    data = bytes.fromhex(case["bytes"])
    assert _read(data, len(data)) == [_chunk(case)]
    if case["sound"]:
        assert fast_download.build_chunk(_chunk(case)) == data


@CHUNKS
def test_pybis_reads_our_chunks(case: dict[str, Any]) -> None:
    """pyBIS finds the same chunk in what is written here, and the same fault."""
    theirs = deserialize_chunk(fast_download.build_chunk(_chunk(case)))
    assert theirs["invalid"] is not case["sound"]
    assert theirs["payload"] == bytes.fromhex(case["payload"])
    assert (theirs["sequence_number"], theirs["file_path"], theirs["file_offset"]) == (
        case["number"],
        case["path"],
        case["offset"],
    )


@given(st.lists(chunks, max_size=5), st.integers(1, 200))
def test_a_stream_is_cut_alike_in_pieces_of_any_size(sent: list[Chunk], size: int) -> None:
    """How the network cuts the stream makes no difference."""
    data = b"".join(fast_download.build_chunk(chunk) for chunk in sent)
    assert _read(data, size) == sent


@given(chunks, st.data())
def test_a_flipped_bit_never_passes(chunk: Chunk, data: st.DataObject) -> None:
    """Whichever bit flips, the chunk is refused, or known to be unsound."""
    whole = bytearray(fast_download.build_chunk(Chunk(**{**chunk.__dict__, "sound": True})))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    try:
        found = _read(bytes(whole), len(whole))
    except ValueError:
        return
    assert not any(one.sound for one in found)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    """A hostile stream ends in ChunkError or ServerError, nothing else."""
    try:
        _read(data, size)
    except (ChunkError, fast_download.ServerError):
        pass


def test_a_stream_that_breaks_off_is_told() -> None:
    """What ends within a chunk is not taken for the end."""
    data = fast_download.build_chunk(Chunk(1, "i", "p", 0, b"hello"))
    for end in range(1, len(data)):
        with pytest.raises(ChunkError):
            _read(data[:end], 7)


def test_a_huge_chunk_is_refused_before_there_is_memory_for_it() -> None:
    """A header that asks for gigabytes is an error, not an allocation."""
    head = fast_download._HEAD.pack(1, 0, 0, 0, 0, 0xFFFFFFFF)
    check = fast_download._SUM.pack(crc32(head))
    with pytest.raises(ChunkError, match="4294967295"):
        ChunkReader().feed(head + check)


def test_an_error_in_place_of_a_chunk() -> None:
    """JSON in the stream is the server's error, and says whether to try again."""
    for retriable in (True, False):
        body = json.dumps({"error": "no such stream", "retriable": retriable}).encode()
        with pytest.raises(fast_download.ServerError, match="no such stream") as caught:
            _read(body, 5)
        assert caught.value.retriable is retriable


@given(st.sets(st.integers(0, 60)))
def test_ranges_cover_exactly_what_is_asked(numbers: set[int]) -> None:
    """Neighbours are joined, nothing is added and nothing left out."""
    text = fast_download.build_ranges(numbers)
    found = [n for part in text.split(", ") if part for n in fast_download.parse_range(part)]
    assert found == sorted(numbers)


@pytest.mark.parametrize("text", ["", "a", "1:x", "5:2", "-1:2", "0:99999999999", ":"])
def test_a_bad_range_is_refused(text: str) -> None:
    """A server cannot make the client count for ever."""
    with pytest.raises(ChunkError):
        fast_download.parse_range(text)


def test_requests_differ_by_version() -> None:
    """Up to 3.6 items are separated by commas; 3.7 takes a JSON list and a version."""
    build = fast_download.build_request
    old = json.loads(build("startDownloadSession", (3, 6), downloadItemIds=["a", "b"]))
    assert old == {"method": ["startDownloadSession"], "downloadItemIds": ["a, b"]}
    new = json.loads(build("startDownloadSession", (3, 7), downloadItemIds=["a", "b"]))
    assert new == {
        "version": ["2"],
        "method": ["startDownloadSession"],
        "downloadItemIds": ['["a","b"]'],
    }


def test_a_session_is_read() -> None:
    """What startDownloadSession answers, or its error."""
    body = b'{"downloadSessionId": "s", "ranges": {"i": "0:4"}, "streamIds": ["a", "b"]}'
    session = fast_download.parse_session(body)
    assert (session.ranges, session.stream_ids) == ({"i": "0:4"}, ["a", "b"])
    with pytest.raises(fast_download.ServerError):
        fast_download.parse_session(b'{"error": {"message": "no"}, "retriable": false}')
    for body in (b"", b"<html>", b"{}", b'{"ranges": 1}'):
        with pytest.raises(ChunkError):
            fast_download.parse_session(body)


@given(
    st.binary(max_size=60).map(lambda rest: b"{" + rest)
    | st.sampled_from(
        [
            b'{"error": "\xff"}',
            b'{"error": {"message": 5}}',
            b'{"downloadSessionId": "\xff", "ranges": {}, "streamIds": []}',
            b'{"error": ' + b"[" * 100_000,
            b'{"downloadSessionId": ' + b"[" * 100_000,
        ]
    )
)
def test_any_session_is_read_or_refused(body: bytes) -> None:
    """Whatever stands in place of a session, or of a chunk, is an error of this protocol."""
    with pytest.raises((ChunkError, fast_download.ServerError)):
        fast_download.parse_session(body)
    reader = ChunkReader()
    reader.feed(body)
    with pytest.raises((ChunkError, fast_download.ServerError)):
        reader.end()


@given(st.text(max_size=20) | st.integers().map(str))
def test_any_range_is_read_or_refused(text: str) -> None:
    """A range is some chunk numbers of 32 bits, or a ChunkError."""
    try:
        numbers = fast_download.parse_range(text)
    except ChunkError:
        return
    assert 0 <= numbers.start < numbers.stop <= 1 << 32


@given(st.dictionaries(names, st.lists(names, max_size=3) | names, max_size=3))
def test_a_request_is_lists_of_one_string(values: dict[str, Any]) -> None:
    """Both versions of the protocol get what was meant, in their own spelling."""
    values.pop("method", None)
    values.pop("api", None)
    values.pop("version", None)
    for api in ((3, 5), (3, 7)):
        body = json.loads(fast_download.build_request("queue", api, **values))
        assert body.pop("method") == ["queue"]
        assert body.pop("version", None) == (["2"] if api == (3, 7) else None)
        for name, value in values.items():
            (told,) = body[name]
            if isinstance(value, str):
                assert told == value
            else:
                assert (json.loads(told) if api == (3, 7) else told) == (
                    value if api == (3, 7) else ", ".join(value)
                )
