import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire import console

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "console.json").read_text())


def built(vector: dict[str, Any]) -> Any:
    fields = dict(vector["fields"])
    if "data" in fields:
        fields["data"] = bytes.fromhex(fields["data"])
    return getattr(console, vector["type"])(**fields)


@pytest.mark.parametrize("vector", VECTORS["server"], ids=lambda vector: vector["name"])
def test_server_frames_are_the_vectors(vector: dict[str, Any]) -> None:
    """Each server frame has exactly these bytes, and these bytes are exactly that frame."""
    frame = bytes.fromhex(vector["frame"])
    assert console.to_server_frame(built(vector)) == frame
    assert console.from_server_frame(frame) == built(vector)


@pytest.mark.parametrize("vector", VECTORS["client"], ids=lambda vector: vector["name"])
def test_client_frames_are_the_vectors(vector: dict[str, Any]) -> None:
    """Each client frame has exactly these bytes, and these bytes are exactly that frame."""
    frame = bytes.fromhex(vector["frame"])
    assert console.to_client_frame(built(vector)) == frame
    assert console.from_client_frame(frame) == built(vector)


@pytest.mark.parametrize("vector", VECTORS["client_bad"], ids=lambda vector: vector["name"])
def test_a_bad_client_frame_is_refused(vector: dict[str, Any]) -> None:
    """Junk from a client is a FrameError, never another exception."""
    with pytest.raises(console.ConsoleFrameError):
        console.from_client_frame(bytes.fromhex(vector["frame"]))


@pytest.mark.parametrize("vector", VECTORS["server_bad"], ids=lambda vector: vector["name"])
def test_a_bad_server_frame_is_refused(vector: dict[str, Any]) -> None:
    """Junk from a server is a FrameError, never another exception."""
    with pytest.raises(console.ConsoleFrameError):
        console.from_server_frame(bytes.fromhex(vector["frame"]))


@pytest.mark.parametrize("vector", VECTORS["server_unknown"], ids=lambda vector: vector["name"])
def test_an_unknown_server_frame_is_skipped(vector: dict[str, Any]) -> None:
    """A client of this version goes on when a later server says something new."""
    assert console.from_server_frame(bytes.fromhex(vector["frame"])) is None


def test_every_frame_has_a_vector() -> None:
    """What is said in the other language is checked for each type, both ways."""
    types = {vector["type"] for vector in VECTORS["server"]}
    assert types == {kind.__name__ for kind in get_args(console.ServerFrame)}
    types = {vector["type"] for vector in VECTORS["client"]}
    assert types == {kind.__name__ for kind in get_args(console.ClientFrame)}


def test_json_that_nests_without_end_is_refused() -> None:
    """A hostile server cannot exhaust the stack."""
    with pytest.raises(console.ConsoleFrameError):
        console.from_server_frame(b"v" + bytes(8) + b"[" * 1_000_000)


@given(
    st.binary(max_size=40)
    | st.builds(
        lambda kind, payload: kind + bytes(8) + payload,
        st.sampled_from([b"s", b"g", b"m", b"x", b"v", b"e"]),
        st.binary(max_size=20)
        | st.sampled_from([b"[" * 50_000, b'{"a":' * 50_000, b'"\xff"', b"9" * 5000, b"null"]),
    )
)
def test_any_bytes_are_a_frame_or_a_frame_error(data: bytes) -> None:
    """Whatever arrives, decoding answers or raises FrameError."""
    for decode in (console.from_server_frame, console.from_client_frame):
        try:
            decode(data)
        except console.ConsoleFrameError:
            pass


@given(st.integers(0, console.MAX_OFFSET), st.binary())
def test_output_survives_the_wire(offset: int, data: bytes) -> None:
    """Any bytes at any offset arrive as they were sent."""
    frame = console.OutputFrame(offset, data)
    assert console.from_server_frame(console.to_server_frame(frame)) == frame


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
objects = st.dictionaries(texts, texts | st.none() | st.integers(), max_size=4)
offsets = st.integers(0, console.MAX_OFFSET)
ranges = st.tuples(offsets, offsets).map(sorted)
FRAMES = st.one_of(
    st.builds(console.Start, offsets, objects),
    st.builds(console.OutputFrame, offsets, st.binary()),
    ranges.filter(lambda ends: ends[0] < ends[1]).map(lambda ends: console.GapFrame(*ends)),
    ranges.map(lambda ends: console.Matched(*ends)),
    st.builds(console.Ended, offsets, objects),
    st.builds(console.Viewers, offsets, st.lists(objects, max_size=3)),
    st.builds(console.Trouble, offsets, objects),
)


@given(FRAMES)
def test_a_server_frame_survives_the_wire(frame: console.ServerFrame) -> None:
    """Each kind of frame is read back as it was sent."""
    assert console.from_server_frame(console.to_server_frame(frame)) == frame


@given(
    st.builds(console.Input, st.binary())
    | st.builds(console.Resize, st.integers(1, 65535), st.integers(1, 65535))
)
def test_a_client_frame_survives_the_wire(frame: console.ClientFrame) -> None:
    """Input is typed as it is, and a size is a size."""
    assert console.from_client_frame(console.to_client_frame(frame)) == frame


def test_a_name_that_is_no_utf8_can_be_told() -> None:
    """A file's name on the disk may hold any byte; a viewer is told the rest of it."""
    frame = console.from_server_frame(
        console.to_server_frame(console.Start(0, {"name": "a\udcff"}))
    )
    assert frame == console.Start(0, {"name": "a?"})


def test_a_frame_that_tells_too_much_is_refused() -> None:
    """What a console is, and who looks at it, has a bound."""
    payload = b'"' + b"x" * console.MAX_OBJECT + b'"'
    with pytest.raises(console.ConsoleFrameError, match="more than"):
        console.from_server_frame(b"v" + bytes(8) + payload)
