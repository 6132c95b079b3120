"""wire/kernel.py: parts, ZMQ frames and websocket frames."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_binary_message,
    serialize_msg_to_ws_v1,
)

from jupyter_bridge.wire import kernel

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "kernel.json").read_text())

json_parts = st.lists(
    st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3).map(
        lambda d: json.dumps(d).encode()
    ),
    min_size=4,
    max_size=4,
)
buffers = st.lists(st.binary(max_size=40), max_size=3)
channels = st.sampled_from(["shell", "iopub", "stdin", "control"])


@given(channels, json_parts, buffers)
def test_v1_round_trip(channel: str, parts: list[bytes], extra: list[bytes]) -> None:
    """What build_v1 writes, parse_v1 reads back byte for byte, and so does the host."""
    frame = kernel.build_v1(channel, [*parts, *extra])
    assert kernel.parse_v1(frame) == (channel, [*parts, *extra])
    assert frame == serialize_msg_to_ws_v1([*parts, *extra], channel)
    assert deserialize_msg_from_ws_v1(frame) == (channel, [*parts, *extra])


@given(channels, json_parts, buffers)
def test_default_round_trip(channel: str, parts: list[bytes], extra: list[bytes]) -> None:
    """A default frame keeps the parts as they were spelled, and the host can read it."""
    frame = kernel.build_default(channel, [*parts, *extra])
    assert kernel.parse_default(frame) == (channel, [*parts, *extra])
    if extra:
        assert isinstance(frame, bytes)
        theirs = deserialize_binary_message(frame)
        assert theirs["buffers"] == extra
    else:
        assert isinstance(frame, str)
        theirs = json.loads(frame)
    assert theirs["content"] == json.loads(parts[3])
    assert theirs["channel"] == channel


@given(buffers.filter(bool))
def test_default_reads_the_host(extra: list[bytes]) -> None:
    """A binary frame written by Jupyter's own code is read back."""
    message = {"header": {"msg_id": "a"}, "parent_header": {}, "metadata": {}, "content": {"x": 1}}
    frame = serialize_binary_message({**message, "channel": "shell", "buffers": list(extra)})
    channel, parts = kernel.parse_default(frame)
    assert channel == "shell"
    assert json.loads(parts[3]) == {"x": 1}
    assert parts[4:] == extra


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(frame: bytes) -> None:
    """No bytes crash the readers: they give a message or a FrameError."""
    for parse in (kernel.parse_v1, kernel.parse_default):
        with suppress(kernel.FrameError):
            parse(frame)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(frame: str) -> None:
    """No text crashes the reader."""
    with suppress(kernel.FrameError):
        kernel.parse_default(frame)


@given(json_parts, buffers)
def test_signature_is_jupyters(parts: list[bytes], extra: list[bytes]) -> None:
    """A message signed here verifies in jupyter_client, and the other way round."""
    session = Session(key=b"secret")
    signer = kernel.Signer(b"secret")
    assert signer.sign(parts) == session.sign(parts)
    assert signer.from_zmq([b"topic", *signer.to_zmq([*parts, *extra])]) == [*parts, *extra]


def test_forged_signature_is_refused() -> None:
    """A message that was not signed with the kernel's key raises."""
    frames = kernel.Signer(b"other").to_zmq([b"{}"] * 4)
    with pytest.raises(kernel.FrameError, match="signature"):
        kernel.Signer(b"secret").from_zmq(frames)


@pytest.mark.parametrize(
    "frames", [[], [b"topic"], [b"<IDS|MSG>", b""], [b"<IDS|MSG>", b"", b"{}"]]
)
def test_short_zmq_message_is_refused(frames: list[bytes]) -> None:
    """A message without a delimiter or without its four parts raises."""
    with pytest.raises(kernel.FrameError):
        kernel.Signer(b"").from_zmq(frames)


def test_unknown_scheme_is_refused() -> None:
    """A signature scheme that this machine does not know raises when the line is opened."""
    with pytest.raises(ValueError, match="scheme"):
        kernel.Signer(b"k", "hmac-nonsense")


def test_null_parent_becomes_an_object() -> None:
    """`parent_header: null` reaches the kernel as an empty object."""
    _, parts = kernel.parse_default('{"header":{"msg_id":"a"},"parent_header":null}')
    assert parts == [b'{"msg_id":"a"}', b"{}", b"{}", b"{}"]


def test_build_message_has_a_header_of_its_own() -> None:
    """A built message names its type and session and carries the content as JSON."""
    parts = kernel.build_message("status", {"execution_state": "dead"}, "s1")
    header = kernel.parse_header(parts[0])
    assert (header.msg_type, header.session) == ("status", "s1")
    assert json.loads(parts[3]) == {"execution_state": "dead"}


@pytest.mark.parametrize("case", VECTORS["v1_bad"], ids=lambda case: case["name"])
def test_a_bad_v1_vector_is_refused(case: dict[str, str]) -> None:
    """Offsets that lie, numbers that are too large, frames that were cut: a FrameError."""
    with pytest.raises(kernel.FrameError):
        kernel.parse_v1(bytes.fromhex(case["frame"]))


@pytest.mark.parametrize("case", VECTORS["default"], ids=lambda case: case["name"])
def test_default_vectors(case: dict[str, Any]) -> None:
    """The shared vectors hold for the default protocol, with and without buffers."""
    parts = [bytes.fromhex(part) for part in case["parts"]]
    frame = case["text"] if "text" in case else bytes.fromhex(case["frame"])
    assert kernel.build_default(case["channel"], parts) == frame
    assert kernel.parse_default(frame) == (case["channel"], parts)


@pytest.mark.parametrize("case", VECTORS["default_bad"], ids=lambda case: case["name"])
def test_a_bad_default_vector_is_refused(case: dict[str, str]) -> None:
    """Neither JSON that is no message nor offsets that lie are read."""
    with pytest.raises(kernel.FrameError):
        kernel.parse_default(case["text"] if "text" in case else bytes.fromhex(case["frame"]))


@pytest.mark.parametrize("case", VECTORS["v1"], ids=lambda case: case["name"])
def test_v1_vectors(case: dict[str, object]) -> None:
    """The shared vectors hold: the same bytes are written and read in every language."""
    parts = [bytes.fromhex(part) for part in case["parts"]]  # type: ignore[attr-defined]
    frame = bytes.fromhex(str(case["frame"]))
    assert kernel.build_v1(str(case["channel"]), parts) == frame
    assert kernel.parse_v1(frame) == (case["channel"], parts)


# JSON that is not UTF-8, nested without end, torn, or of another form than asked for.
UNREADABLE = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"[", b'{"header":', b'{"msg_id":"a","x":[']).map(lambda part: part * 50_000),
    st.sampled_from([b'{"msg_id":"\xff"}', b'{"execution_state":"\xc3"}', b'{"header":"\xff"}']),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
        ),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode()),
)


@given(UNREADABLE)
def test_any_part_is_read_or_refused(part: bytes) -> None:
    """A kernel may send any bytes as a header or as content, and a client any bytes as a frame."""
    with suppress(kernel.FrameError):
        kernel.parse_header(part)
    assert isinstance(kernel.parse_content([b"{}", b"{}", b"{}", part]), dict)
    with suppress(kernel.FrameError):
        kernel.build_default("iopub", [part] * 4)
    for frame in (struct.pack(">2I", 1, 8) + part, part.decode(errors="surrogateescape")):
        with suppress(kernel.FrameError):
            kernel.parse_default(frame)


@given(json_parts, buffers, st.data())
def test_a_frame_torn_or_flipped_is_read_or_refused(
    parts: list[bytes], extra: list[bytes], data: st.DataObject
) -> None:
    """A frame that lost its end, or has one byte that is wrong, gives parts or a FrameError."""
    for build, parse in (
        (kernel.build_v1, kernel.parse_v1),
        (kernel.build_default, kernel.parse_default),
    ):
        built = build("shell", [*parts, *extra])
        frame = bytearray(built.encode() if isinstance(built, str) else built)
        frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(0, 255))
        end = data.draw(st.integers(0, len(frame)))
        with suppress(kernel.FrameError):
            parse(bytes(frame[:end]))


@given(json_parts, buffers, st.lists(st.binary(max_size=8), max_size=2), st.binary(max_size=20))
def test_zmq_round_trip(
    parts: list[bytes], extra: list[bytes], routing: list[bytes], key: bytes
) -> None:
    """What to_zmq signs, from_zmq gives back, whatever routing frames stand before it."""
    signer = kernel.Signer(key)
    routing = [frame for frame in routing if frame != kernel.DELIMITER]
    assert signer.from_zmq(routing + signer.to_zmq([*parts, *extra])) == [*parts, *extra]


@given(st.lists(st.binary(max_size=12) | st.just(kernel.DELIMITER), max_size=8))
def test_any_zmq_frames_are_read_or_refused(frames: list[bytes]) -> None:
    """Whoever can write on a socket without the key gets a FrameError, and nothing through."""
    with pytest.raises(kernel.FrameError):
        kernel.Signer(b"key").from_zmq(frames)
    with suppress(kernel.FrameError):
        assert len(kernel.Signer(b"").from_zmq(frames)) >= kernel.JSON_PARTS


def test_a_frame_of_more_parts_than_a_message_has_is_refused() -> None:
    """Its offsets alone would be millions of numbers."""
    count = kernel.MAX_PARTS + 1
    v1 = struct.pack(f"<{count + 1}Q", count, *[8 * (count + 1)] * count)
    default = struct.pack(f">{count + 1}I", count, *[4 * (count + 1)] * count)
    with pytest.raises(kernel.FrameError):
        kernel.parse_v1(v1)
    with pytest.raises(kernel.FrameError):
        kernel.parse_default(default)
