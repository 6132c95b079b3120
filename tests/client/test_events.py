"""Lines in, typed events out."""

from __future__ import annotations

import pytest

from jupyter_bridge.client import (
    ClearOutput,
    Done,
    Event,
    InputRequest,
    Output,
    Status,
    UpdateDisplay,
)
from jupyter_bridge.client.events import event_of
from jupyter_bridge.problems import Gone, RemoteFailed
from jupyter_bridge.transport.line_follower import read_line
from tests.simulators.faulty_bridge import done as done_line
from tests.simulators.faulty_bridge import line


def parse_line(text: bytes) -> Event | None:
    return event_of(read_line(text))


def test_each_kind() -> None:
    """Each event is its own type, and says what it holds."""
    ask = parse_line(line("input_request", 1, prompt="Name? ", password=True))
    assert isinstance(ask, InputRequest)
    assert (ask.id, ask.prompt, ask.password) == ("1", "Name? ", True)
    out = parse_line(line("output", 2, output_type="stream", name="stdout", text="hi\n"))
    assert isinstance(out, Output)
    assert (out.output_type, out.text) == ("stream", "hi\n")
    clear = parse_line(line("clear_output", 3, wait=True))
    assert isinstance(clear, ClearOutput)
    assert clear.wait
    update = parse_line(line("update_display", 4, display_id="d", data={"text/plain": "x"}))
    assert isinstance(update, UpdateDisplay)
    assert update.data["display_id"] == "d"
    status = parse_line(line("status", 5, execution_state="busy"))
    assert isinstance(status, Status)
    assert status.execution_state == "busy"
    done = parse_line(done_line(6, new_key=1))
    assert isinstance(done, Done)
    assert done.result.ok


def test_round_trip() -> None:
    """An event is written as the line it came in."""
    event = parse_line(line("output", 2, output_type="error", ename="E"))
    assert event is not None
    assert event.to_json() == {
        "event": "output",
        "id": "2",
        "data": {"output_type": "error", "ename": "E"},
    }


def test_nothing_to_tell() -> None:
    """Events of a newer server are passed over."""
    assert parse_line(line("something_new", 9, x=1)) is None


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"id": 1}', b'{"event": "done", "data": 1}'])
def test_no_event(text: bytes) -> None:
    """A line that is no event is the server's fault."""
    with pytest.raises(RemoteFailed):
        parse_line(text)


def test_problem() -> None:
    """A stream that cannot go on is the Problem that it tells."""
    with pytest.raises(Gone, match="It expired"):
        parse_line(line("problem", 0, error="gone", message="It expired."))


def test_text() -> None:
    """Text is what a terminal would show; nbformat's lists of lines count as text."""
    value: dict[str, object] = {"output_type": "execute_result", "data": {"text/plain": ["4", "2"]}}
    assert Output("1", value).text == "42\n"
    assert Output("1", {"output_type": "error", "ename": "E"}).text == ""
    assert isinstance(Output("1", value), Event)
