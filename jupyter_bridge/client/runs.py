"""Runs: run, follow, read, type into and stop shell commands on the server."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from jupyter_bridge.models.runs import RunModel
from jupyter_bridge.problems import RemoteFailed
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.line_follower import Line, LineFollower, Post
from jupyter_bridge.wire.bounded import number
from jupyter_bridge.wire.console import MAX_OFFSET
from jupyter_bridge.wire.shell.any_bytes import as_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

# A login shell may load modules and conda before its first prompt, seconds.
START_SECONDS = 60.0
# How long one request waits for the end of a run. Proxies cut silent answers at 30 s.
WAIT_SECONDS = 20
FINISHED = frozenset({"done", "timeout", "cancelled", "session-closed"})


class RunOptions(TypedDict, total=False):
    """Options of a run; omitted ones take the server's defaults.

    `console` is a terminal's name, or `"new"` for a new terminal that stays; without it the command
    gets its own login shell. With `input="pipe"` the command reads what `send_stdin` sends.
    `cwd`, the values of `env`, and `stdin` may be bytes, or a text with surrogateescape. `key` is
    the Idempotency-Key (default: a new one).
    """

    console: str | None
    cwd: str | bytes | None
    env: Mapping[str, str | bytes] | None
    stdin: str | bytes | None
    input: Literal["terminal", "pipe"] | None
    timeout: float | None
    on_timeout: Literal["kill", "leave"] | None
    output: Literal["tty", "split"] | None
    strip: bool | None
    raw: bool | None
    pager: bool | None
    rows: int | None
    cols: int | None
    max_output: int | None
    queue: bool | None
    queue_timeout: float | None
    shell: str | None
    start_timeout: float | None
    key: str | None


class RunResult(RunModel):
    """The current state of a run."""

    @property
    def ok(self) -> bool:
        """Whether the command ended with exit code 0."""
        return self.status in ("done", "session-closed") and self.exit_code == 0

    @property
    def finished(self) -> bool:
        """Whether the run has ended; after a timeout the command may still run."""
        return self.status in FINISHED

    def bytes_of(self, stream: Literal["output", "stdout", "stderr"] = "output") -> bytes:
        """Return the exact bytes written to `stream`."""
        exact = getattr(self, f"{stream}_base64")
        return base64.b64decode(exact) if exact else (getattr(self, stream) or "").encode()


class RunOutput(msgspec.Struct, frozen=True):
    """A piece of output: `stream` is `output`, `stdout` or `stderr`, `data` the exact bytes."""

    stream: str
    text: str
    data: bytes


class _Piece(msgspec.Struct):
    """The data of an `output`; `base64` has its bytes where they are not UTF-8."""

    text: str = ""
    base64: bytes | None = None
    stream: str = "output"


class _Gap(msgspec.Struct):
    """The data of a `gap`: its offsets."""

    start: int = msgspec.field(name="from")
    stop: int = msgspec.field(name="to")


class Runs:
    """The runs of a server, as `BridgeClient.runs`."""

    def __init__(self, session: Callable[[], BridgeSession]) -> None:
        self._session = session

    async def run(self, command: str | bytes, **options: Unpack[RunOptions]) -> RunResult:
        """Run a command and wait for its result."""
        result = await self._begin(command, options, f"wait={WAIT_SECONDS}")
        while not result.finished:
            result = await self.get(result.run, wait=WAIT_SECONDS)
        return result

    async def start(self, command: str | bytes, **options: Unpack[RunOptions]) -> str:
        """Start a command; returns the run's name, for `get`, `follow` and `cancel`."""
        return (await self._begin(command, options, "respond-async")).run

    def stream(self, command: str | bytes, **options: Unpack[RunOptions]) -> RunStream:
        """Return a stream of the command's output. The command starts when it is first iterated."""
        return RunStream(self._session(), post=_post(command, options))

    def follow(self, run: str, *, after: int = 0) -> RunStream:
        """Return a stream of a running command's output, after its first `after` bytes."""
        return RunStream(self._session(), name=run, after=str(after))

    async def get(self, run: str, *, wait: float = 0) -> RunResult:
        """Return a run's state; waits up to `wait` seconds for its end."""
        clock = wait + START_SECONDS
        query = {"wait": wait}
        session = self._session()
        answer = await session.ask("GET", _path(run), query=query, timeout=clock, persist=True)
        return answer.read(RunResult)

    async def cancel(self, run: str) -> None:
        """Stop a run: SIGINT, then TERM, then KILL."""
        await self._session().ask("DELETE", _path(run))

    async def send_input(self, run: str, data: bytes | str) -> None:
        """Type `data` unchanged into a run; a line must include its newline."""
        raw = data.encode() if isinstance(data, str) else data
        await self._session().ask("POST", f"{_path(run)}/input", body=raw)

    async def send_stdin(self, run: str, data: bytes, offset: int, *, end: bool = False) -> int:
        """Send input to a run with `input="pipe"`; `data` begins at `offset` of the input.

        Returns how much of the input the command has taken: send the rest from there. `end` ends
        the input after the data. What was taken is not taken twice.
        """
        return await _send_stdin(self._session(), f"{_path(run)}/input", data, offset, end=end)

    async def _begin(self, command: str | bytes, options: RunOptions, prefer: str) -> RunResult:
        path, query, body, key = _post(command, options)
        answer = await self._session().ask(
            "POST",
            path,
            query=query,
            body=body,
            headers={"Prefer": prefer, "Idempotency-Key": key},
            timeout=max(START_SECONDS, options.get("start_timeout") or 0) + WAIT_SECONDS,
            persist=True,
        )
        return answer.read(RunResult)


class RunStream(LineFollower[RunOutput, RunResult]):
    """The output of one run as it comes, of any length; `result` has none.

    The command waits while this is not iterated. Output is lost only if the connection was dropped
    for long: then `lost` counts its bytes.
    """

    _route = "runs"
    # Called on the event loop with the name of a program that waits for a key of its terminal.
    on_waiting: Callable[[str], None] | None = None
    # The bytes of output that were no longer held when this client came back for them.
    lost = 0

    @property
    def run(self) -> str | None:
        """The run's name on the server; None until the server answers."""
        return self._name

    async def send_input(self, data: bytes | str) -> None:
        """Type `data` unchanged into the run."""
        raw = data.encode() if isinstance(data, str) else data
        await self._session.ask("POST", f"{self._path()}/input", body=raw)

    async def resize(self, rows: int, cols: int) -> None:
        """Set the size of the client's screen, which counts for the run's terminal."""
        query = {"rows": rows, "cols": cols}
        await self._session.ask("POST", f"{self._path()}/input", query=query, body=b"")

    async def send_stdin(self, data: bytes, offset: int, *, end: bool = False) -> int:
        """As `Runs.send_stdin`, for this run."""
        return await _send_stdin(self._session, f"{self._path()}/input", data, offset, end=end)

    def _read(self, line: Line) -> RunOutput | None:
        if line.event == "done":
            self.result = msgspec.convert(line.data, RunResult)
            return None
        if line.event == "waiting" and self.on_waiting is not None:
            self.on_waiting(str(line.data.get("program")))
        if line.event == "gap":
            gap = msgspec.convert(line.data, _Gap)
            self._after = str(line.id)
            self.lost += max(0, gap.stop - gap.start)
            return None
        if line.event != "output":
            return None
        piece = msgspec.convert(line.data, _Piece)
        self._after = str(line.id)
        data = piece.text.encode() if piece.base64 is None else piece.base64
        return RunOutput(piece.stream, piece.text, data)


async def _send_stdin(
    session: BridgeSession, path: str, data: bytes, offset: int, *, end: bool
) -> int:
    query = {"offset": offset, "end": int(end)}
    answer = await session.ask("POST", path, query=query, body=data, persist=True)
    reached = number(answer.headers.get("Bridge-Offset", str(offset)), MAX_OFFSET)
    if reached is None:
        raise RemoteFailed("The server's answer has a malformed Bridge-Offset header.")
    return reached


def _path(run: str) -> str:
    return f"runs/{segment(run)}"


def _post(command: str | bytes, options: RunOptions) -> Post:
    fields: dict[str, Any] = {"command": command, **options}
    key = fields.pop("key", None) or uuid.uuid4().hex
    for name in ("command", "cwd", "stdin"):
        fields.update(as_json(name, fields.pop(name, None)))
    for name, value in (fields.pop("env", None) or {}).items():
        for field, exact in as_json("env", value).items():
            fields.setdefault(field, {})[name] = exact
    return Post("run", {}, {k: v for k, v in fields.items() if v is not None}, key)
