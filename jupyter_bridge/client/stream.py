"""Stream: the events of one execution, across reconnects."""

from __future__ import annotations

from jupyter_bridge.client.answers import Result
from jupyter_bridge.client.events import Done, Event, event_of
from jupyter_bridge.transport.line_follower import Line, LineFollower


class Stream(LineFollower[Event, Result]):
    """The events of one execution; `cancel()` interrupts it, and `Done` still follows."""

    _route = "executions"

    @property
    def execution(self) -> str | None:
        """The execution's name on the server; None until the server answers."""
        return self._name

    async def send_input(self, value: str) -> None:
        """Answer the last InputRequest."""
        await self._session.ask("POST", f"{self._path()}/input", body={"value": value})

    def _read(self, line: Line) -> Event | None:
        event = event_of(line)
        if event is not None and event.id:
            self._after = event.id
        if isinstance(event, Done):
            self.result = event.result
        return event
