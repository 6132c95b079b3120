"""What `Bridge` has of kernels: an execution as it happens, a seat, as plain calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jupyter_bridge.client import channels as a_channels
from jupyter_bridge.client import stream as a_stream
from jupyter_bridge.client.answers import Result
from jupyter_bridge.client.channels import Message
from jupyter_bridge.client.events import Event
from jupyter_bridge.client.sync.loop_thread import LoopThread, SyncIterator


class SyncStream(SyncIterator[Event]):
    """One execution as it happens; see `jupyter_bridge.client.stream.Stream`."""

    def __init__(self, loop: LoopThread, make: Callable[[], a_stream.Stream]) -> None:
        self._stream = loop.make(make)
        super().__init__(loop, self._stream, self._stream.aclose)

    @property
    def execution(self) -> str | None:
        """The execution's name on the server; None until the server has answered."""
        return self._stream.execution

    @property
    def result(self) -> Result | None:
        """The whole answer, once `Done` has come."""
        return self._stream.result

    def send_input(self, value: str) -> None:
        """Answer the InputRequest that came last."""
        self._loop.run(self._stream.send_input(value))

    def cancel(self) -> None:
        """Interrupt the code; the stream still ends with `Done`."""
        self._loop.run(self._stream.cancel())


class SyncChannels(SyncIterator[Message]):
    """A seat on a kernel; see `jupyter_bridge.client.channels.Channels`."""

    def __init__(self, loop: LoopThread, make: Callable[[], a_channels.Channels]) -> None:
        self._channels = loop.make(make)
        super().__init__(loop, self._channels, self._channels.close)

    @property
    def session_id(self) -> str:
        """The name of this client to the kernel."""
        return self._channels.session_id

    @property
    def after(self) -> str | None:
        """The id of the last iopub message that came."""
        return self._channels.after

    def open(self) -> SyncChannels:
        """Open the line; raises the Problem of a refused handshake."""
        self._loop.run(self._channels.open())
        return self

    def send(
        self,
        msg_type: str,
        content: Mapping[str, Any] | None = None,
        *,
        channel: str | None = None,
        parent: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        buffers: Sequence[bytes] = (),
    ) -> str:
        """Send one message (on `shell` unless told) and return its id."""
        sending = self._channels.send(
            msg_type, content, channel=channel, parent=parent, metadata=metadata, buffers=buffers
        )
        return self._loop.run(sending)

    def __enter__(self) -> SyncChannels:
        return self.open()
