"""Tests for `jupyter_bridge.wire.outputs.outputs`."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jupyter_bridge.wire.outputs.displays import Displays
from jupyter_bridge.wire.outputs.outputs import MAX_BYTES, MESSAGES, Change, Outputs

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "outputs.json").read_text("utf-8"))

Message = tuple[str, dict[str, Any]]


def apply_all(outputs: Outputs, messages: Iterable[Message]) -> Outputs:
    for msg_type, content in messages:
        outputs.apply(msg_type, content)
    return outputs


def stream(text: str, name: str = "stdout") -> Message:
    return "stream", {"name": name, "text": text}


def display(
    text: str, display_id: str | None = None, msg_type: str = "display_data", **more: Any
) -> Message:
    transient = {"transient": {"display_id": display_id}} if display_id else {}
    return msg_type, {"data": {"text/plain": text}, "metadata": {}, **transient, **more}


def update(text: str, display_id: str) -> Message:
    return display(text, display_id, "update_display_data")


def clear(wait: bool = False) -> Message:
    return "clear_output", {"wait": wait}


def held(*messages: Message) -> list[dict[str, Any]]:
    return apply_all(Outputs(), messages).outputs


def terminal(text: str) -> str:
    """Stream text, written one character after the other as the module's table says."""
    lines: list[list[str]] = [[]]
    cursor = 0
    for character in text:
        if character == "\n":
            lines.append([])
            cursor = 0
        elif character == "\r":
            cursor = 0
        elif character == "\b":
            if cursor:
                del lines[-1][cursor - 1 : cursor + 1]
                cursor -= 1
        else:
            lines[-1][cursor : cursor + 1] = [character]
            cursor += 1
    return "\n".join("".join(line) for line in lines)


terminal_text = st.text(alphabet="abc é█😀\n\r\b", max_size=30)
any_text = st.text(alphabet=st.characters(), max_size=5)  # lone surrogates too
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(any_text, values, max_size=3),
    max_leaves=5,
)
mimes = st.sampled_from(
    ["text/plain", "application/json", "application/a+json", "a/json", "application/a\n+json", ""]
)
display_ids = st.sampled_from(["d", "e"])
well_formed = st.one_of(
    st.builds(stream, terminal_text, st.sampled_from(["stdout", "stderr"])),
    st.builds(display, any_text, st.none() | display_ids),
    st.builds(update, any_text, display_ids),
    st.builds(clear, st.booleans()),
)
malformed = st.tuples(
    st.sampled_from([*sorted(MESSAGES), "status", ""]),
    st.fixed_dictionaries(
        {},
        optional={
            "name": json_values,
            "text": json_values,
            "data": json_values | st.dictionaries(mimes, json_values, max_size=3),
            "metadata": json_values,
            "transient": json_values | st.builds(dict, display_id=json_values | display_ids),
            "execution_count": json_values,
            "ename": json_values,
            "evalue": json_values,
            "traceback": json_values,
            "wait": json_values,
            "more": json_values,
        },
    ),
)
messages = st.lists(well_formed | malformed, max_size=12)


# What is held ------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vectors(vector: dict[str, Any]) -> None:
    """The outputs are those that the vectors, which the browser reads too, say."""
    told = [(message["msg_type"], message["content"]) for message in vector["messages"]]
    assert held(*told) == vector["outputs"]


@settings(deadline=None)
@given(messages, st.sampled_from([0, 60, 150, 400, MAX_BYTES]))
def test_every_state_is_valid_bounded_and_a_snapshot(told: list[Message], max_bytes: int) -> None:
    """Whatever a kernel sends, the outputs are valid nbformat, JSON, bounded, and never changed."""
    outputs = Outputs(max_bytes)
    snapshots = []
    for msg_type, content in told:
        change = outputs.apply(msg_type, content)
        json.dumps(change, ensure_ascii=False).encode()
        json.dumps(outputs.outputs, ensure_ascii=False).encode()
        for output in outputs.outputs:
            nbformat.validate(output, ref="output", version=4, version_minor=5)
        assert 0 <= outputs.size <= max_bytes
        snapshots.append((outputs.outputs, copy.deepcopy(outputs.outputs)))
    assert all(snapshot == then for snapshot, then in snapshots)


def test_validation_notices() -> None:
    """The check of the test above refuses an output that is not nbformat."""
    with pytest.raises(nbformat.ValidationError):
        nbformat.validate({"output_type": "stream"}, ref="output", version=4, version_minor=5)


def test_notebook() -> None:
    """A notebook whose cell has every kind of output is valid nbformat 4.5."""
    outputs = held(
        stream("out\n"),
        display("shown", "d"),
        display("result", None, "execute_result", execution_count=1),
        ("error", {"ename": "E", "evalue": "e", "traceback": ["E: e"]}),
    )
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    cell["outputs"] = outputs
    nbformat.validate(notebook)
    assert len(outputs) == 4


def test_no_transient() -> None:
    """A held output never has the display_id it can be updated by."""
    assert "transient" not in held(display("a", "d"), update("b", "d"))[0]


def test_content_is_not_shared() -> None:
    """What the caller does with the content afterwards does not change the outputs."""
    outputs = Outputs()
    value = [1]
    outputs.apply("display_data", {"data": {"application/json": value}, "metadata": {}})
    value.append(2)
    assert outputs.outputs[0]["data"] == {"application/json": [1]}


def test_outputs_are_the_callers_own() -> None:
    """What the caller does with a snapshot does not change the outputs."""
    outputs = apply_all(Outputs(), [display("a")])
    outputs.outputs[0]["data"].clear()
    assert outputs.outputs[0]["data"] == {"text/plain": "a"}


# Stream text -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(terminal_text)
@example("abcdef\rXYZ\b\b\b\b\b")
@example("😀█é\rabc\r█\b")
def test_stream_as_on_a_terminal(text: str) -> None:
    """A stream's text is what writing it character by character gives."""
    assert held(stream(text))[0]["text"] == terminal(text)


@settings(deadline=None)
@given(st.lists(terminal_text, min_size=1, max_size=6))
def test_stream_cut_anywhere(pieces: list[str]) -> None:
    """It makes no difference where a kernel cuts its text into messages."""
    cut = apply_all(Outputs(), map(stream, pieces))
    whole = apply_all(Outputs(), [stream("".join(pieces))])
    assert (cut.outputs, cut.size) == (whole.outputs, whole.size)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\b")))
def test_plain_stream(text: str) -> None:
    """Text without carriage return and backspace is kept as it is."""
    assert held(stream(text))[0]["text"] == text


def test_emoji_is_one_character() -> None:
    """A backspace deletes an emoji whole, and one character overwrites it."""
    assert held(stream("a😀\b"))[0]["text"] == "a"
    assert held(stream("😀b\rX"))[0]["text"] == "Xb"


# What is told ------------------------------------------------------------------------------------


def test_stream_is_told_raw() -> None:
    """An `output` event has the stream text of its message alone, carriage returns included."""
    outputs = apply_all(Outputs(), [stream("50%")])
    assert outputs.apply(*stream("\r60%\b")) == Change(
        "output", {"output_type": "stream", "name": "stdout", "text": "\r60%\b"}
    )


@pytest.mark.parametrize("msg_type", ["display_data", "execute_result"])
def test_display_is_told_with_its_id(msg_type: str) -> None:
    """An `output` event has the display_id in `transient`, and no other key of the content."""
    count = {"execution_count": 4} if msg_type == "execute_result" else {}
    change = Outputs().apply(*display("a", "d", msg_type, **count, more=1))
    assert change == Change(
        "output",
        {
            "output_type": msg_type,
            "data": {"text/plain": "a"},
            "metadata": {},
            "transient": {"display_id": "d"},
            **count,
        },
    )


def test_display_without_id_is_told_without_transient() -> None:
    """A display without a display_id is told as it is held."""
    outputs = Outputs()
    change = outputs.apply(*display("a"))
    assert change == ("output", outputs.outputs[0])


def test_error_is_told() -> None:
    """An error is told as it is held."""
    content = {"ename": "E", "evalue": "e", "traceback": ["E: e"]}
    assert Outputs().apply("error", content) == ("output", {"output_type": "error", **content})


def test_clear_is_told() -> None:
    """A clear is told when it arrives, with its `wait`."""
    assert Outputs().apply(*clear()) == ("clear_output", {"wait": False})
    assert Outputs().apply(*clear(wait=True)) == ("clear_output", {"wait": True})
    assert Outputs().apply("clear_output", {}) == ("clear_output", {"wait": False})


def test_update_is_told() -> None:
    """An update is told with its display_id, even if that is shown nowhere here."""
    assert Outputs().apply(*update("a", "d")) == (
        "update_display",
        {"display_id": "d", "data": {"text/plain": "a"}, "metadata": {}},
    )


def test_update_without_id_is_not_told() -> None:
    """An update that names no display is none."""
    assert Outputs().apply(*display("a", None, "update_display_data")) is None


@pytest.mark.parametrize(
    "msg_type", ["status", "execute_input", "comm_open", "comm_msg", "comm_close", "debug_event"]
)
def test_other_messages_are_not_told(msg_type: str) -> None:
    """Messages that are no outputs are neither told nor held."""
    outputs = Outputs()
    assert outputs.apply(msg_type, {"execution_state": "busy", "text": "a", "data": {}}) is None
    assert (outputs.outputs, outputs.size) == ([], 0)


# Updates -----------------------------------------------------------------------------------------


def test_update_from_another_execution() -> None:
    """One execution's update changes what others of its kernel show, and tells those."""
    displays: Displays = Displays()
    resized: list[str] = []
    shows = Outputs(displays=displays, on_resize=lambda: resized.append("shows"))
    shows_not, closed = Outputs(displays=displays), Outputs(displays=displays)
    other_kernel = Outputs()
    for outputs in (shows, closed, other_kernel):
        apply_all(outputs, [display("old", "d")])
    apply_all(shows_not, [display("old", "e")])
    closed.close()
    apply_all(Outputs(displays=displays), [update("new", "d")])
    assert [shown(outputs) for outputs in (shows, shows_not, other_kernel)] == ["new", "old", "old"]
    assert (closed.outputs, resized) == ([], ["shows"])


def shown(outputs: Outputs) -> str:
    """The text of the first output."""
    return str(outputs.outputs[0]["data"]["text/plain"])


def test_update_beyond_the_bound() -> None:
    """An update for which there is no room changes nothing; the outputs are truncated."""
    outputs = apply_all(Outputs(400), [display("a", "d"), display("a", "d")])
    size = outputs.size
    apply_all(outputs, [update("x" * 200, "d")])
    assert outputs.truncated
    assert (outputs.size, shown(outputs)) == (size, "a")


def test_update_counts_once() -> None:
    """An update replaces what it weighed: updating for ever does not grow."""
    outputs = apply_all(Outputs(), [display("0", "d"), display("0", "d")])
    size = outputs.size
    apply_all(outputs, (update(str(n % 10), "d") for n in range(1000)))
    assert outputs.size == size


# Bounds ------------------------------------------------------------------------------------------


def test_endless_print() -> None:
    """An endless print keeps its beginning, and says that it is not all."""
    outputs = apply_all(Outputs(1000), (stream(f"{n}\n") for n in range(10_000)))
    text = outputs.outputs[0]["text"]
    assert "".join(f"{n}\n" for n in range(10_000)).startswith(text)
    assert outputs.size == outputs.max_bytes
    assert outputs.truncated


def test_exact_fit() -> None:
    """Outputs that weigh exactly `max_bytes` are whole; one byte more is not."""
    size = apply_all(Outputs(), [stream("aa"), display("b")]).size
    assert not apply_all(Outputs(size), [stream("aa"), display("b")]).truncated
    assert apply_all(Outputs(size - 1), [stream("aa"), display("b")]).truncated


def test_characters_are_not_cut() -> None:
    """The bound never falls inside a character."""
    frame = apply_all(Outputs(), [stream("")]).size
    outputs = apply_all(Outputs(frame + 5), [stream("███")])
    assert outputs.outputs[0]["text"] == "█"
    assert outputs.truncated


def test_progress_bar_fits() -> None:
    """Text that overwrites itself does not grow, in one message or many."""
    bar = "".join(f"\r{n:3}%" for n in range(101))
    outputs = apply_all(Outputs(100), [stream(bar), *(stream(f"\r{n:3}%") for n in range(101))])
    assert outputs.outputs[0]["text"] == "100%"
    assert not outputs.truncated


def test_overwriting_with_longer_characters_is_bounded() -> None:
    """The bound holds as well where characters of more bytes take the place of shorter ones."""
    outputs = apply_all(Outputs(100), [stream("a" * 40 + "\r"), stream("█" * 40)])
    assert outputs.size <= 100
    assert outputs.truncated


def test_tiny_outputs_are_bounded() -> None:
    """Outputs that say nearly nothing weigh something as well."""
    names = ("stdout", "stderr")
    outputs = apply_all(Outputs(1000), (stream(".", names[n % 2]) for n in range(1000)))
    assert len(outputs.outputs) < 30
    assert outputs.truncated


def test_beginning_only() -> None:
    """Behind an output that does not fit nothing more is kept, though it is told."""
    outputs = apply_all(Outputs(200), [stream("a"), display("x" * 200)])
    assert outputs.apply(*stream("b")) is not None
    assert outputs.outputs == held(stream("a"))
    assert outputs.truncated


def test_too_large_an_update() -> None:
    """An update that does not fit leaves the output as it was, and says that it is not all."""
    outputs = apply_all(Outputs(200), [display("small", "d"), update("x" * 200, "d")])
    assert outputs.outputs == held(display("small"))
    assert outputs.truncated


@pytest.mark.parametrize("wait", [False, True])
def test_clear_frees(wait: bool) -> None:
    """After a clear there is room again, and what is held is all there is."""
    outputs = apply_all(Outputs(200), [stream("x" * 1000), clear(wait), stream("a")])
    assert outputs.outputs == held(stream("a"))
    assert outputs.size == apply_all(Outputs(), [stream("a")]).size
    assert not outputs.truncated


def test_default_bound() -> None:
    """One execution may hold 64 MiB."""
    assert Outputs().max_bytes == MAX_BYTES == 64 * 1024 * 1024


def test_size_is_that_of_the_json() -> None:
    """`size` is that of the outputs as JSON, but for escapes, commas and display_ids."""
    told = [stream("plain text"), display("shown"), stream("more", "stderr")]
    outputs = apply_all(Outputs(), told)
    lengths = [len(json.dumps(output, separators=(",", ":"))) for output in outputs.outputs]
    assert outputs.size == sum(lengths)


# Malformed content -------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, [], "text", 1])
@pytest.mark.parametrize("msg_type", sorted(MESSAGES))
def test_content_that_is_no_object(msg_type: str, content: Any) -> None:
    """Content that is no object is an empty one."""
    assert Outputs().apply(msg_type, content) == Outputs().apply(msg_type, {})


def test_lone_surrogates() -> None:
    """Half a surrogate pair is U+FFFD, anywhere; two halves that meet are the character."""
    content = {"data": {"text/plain": "\ud83d", "application/json": {"\ude00": "\ud83d\ude00"}}}
    assert held(stream("a\ud83d"), ("display_data", content)) == [
        {"output_type": "stream", "name": "stdout", "text": "a\ufffd"},
        {
            "output_type": "display_data",
            "data": {"text/plain": "\ufffd", "application/json": {"\ufffd": "😀"}},
            "metadata": {},
        },
    ]


def test_large_integers() -> None:
    """Integers of any length stay what they are."""
    data = {"application/json": [2**64, -(2**70)]}
    assert held(("display_data", {"data": data, "metadata": {}}))[0]["data"] == data


def test_bottomless_content() -> None:
    """Content too deep to be written as JSON is empty."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert held(("display_data", {"data": {"application/json": deep}}))[0]["data"] == {}


def test_bottomless_content_with_half_a_character() -> None:
    """Content that is wrong in two ways at once is empty, too."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    content = {"data": {"application/json": ["\ud83d", deep]}}
    assert held(("display_data", content))[0]["data"] == {}


@pytest.mark.parametrize("display_id", [None, "", 0, 5, ["d"], {}])
def test_display_id_that_is_none(display_id: Any) -> None:
    """A display_id that is no text, or empty, names nothing."""
    content = {"data": {}, "metadata": {}, "transient": {"display_id": display_id}}
    assert Outputs().apply("update_display_data", content) is None
    change = Outputs().apply("display_data", content)
    assert change is not None
    assert "transient" not in change.data


@pytest.mark.parametrize("count", [True, -1, "1", 1.5, [], None])
def test_execution_count_that_is_none(count: Any) -> None:
    """An execution_count that is no natural number is null."""
    output = held(display("a", None, "execute_result", execution_count=count))[0]
    assert output["execution_count"] is None
