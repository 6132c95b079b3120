"""wire/socketio_event.py: a message is the same as an object and as parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire import kernel, socketio_event

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=8)
objects = st.dictionaries(st.text(max_size=8), values, max_size=4)
channels = st.none() | st.sampled_from(["shell", "iopub", "stdin", "control"])


@given(st.tuples(objects, objects, objects, objects), st.lists(st.binary()), channels)
def test_there_and_back(
    fields: tuple[dict[str, Any], ...], buffers: list[bytes], channel: str | None
) -> None:
    """What was built of parts is parsed to parts that say the same; buffers are untouched."""
    parts = [*(json.dumps(field).encode() for field in fields), *buffers]
    built = socketio_event.build(parts, channel)
    sent = {**built, "buffers": [{"_placeholder": True, "num": n} for n in range(len(buffers))]}
    name, received = socketio_event.read(json.dumps(["msg", sent]))
    received.fill(buffers)
    named, back = received.parse()
    assert name == "msg"
    assert named == channel
    assert [json.loads(part) for part in back[: kernel.JSON_PARTS]] == list(fields)
    assert back[kernel.JSON_PARTS :] == buffers


def test_what_is_left_out_is_empty() -> None:
    """Clients send no more than they have to say."""
    _, received = socketio_event.read('["msg",{"header":{"msg_id":"1"},"parent_header":null}]')
    assert received.parse() == (None, [b'{"msg_id":"1"}', b"{}", b"{}", b"{}"])


@pytest.mark.parametrize(
    "junk",
    [
        *("null", "1", '"x"', "[]", "{}", '{"header":1}', '{"header":{},"buffers":[1]}'),
        *('{"header":{},"content":[]}', '{"header":{},"metadata":"x"}', '{"header":{1:2}}'),
        '{"header":{},"buffers":[{"_placeholder":true,"num":0}]}',
        '{"header":{},"buffers":' + '["AQI="],' * 100_000 + "[]}",
        '{"header":{"a":' + "[" * 100_000,
        '{"header":{},"content":{"a":"\\ud800"}}',
    ],
)
def test_what_is_no_message(junk: str) -> None:
    """It is told when it is parsed, whatever it is."""
    name, received = socketio_event.read(f'["msg",{junk}]')
    assert name == "msg"
    with pytest.raises(kernel.FrameError):
        received.parse()


@pytest.mark.parametrize("junk", ["", "[]", "[7]", "{}", "nothing", "[" * 100_000, '["other",'])
def test_what_is_no_event(junk: str) -> None:
    """So is an event that is none, or of another name and broken."""
    with pytest.raises(kernel.FrameError):
        socketio_event.read(junk)


@pytest.mark.parametrize(
    "places", [[], [0], [0, 0], [0, 2], [1, 2], [-1, 0], [0, 1, 2], [0.5, 1], [True, 0]]
)
def test_placeholders_that_do_not_match(places: list[Any]) -> None:
    """Each attachment has one place, and each place one attachment."""
    sent = [{"_placeholder": True, "num": place} for place in places]
    _, received = socketio_event.read(json.dumps(["msg", {"header": {}, "buffers": sent}]))
    with pytest.raises(kernel.FrameError):
        received.fill([b"a", b"b"])


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'{"loss": NaN, "all": [Infinity, -Infinity]}', {"loss": None, "all": [None, None]}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b"[" * 100_000, {}),
        (b"junk", {}),
    ],
)
def test_content_that_is_no_json(part: bytes, told: dict[str, Any]) -> None:
    """What a kernel sends reaches browsers as JSON that they can read; nothing ends a namespace."""
    parts = [*kernel.build_message("stream", {}, "s")[:3], part, b"buffer"]
    built = socketio_event.build(parts, "iopub")
    assert built["content"] == told
    assert (built["buffers"], built["channel"]) == ([b"buffer"], "iopub")
