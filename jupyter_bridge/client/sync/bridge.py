"""`connect()`: the verbs of `BridgeClient` as plain calls, for programs without an event loop.

The calls run on an event loop in a thread of the client's own, so they also work where another loop
runs already (a notebook cell). Closing the client ends that thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from jupyter_bridge.client.answers import Kernel, Result
from jupyter_bridge.client.bridge import BridgeClient, Options
from jupyter_bridge.client.connections import PlainConnections
from jupyter_bridge.client.runs import RunOptions, RunResult
from jupyter_bridge.client.sync.consoles import SyncConsoles
from jupyter_bridge.client.sync.kernels import SyncChannels, SyncStream
from jupyter_bridge.client.sync.loop_thread import LoopThread
from jupyter_bridge.client.sync.runs import SyncRuns

if TYPE_CHECKING:
    from typing_extensions import Unpack


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


class Bridge:
    """A server's bridge as plain calls, open; made by `connect()`, its verbs are BridgeClient's."""

    def __init__(self, client: BridgeClient) -> None:
        self._client = client
        self._loop = LoopThread()
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
    def consoles(self) -> SyncConsoles:
        """The server's consoles: list, open, end, tail, interact, send, recording."""
        return SyncConsoles(self._loop, self._client.consoles)

    @property
    def runs(self) -> SyncRuns:
        """Shell commands on the server: start, stream, follow, get, cancel, send_input."""
        return SyncRuns(self._loop, self._client.runs)

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

    def kernels(self, conn: str | None = None) -> list[Kernel]:
        """Every kernel of the server, or of the one that it knows as connection `conn`."""
        return self._loop.run(self._client.kernels(conn))

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
    ) -> SyncChannels:
        """A seat on the kernel, to be opened with `with`: all channels, or `channel` alone."""
        return SyncChannels(
            self._loop,
            lambda: self._client.channels(kernel, channel, after=after, session_id=session_id),
        )

    def execute(
        self, kernel: str | Kernel | None = None, code: str = "", **options: Unpack[Options]
    ) -> Result:
        """Run code and wait for its end; Ctrl-C stops the waiting, not the code."""
        return self._loop.run(self._client.execute(kernel, code, **options))

    def stream(
        self, kernel: str | Kernel | None = None, code: str = "", **options: Unpack[Options]
    ) -> SyncStream:
        """Run code and iterate what happens; it begins with the first event that is asked for."""
        return SyncStream(self._loop, lambda: self._client.stream(kernel, code, **options))

    def run_async(
        self, kernel: str | Kernel | None = None, code: str = "", **options: Unpack[Options]
    ) -> str:
        """Start code and return the execution's name, for `execution`, `follow` and `cancel`."""
        return self._loop.run(self._client.run_async(kernel, code, **options))

    def execution(self, execution: str, *, wait: bool = False) -> Result:
        """An execution as it stands; with `wait`, as it ends. It can be read again and again."""
        return self._loop.run(self._client.execution(execution, wait=wait))

    def follow(self, execution: str, *, after: str | None = None) -> SyncStream:
        """The events of an execution that was started before, from the first or `after` an id."""
        return SyncStream(self._loop, lambda: self._client.follow(execution, after=after))

    def send_input(self, execution: str, value: str) -> None:
        """Answer the execution's input request."""
        self._loop.run(self._client.send_input(execution, value))

    def cancel(self, execution: str) -> None:
        """Interrupt the execution."""
        self._loop.run(self._client.cancel(execution))
