"""`connect()`: the verbs of `BridgeClient` as plain calls, for programs without an event loop.

The calls run on an event loop in a thread of the client's own, so they also work where another loop
runs already (a notebook cell). Closing the client ends that thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jupyter_bridge.client import channels as a_channels
from jupyter_bridge.client import stream as a_stream
from jupyter_bridge.client.answers import Kernel, Result
from jupyter_bridge.client.bridge import BridgeClient, Options
from jupyter_bridge.client.channels import Message
from jupyter_bridge.client.connections import PlainConnections
from jupyter_bridge.client.events import Event
from jupyter_bridge.client.runs import RunOptions, RunResult
from jupyter_bridge.client.sync_consoles import Consoles
from jupyter_bridge.client.sync_runs import Runs
from jupyter_bridge.problems import Conflict

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    ca_file: str | Path | None = None,
    verify: bool = True,
    timeout: float = 30.0,
) -> Bridge:
    """An open client of a server's bridge; close it, or use it in `with`.

    The arguments are those of `BridgeClient`.
    """
    return Bridge(BridgeClient(url, token, ca_file=ca_file, verify=verify, timeout=timeout))


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="jupyter-bridge-client", daemon=True
        )
        self._thread.start()
        self.is_open = True

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin something on the loop."""
        if not self.is_open:
            coroutine.close()
            raise Conflict("This client is closed.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns; Ctrl-C meanwhile gives it up."""
        future = self.start(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End everything on the loop, the loop, and the thread."""
        if not self.is_open:
            return
        self.is_open = False
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class _Pull(Generic[T]):
    """An async iterator, pulled from a plain one.

    Ctrl-C while waiting leaves the waiting as it is: the next `next()` goes on with it. It may even
    strike between a step's start and our noting it; so what a step brings goes into `_ready`, and a
    second step beside it finds it there.
    """

    def __init__(self, loop: _Loop, source: AsyncIterator[T]) -> None:
        self._loop = loop
        self._source = source
        self._coming: Future[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._ready: deque[Callable[[], T]] = deque()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self._take(None)
        except StopAsyncIteration:
            raise StopIteration from None

    def receive(self, timeout: float | None = None) -> T | None:
        """The next one; None if there are no more or none came within `timeout` seconds."""
        try:
            return self._take(timeout)
        except (StopAsyncIteration, FutureTimeout):
            return None

    def _take(self, timeout: float | None) -> T:
        while not self._ready:
            if self._coming is None or self._coming.done():
                self._coming = self._loop.start(self._step())
            self._coming.result(timeout)
        return self._ready.popleft()()

    async def _step(self) -> None:
        async with self._one_at_a_time:
            if self._ready:
                return
            try:
                item = await self._source.__anext__()
            except Exception as error:
                self._ready.append(partial(_raise, error))
            else:
                self._ready.append(lambda: item)

    def _stop(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()


def _raise(error: Exception) -> Any:
    raise error


class Stream(_Pull[Event]):
    """One execution as it happens; see `jupyter_bridge.client.stream.Stream`."""

    def __init__(self, loop: _Loop, stream: a_stream.Stream) -> None:
        super().__init__(loop, stream)
        self._stream = stream

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

    def close(self) -> None:
        """Stop listening; the code goes on. Closing twice is fine."""
        self._stop()
        if self._loop.is_open:
            self._loop.run(self._stream.aclose())

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Channels(_Pull[Message]):
    """A seat on a kernel; see `jupyter_bridge.client.channels.Channels`."""

    def __init__(self, loop: _Loop, channels: a_channels.Channels) -> None:
        super().__init__(loop, channels)
        self._channels = channels

    @property
    def session_id(self) -> str:
        """The name of this client to the kernel."""
        return self._channels.session_id

    @property
    def after(self) -> str | None:
        """The id of the last iopub message that came."""
        return self._channels.after

    def open(self) -> Channels:
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

    def close(self) -> None:
        """Leave the seat; the kernel goes on. Closing twice is fine."""
        self._stop()
        if self._loop.is_open:
            self._loop.run(self._channels.close())

    def __enter__(self) -> Channels:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Bridge:
    """A server's bridge as plain calls, open; made by `connect()`, its verbs are BridgeClient's."""

    def __init__(self, client: BridgeClient) -> None:
        self._client = client
        self._loop = _Loop()
        try:
            self._loop.run(client.open())
        except BaseException:
            self._loop.close()
            raise

    def __repr__(self) -> str:
        return f"<Bridge {self._client.url}>"

    def __enter__(self) -> Bridge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection and end the thread; closing twice is fine."""
        if self._loop.is_open:
            try:
                self._loop.run(self._client.close())
            finally:
                self._loop.close()

    @property
    def url(self) -> str:
        """The base url of the server."""
        return self._client.url

    @property
    def consoles(self) -> Consoles:
        """The server's consoles: list, open, end, tail, interact, send, recording."""
        return Consoles(self._loop, lambda source: _Pull(self._loop, source), self._client.consoles)

    @property
    def runs(self) -> Runs:
        """Shell commands on the server: start, stream, follow, get, cancel, send_input."""
        return Runs(self._loop, lambda source: _Pull(self._loop, source), self._client.runs)

    def run(self, command: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a shell command in a terminal and wait for its output and exit status."""
        return self.runs.run(command, **options)

    @property
    def connections(self) -> PlainConnections:
        """The connections of the server; see `jupyter_bridge.client.connections.Connections`."""
        return PlainConnections(self._client.connections, self._loop.run)

    def info(self) -> dict[str, Any]:
        """What the bridge says of itself: version, parts, links."""
        return self._loop.run(self._client.info())

    def kernelspecs(self) -> dict[str, str]:
        """The kernels that the server can start, name to display name, the default one first."""
        return self._loop.run(self._client.kernelspecs())

    def kernels(self) -> list[Kernel]:
        """Every kernel that runs on the server."""
        return self._loop.run(self._client.kernels())

    def kernel(self, kernel: str | Kernel) -> Kernel:
        """One kernel as it is now."""
        return self._loop.run(self._client.kernel(kernel))

    def spawn(
        self,
        kernelspec: str,
        *,
        cwd: str | None = None,
        path: str | None = None,
        env: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Kernel:
        """A new kernel. It runs in `cwd`, or in the folder of `path` (as Jupyter shows paths).

        Ctrl-C meanwhile shuts it down again: nobody would know of it.
        """
        spawning = self._loop.start(
            self._client.spawn(kernelspec, cwd=cwd, path=path, env=env, name=name)
        )
        try:
            return spawning.result()
        except KeyboardInterrupt:
            self.shutdown(spawning.result())
            raise

    def shutdown(self, kernel: str | Kernel) -> None:
        """End a kernel."""
        self._loop.run(self._client.shutdown(kernel))

    def interrupt(self, kernel: str | Kernel) -> None:
        """Interrupt whatever a kernel is running."""
        self._loop.run(self._client.interrupt(kernel))

    def restart(self, kernel: str | Kernel) -> None:
        """Restart a kernel; back when it is ready again."""
        self._loop.run(self._client.restart(kernel))

    def channels(
        self,
        kernel: str | Kernel,
        channel: str = "channels",
        *,
        after: str | None = None,
        session_id: str | None = None,
    ) -> Channels:
        """A seat on the kernel, to be opened with `with`: all channels, or `channel` alone."""

        async def make() -> a_channels.Channels:
            return self._client.channels(kernel, channel, after=after, session_id=session_id)

        return Channels(self._loop, self._loop.run(make()))

    def execute(
        self, kernel: str | Kernel | None = None, code: str = "", **options: Unpack[Options]
    ) -> Result:
        """Run code and wait for its end; Ctrl-C stops the waiting, not the code."""
        return self._loop.run(self._client.execute(kernel, code, **options))

    def stream(
        self, kernel: str | Kernel | None = None, code: str = "", **options: Unpack[Options]
    ) -> Stream:
        """Run code and iterate what happens; it begins with the first event that is asked for."""

        async def make() -> a_stream.Stream:
            return self._client.stream(kernel, code, **options)

        return Stream(self._loop, self._loop.run(make()))

    def run_async(
        self, kernel: str | Kernel | None = None, code: str = "", **options: Unpack[Options]
    ) -> str:
        """Start code and return the execution's name, for `execution`, `follow` and `cancel`."""
        return self._loop.run(self._client.run_async(kernel, code, **options))

    def execution(self, execution: str, *, wait: bool = False) -> Result:
        """An execution as it stands; with `wait`, as it ends. It can be read again and again."""
        return self._loop.run(self._client.execution(execution, wait=wait))

    def follow(self, execution: str, *, after: str | None = None) -> Stream:
        """The events of an execution that was started before, from the first or `after` an id."""

        async def make() -> a_stream.Stream:
            return self._client.follow(execution, after=after)

        return Stream(self._loop, self._loop.run(make()))

    def send_input(self, execution: str, value: str) -> None:
        """Answer the execution's input request."""
        self._loop.run(self._client.send_input(execution, value))

    def cancel(self, execution: str) -> None:
        """Interrupt the execution."""
        self._loop.run(self._client.cancel(execution))
