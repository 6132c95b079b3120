"""BridgeClient: the routes of `/bridge/`, for async programs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from jupyter_bridge.client.answers import Result
from jupyter_bridge.client.channels import Channels
from jupyter_bridge.client.connections import Connections
from jupyter_bridge.client.consoles import Consoles
from jupyter_bridge.client.discovery import find
from jupyter_bridge.client.runs import RunOptions, RunResult, Runs
from jupyter_bridge.client.stream import Stream
from jupyter_bridge.models.kernels import KernelModel
from jupyter_bridge.problems import BadRequest, Conflict, NotFound, Problem
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.line_follower import Post
from jupyter_bridge.transport.response import Response
from jupyter_bridge.transport.server import Server

if TYPE_CHECKING:
    from typing_extensions import Unpack

# A kernel may take this long to start or to shut down, seconds.
START_SECONDS = 180.0
# How long one request waits for the end of an execution. Proxies cut silent answers at 30 s.
_WAIT_SECONDS = 20
# The timeout of the request that asks a local server whether it has the bridge.
_PROBE_SECONDS = 5.0


class _Spec(msgspec.Struct):
    display_name: str = ""


class _Kernelspec(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


class _Kernelspecs(msgspec.Struct):
    """The answer of the host's `api/kernelspecs`."""

    default: str | None = None
    kernelspecs: dict[str, _Kernelspec] = {}


class Options(TypedDict, total=False):
    """Options of an execution; omitted ones take the server's defaults.

    `kernelspec` runs the code in a new kernel, shut down afterwards. `inputs` answer `input()` in
    turn. `timeout` is in seconds; `on_timeout` then interrupts or leaves the code. `key` is the
    Idempotency-Key (default: a new one): requests with the same key run the code once.
    """

    kernelspec: str | None
    silent: bool | None
    store_history: bool | None
    allow_stdin: bool | None
    inputs: Sequence[str] | None
    stop_on_error: bool | None
    user_expressions: Mapping[str, str] | None
    timeout: float | None
    on_timeout: Literal["interrupt", "leave"] | None
    key: str | None


class BridgeClient:
    """A Jupyter server's bridge: `async with BridgeClient() as bridge: …`.

    Without arguments it finds the server as `jupyter_bridge.client.discovery` describes. `ca_file`
    is trusted beside the system's authorities; `verify=False` disables the certificate check.
    `timeout` is the longest silence of an answer in seconds; calls that wait allow more.

    Every method raises the Problem that the server answers, Unavailable if there is no server, and
    RemoteFailed if the server is not a bridge.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        ca_file: str | Path | None = None,
        verify: bool = True,
        timeout: float = 30.0,
    ) -> None:
        self._found = find(url, token)
        self._ca_file = ca_file
        self._verify = verify
        self._timeout = timeout
        self._session: BridgeSession | None = None

    def __repr__(self) -> str:
        return f"<BridgeClient {', '.join(server.url for server in self._found)}>"

    @property
    def url(self) -> str:
        """The server's base url; before `open` has chosen among several, the newest server's."""
        return self._found[0].url

    async def open(self) -> BridgeClient:
        """Open the session; if several servers run here, choose the one that has the bridge."""
        if self._session is None:
            if len(self._found) > 1:
                self._found = [await self._choose(self._found)]
            session = self._session_for(self._found[0])
            await session.open()
            self._session = session
        return self

    async def close(self) -> None:
        """Close every connection; closing twice is fine."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> BridgeClient:
        return await self.open()

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @property
    def connections(self) -> Connections:
        """The connections of the server: named remote systems."""
        return Connections(self._live_session)

    # -- the server ----------------------------------------------------------------------------

    async def info(self) -> dict[str, Any]:
        """Return the bridge's version, parts and links."""
        return (await self._ask("GET", "")).read(dict[str, Any])

    async def kernelspecs(self) -> dict[str, str]:
        """Map the server's kernelspecs, name to display name, the default first."""
        answer = await self._ask("GET", "api/kernelspecs", from_root=True)
        listing = answer.read(_Kernelspecs)
        specs = listing.kernelspecs
        names = sorted(specs, key=lambda name: (name != listing.default, name))
        return {name: specs[name].spec.display_name or name for name in names}

    @property
    def consoles(self) -> Consoles:
        """The server's consoles: list, open, end, read, search, commands, send."""
        return Consoles(self._live_session)

    @property
    def runs(self) -> Runs:
        """Shell commands on the server: start, stream, follow, get, cancel, send_input."""
        return Runs(self._live_session)

    async def run(self, command: str | bytes, **options: Unpack[RunOptions]) -> RunResult:
        """Run a shell command in a terminal and wait for its output and exit status."""
        return await self.runs.run(command, **options)

    # -- kernels -------------------------------------------------------------------------------

    async def kernels(self, conn: str | None = None) -> list[KernelModel]:
        """List the running kernels of the server, or of its connection `conn`.

        Ids of a connection's kernels begin with `<conn>:`. Every method takes such an id as a
        kernel, and `<conn>:<kernelspec>` as a kernelspec.
        """
        query = {} if conn is None else {"conn": conn}
        return (await self._ask("GET", "kernels", query=query)).read(list[KernelModel])

    async def kernel(self, kernel: str | KernelModel) -> KernelModel:
        """Return the kernel's current state."""
        return (await self._ask("GET", f"kernels/{_name(kernel)}")).read(KernelModel)

    async def spawn(
        self,
        kernelspec: str,
        *,
        cwd: str | None = None,
        path: str | None = None,
        env: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> KernelModel:
        """Start a kernel in `cwd`, or in the folder of `path` (a contents path)."""
        body = _given(cwd=cwd, path=path, env=env, name=name)
        route = f"spawn/{segment(kernelspec)}"
        return (await self._ask("POST", route, body=body, timeout=START_SECONDS)).read(KernelModel)

    async def shutdown(self, kernel: str | KernelModel) -> None:
        """Shut down a kernel."""
        await self._ask("POST", f"shutdown/{_name(kernel)}", timeout=START_SECONDS)

    async def interrupt(self, kernel: str | KernelModel) -> None:
        """Interrupt the code that a kernel is running."""
        await self._ask("POST", f"interrupt/{_name(kernel)}")

    async def restart(self, kernel: str | KernelModel) -> None:
        """Restart a kernel and wait until it is ready."""
        await self._ask("POST", f"restart/{_name(kernel)}", timeout=START_SECONDS)

    def channels(
        self,
        kernel: str | KernelModel,
        channel: str = "channels",
        *,
        after: str | None = None,
        session_id: str | None = None,
    ) -> Channels:
        """Return the kernel's channels, or `channel` alone, to be opened with `async with`.

        `after` is the id of the last iopub message already received; later messages come first.
        """
        kernel_id = kernel.id if isinstance(kernel, KernelModel) else kernel
        return Channels(
            self._live_session(), kernel_id, channel, after=after, session_id=session_id
        )

    # -- executions ----------------------------------------------------------------------------

    async def execute(
        self, kernel: str | KernelModel | None = None, code: str = "", **options: Unpack[Options]
    ) -> Result:
        """Run code and wait for its end; `raise_for_status()` on the result raises its error.

        The code cannot request input unless `inputs` or `allow_stdin` is given.
        """
        options.setdefault("allow_stdin", options.get("inputs") is not None)
        result = await self._post(kernel, code, options, {"Prefer": f"wait={_WAIT_SECONDS}"})
        while not result.finished:
            result = await self._wait(result.execution)
        return result

    def stream(
        self, kernel: str | KernelModel | None = None, code: str = "", **options: Unpack[Options]
    ) -> Stream:
        """Return a stream of the code's events. The code starts when it is first iterated."""
        options.setdefault("allow_stdin", True)
        return Stream(self._live_session(), post=_request(kernel, code, options))

    async def run_async(
        self, kernel: str | KernelModel | None = None, code: str = "", **options: Unpack[Options]
    ) -> str:
        """Start code; returns the execution's name, for `execution`, `follow` and `cancel`."""
        return (await self._post(kernel, code, options, {"Prefer": "respond-async"})).execution

    async def execution(self, execution: str, *, wait: bool = False) -> Result:
        """Return an execution's current state; with `wait`, wait for its end."""
        result = (await self._ask("GET", f"executions/{segment(execution)}")).read(Result)
        while wait and not result.finished:
            result = await self._wait(execution)
        return result

    def follow(self, execution: str, *, after: str | None = None) -> Stream:
        """Return a stream of a running execution's events, from the first or `after` an id."""
        return Stream(self._live_session(), name=execution, after=after)

    async def send_input(self, execution: str, value: str) -> None:
        """Answer the execution's input request."""
        await self._ask("POST", f"executions/{segment(execution)}/input", body={"value": value})

    async def cancel(self, execution: str) -> None:
        """Interrupt the execution."""
        await self._ask("DELETE", f"executions/{segment(execution)}")

    # -- below ---------------------------------------------------------------------------------

    async def _ask(self, method: str, path: str, **how: Any) -> Response:
        return await self._live_session().ask(method, path, **how)

    async def _post(
        self,
        kernel: str | KernelModel | None,
        code: str,
        options: Options,
        headers: Mapping[str, str],
    ) -> Result:
        path, query, body, key = _request(kernel, code, options)
        answer = await self._ask(
            "POST",
            path,
            persist=True,
            query=query,
            body=body,
            headers={**headers, "Idempotency-Key": key},
            timeout=START_SECONDS,
        )
        return answer.read(Result)

    async def _wait(self, execution: str) -> Result:
        path = f"executions/{segment(execution)}"
        clock = _WAIT_SECONDS + self._timeout
        query = {"wait": _WAIT_SECONDS}
        answer = await self._ask("GET", path, query=query, timeout=clock, persist=True)
        return answer.read(Result)

    def _live_session(self) -> BridgeSession:
        if self._session is None:
            raise Conflict("This client is not open. Use `async with` or `await client.open()`.")
        return self._session

    def _session_for(self, server: Server, timeout: float | None = None) -> BridgeSession:
        return BridgeSession(
            server,
            ca_file=self._ca_file,
            verify=self._verify,
            timeout=self._timeout if timeout is None else timeout,
        )

    async def _choose(self, servers: list[Server]) -> Server:
        answers = await asyncio.gather(*(self._has_bridge(server) for server in servers))
        able = [server for server, answer in zip(servers, answers, strict=True) if answer]
        if len(able) == 1:
            return able[0]
        urls = [server.url for server in able or servers]
        if not able:
            raise NotFound(
                f"None of the {len(urls)} Jupyter servers on this machine answers as a bridge: "
                f"{', '.join(urls)}.",
                servers=urls,
            )
        raise Conflict(
            f"{len(urls)} Jupyter servers on this machine have the bridge. Give the url of one: "
            f"{', '.join(urls)}.",
            servers=urls,
        )

    async def _has_bridge(self, server: Server) -> bool:
        session = self._session_for(server, _PROBE_SECONDS)
        try:
            await session.open()
            answer = await session.ask("GET", "")
            return "version" in answer.read(dict[str, Any])
        except Problem:
            return False
        finally:
            await session.close()


def _name(kernel: str | KernelModel) -> str:
    return segment(kernel.id if isinstance(kernel, KernelModel) else kernel)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _request(kernel: str | KernelModel | None, code: str, options: Options) -> Post:
    fields: dict[str, Any] = dict(options)
    kernelspec = fields.pop("kernelspec", None)
    key = fields.pop("key", None) or uuid.uuid4().hex
    if (kernel is None) == (kernelspec is None):
        raise BadRequest("Give either a kernel or a kernelspec.")
    body = _given(code=code, **fields)
    if kernel is None:
        return Post("execute", {"kernel": kernelspec}, body, key)
    return Post(f"execute/{_name(kernel)}", {}, body, key)
