"""Shell commands on the server: run one, follow it, read it again, type into it, stop it."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from jupyter_bridge.models.runs import RunModel
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.line_follower import Line, LineFollower, Post

if TYPE_CHECKING:
    from typing_extensions import Unpack

# A login shell may load modules and conda before its first prompt.
START_SECONDS = 60.0
# One question "is it over?" waits this long on the server: proxies cut silent answers at 30 s.
WAIT_SECONDS = 20
FINISHED = frozenset({"done", "timeout", "cancelled", "session-closed"})


class RunOptions(TypedDict, total=False):
    """How a command is run; what is left out is as the server has it.

    `console` is a terminal's name, `"new"` for one that stays, or nothing for a login shell of its
    own. `key` makes a repeated request the same one (an Idempotency-Key; a new one unless given).
    """

    console: str | None
    cwd: str | None
    env: Mapping[str, str] | None
    stdin: str | None
    timeout: float | None
    on_timeout: Literal["kill", "leave"] | None
    output: Literal["tty", "split"] | None
    strip: bool | None
    max_output: int | None
    queue: bool | None
    key: str | None


class RunResult(RunModel):
    """A run as it stands."""

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status in ("done", "session-closed") and self.exit_code == 0

    @property
    def finished(self) -> bool:
        """Whether there is an answer; after a timeout the command may still run."""
        return self.status in FINISHED

    def bytes_of(self, stream: Literal["output", "stdout", "stderr"] = "output") -> bytes:
        """Exactly what was written, also where it is no text."""
        exact = getattr(self, f"{stream}_base64")
        return base64.b64decode(exact) if exact else (getattr(self, stream) or "").encode()


class RunOutput(msgspec.Struct, frozen=True):
    """More output: `stream` is `output`, `stdout` or `stderr`, `data` its exact bytes."""

    stream: str
    text: str
    data: bytes


class Runs:
    """What `BridgeClient.runs` is."""

    def __init__(self, door: Callable[[], BridgeSession]) -> None:
        self._door = door

    async def run(self, command: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a command and wait for its answer."""
        result = await self._begin(command, options, f"wait={WAIT_SECONDS}")
        while not result.finished:
            result = await self.get(result.run, wait=WAIT_SECONDS)
        return result

    async def start(self, command: str, **options: Unpack[RunOptions]) -> str:
        """Start a command and return the run's name, for `get`, `follow` and `cancel`."""
        return (await self._begin(command, options, "respond-async")).run

    def stream(self, command: str, **options: Unpack[RunOptions]) -> RunStream:
        """Run a command and iterate its output; it begins with the first piece asked for."""
        return RunStream(self._door(), post=_post(command, options))

    def follow(self, run: str, *, after: int = 0) -> RunStream:
        """The output of a run that was started before, behind its first `after` bytes."""
        return RunStream(self._door(), name=run, after=str(after))

    async def get(self, run: str, *, wait: float = 0) -> RunResult:
        """A run as it stands, or as it ends within `wait` seconds. It can be read again."""
        clock = wait + START_SECONDS
        query = {"wait": wait}
        door = self._door()
        answer = await door.ask("GET", _path(run), query=query, timeout=clock, persist=True)
        return answer.read(RunResult)

    async def cancel(self, run: str) -> None:
        """Stop a run: SIGINT, then TERM, then KILL."""
        await self._door().ask("DELETE", _path(run))

    async def send_input(self, run: str, data: bytes | str) -> None:
        """Type into a run, as it is: a line needs its newline."""
        raw = data.encode() if isinstance(data, str) else data
        await self._door().ask("POST", f"{_path(run)}/input", body=raw)

    async def _begin(self, command: str, options: RunOptions, prefer: str) -> RunResult:
        path, query, body, key = _post(command, options)
        answer = await self._door().ask(
            "POST",
            path,
            query=query,
            body=body,
            headers={"Prefer": prefer, "Idempotency-Key": key},
            timeout=START_SECONDS + WAIT_SECONDS,
            persist=True,
        )
        return answer.read(RunResult)


class RunStream(LineFollower[RunOutput, RunResult]):
    """One run as it happens; `result` comes without output."""

    _route = "runs"

    @property
    def run(self) -> str | None:
        """The run's name on the server; None until the server has answered."""
        return self._name

    async def send_input(self, data: bytes | str) -> None:
        """Type into it, as it is."""
        raw = data.encode() if isinstance(data, str) else data
        await self._door.ask("POST", f"{self._path()}/input", body=raw)

    def _read(self, line: Line) -> RunOutput | None:
        if line.event == "done":
            self.result = msgspec.convert(line.data, RunResult)
            return None
        if line.event != "output":
            return None
        self._after = str(line.id)
        text = str(line.data.get("text", ""))
        exact = line.data.get("base64")
        data = base64.b64decode(exact) if exact else text.encode()
        return RunOutput(str(line.data.get("stream", "output")), text, data)


def _path(run: str) -> str:
    return f"runs/{segment(run)}"


def _post(command: str, options: RunOptions) -> Post:
    fields: dict[str, Any] = {"command": command, **options}
    key = fields.pop("key", None) or uuid.uuid4().hex
    return Post("run", {}, {k: v for k, v in fields.items() if v is not None}, key)
