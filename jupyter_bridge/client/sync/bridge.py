"""`connect()`: the methods of `BridgeClient` as plain calls, for programs without an event loop.

The calls run on an event loop in the client's own thread, so they also work inside a running loop
(a notebook cell). Closing the client ends that thread. Each class has the methods of the class in
its `Plain[…]`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jupyter_bridge.client.answers import Result
from jupyter_bridge.client.bridge import BridgeClient
from jupyter_bridge.client.channels import Channels, Message
from jupyter_bridge.client.connections import Connections
from jupyter_bridge.client.console_stream import ConsoleStream
from jupyter_bridge.client.consoles import Consoles
from jupyter_bridge.client.events import Event
from jupyter_bridge.client.runs import RunOutput, RunResult, Runs, RunStream
from jupyter_bridge.client.stream import Stream
from jupyter_bridge.client.sync.loop_thread import LoopThread, Plain, SyncIterator, call, opened
from jupyter_bridge.models.transfers import TransferModel
from jupyter_bridge.transport.bridge_socket import ResumingSocket
from jupyter_bridge.wire.console import ServerFrame

F = TypeVar("F")
W = TypeVar("W", bound=ResumingSocket[Any])
X = TypeVar("X", bound="SyncSocket[Any, Any]")


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    ca_file: str | Path | None = None,
    verify: bool = True,
    timeout: float = 30.0,
) -> Bridge:
    """Open a client with the arguments of `BridgeClient`; close it, or use it in `with`."""
    return Bridge(BridgeClient(url, token, ca_file=ca_file, verify=verify, timeout=timeout))


class SyncStream(SyncIterator[Stream, Event]):
    """The events of one execution."""

    send_input = call(Stream.send_input)
    cancel = call(Stream.cancel)

    @property
    def execution(self) -> str | None:
        """The execution's name on the server; None until the server answers."""
        return self._async.execution

    @property
    def result(self) -> Result | None:
        """The Result, after `Done`."""
        return self._async.result


class SyncRunStream(SyncIterator[RunStream, RunOutput]):
    """The output of one run."""

    send_input = call(RunStream.send_input)
    send_stdin = call(RunStream.send_stdin)
    resize = call(RunStream.resize)

    def on_waiting(self, tell: Callable[[str], None]) -> None:
        """Call `tell`, in the client's thread, with the name of a program that waits for a key."""
        self._async.on_waiting = tell

    cancel = call(RunStream.cancel)

    @property
    def run(self) -> str | None:
        """The run's name on the server; None until the server answers."""
        return self._async.run

    @property
    def lost(self) -> int:
        """The bytes of output that were no longer held when this client came back for them."""
        return self._async.lost

    @property
    def result(self) -> RunResult | None:
        """The RunResult, without output, after the last piece."""
        return self._async.result


class SyncSocket(SyncIterator[W, F]):
    """A websocket to be opened before it is iterated; `with` opens it."""

    def open(self: X) -> X:
        """Open the websocket; raises the Problem of a refused handshake."""
        self._loop.run(self._async.open())
        return self

    def __enter__(self: X) -> X:
        return self.open()


class SyncChannels(SyncSocket[Channels, Message]):
    """A kernel's channels."""

    send = call(Channels.send)

    @property
    def session_id(self) -> str:
        """The Jupyter session id of this client."""
        return self._async.session_id

    @property
    def after(self) -> str | None:
        """The id of the last iopub message received."""
        return self._async.after


class SyncConsoleStream(SyncSocket[ConsoleStream, ServerFrame]):
    """One console's frames."""

    write = call(ConsoleStream.write)
    resize = call(ConsoleStream.resize)

    @property
    def offset(self) -> int | None:
        """Where to resume: the end of the last output received, bytes."""
        return self._async.offset

    @property
    def epoch(self) -> str | None:
        """The epoch of `offset`."""
        return self._async.epoch

    @property
    def about(self) -> dict[str, Any]:
        """The console's state when the websocket was opened."""
        return self._async.about


class SyncConsoles(Plain[Consoles]):
    """The server's consoles."""

    list = call(Consoles.list)
    get = call(Consoles.get)
    open = call(Consoles.open)
    end = call(Consoles.end)
    rename = call(Consoles.rename)
    send = call(Consoles.send)
    commands = call(Consoles.commands)
    search = call(Consoles.search)
    recording = opened(Consoles.recording, SyncIterator[Any, bytes])
    tail = opened(Consoles.tail, SyncConsoleStream)
    interact = opened(Consoles.interact, SyncConsoleStream)


class SyncRuns(Plain[Runs]):
    """Shell commands on the server."""

    run = call(Runs.run)
    start = call(Runs.start)
    stream = opened(Runs.stream, SyncRunStream)
    follow = opened(Runs.follow, SyncRunStream)
    get = call(Runs.get)
    cancel = call(Runs.cancel)
    send_input = call(Runs.send_input)
    send_stdin = call(Runs.send_stdin)


class SyncConnections(Plain[Connections]):
    """The server's connections and transfers."""

    list = call(Connections.list)
    kinds = call(Connections.kinds)
    get = call(Connections.get)
    add = call(Connections.add)
    login = call(Connections.login)
    logout = call(Connections.logout)
    mount = call(Connections.mount)
    unmount = call(Connections.unmount)
    remove = call(Connections.remove)
    browse = call(Connections.browse)
    dataset = call(Connections.dataset)
    download = call(Connections.download)
    upload = call(Connections.upload)
    transfers = call(Connections.transfers)
    cancel = call(Connections.cancel)
    pause = call(Connections.pause)
    resume = call(Connections.resume)
    watch = opened(Connections.watch, SyncIterator[Any, TransferModel])
    follow = call(Connections.follow)
    environment = call(Connections.environment)


class Bridge(Plain[BridgeClient]):
    """An open client with plain calls, made by `connect()`."""

    def __init__(self, client: BridgeClient) -> None:
        super().__init__(LoopThread(), client)
        try:
            self._loop.run(client.open())
        except BaseException:
            self._loop.close()
            raise

    def __repr__(self) -> str:
        return f"<Bridge {self.url}>"

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and end the thread; closing twice is fine."""
        if self._loop.is_open:
            try:
                self._loop.run(self._async.close())
            finally:
                self._loop.close()

    @property
    def url(self) -> str:
        """The base url of the server."""
        return self._async.url

    @property
    def consoles(self) -> SyncConsoles:
        """The server's consoles: list, open, end, read, search, commands, send."""
        return SyncConsoles(self._loop, self._async.consoles)

    @property
    def runs(self) -> SyncRuns:
        """Shell commands on the server: start, stream, follow, get, cancel, send_input."""
        return SyncRuns(self._loop, self._async.runs)

    @property
    def connections(self) -> SyncConnections:
        """The connections of the server: named remote systems."""
        return SyncConnections(self._loop, self._async.connections)

    info = call(BridgeClient.info)
    kernelspecs = call(BridgeClient.kernelspecs)
    run = call(BridgeClient.run)
    kernels = call(BridgeClient.kernels)
    kernel = call(BridgeClient.kernel)
    spawn = call(BridgeClient.spawn, undo=BridgeClient.shutdown)
    shutdown = call(BridgeClient.shutdown)
    interrupt = call(BridgeClient.interrupt)
    restart = call(BridgeClient.restart)
    channels = opened(BridgeClient.channels, SyncChannels)
    execute = call(BridgeClient.execute)
    stream = opened(BridgeClient.stream, SyncStream)
    run_async = call(BridgeClient.run_async)
    execution = call(BridgeClient.execution)
    follow = opened(BridgeClient.follow, SyncStream)
    send_input = call(BridgeClient.send_input)
    cancel = call(BridgeClient.cancel)
