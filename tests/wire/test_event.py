"""wire/event.py: a message is the same as an object and as parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire import event, kernel

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
    built = event.build(parts, channel)
    named, back = event.parse(built)
    assert named == channel
    assert [json.loads(part) for part in back[: kernel.JSON_PARTS]] == list(fields)
    assert back[kernel.JSON_PARTS :] == buffers


def test_what_is_left_out_is_empty() -> None:
    """Clients send no more than they have to say."""
    assert event.parse({"header": {"msg_id": "1"}}) == (
        None,
        [b'{"msg_id":"1"}', b"{}", b"{}", b"{}"],
    )


@pytest.mark.parametrize(
    "junk",
    [None, 1, "x", [], {}, {"header": 1}, {"header": {}, "buffers": [1]}, {"header": {1: 2}}],
)
def test_what_is_no_message(junk: Any) -> None:
    """It is told, whatever it is."""
    with pytest.raises(kernel.FrameError):
        event.parse(junk)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'{"loss": NaN, "all": [Infinity, -Infinity]}', {"loss": None, "all": [None, None]}),
        (b'{"a": "\xff"}', {}),
        (b"[" * 100_000, {}),
        (b"junk", {}),
    ],
)
def test_content_that_is_no_json(part: bytes, told: dict[str, Any]) -> None:
    """What a kernel sends reaches browsers as JSON that they can read; nothing ends a namespace."""
    parts = [*kernel.build_message("stream", {}, "s")[:3], part, b"buffer"]
    built = event.build(parts, "iopub")
    assert built["content"] == told
    assert (built["buffers"], built["channel"]) == ([b"buffer"], "iopub")
