"""Shell commands on the server: run one, follow it, read it again, type into it, stop it."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import aiohttp
import msgspec

from jupyter_bridge.client.stream import execution_of
from jupyter_bridge.problems import Conflict, RemoteFailed, Unavailable
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.line_follower import SILENCE_SECONDS, LineFollower
from jupyter_bridge.transport.problem_decoder import problem_of
from jupyter_bridge.transport.response import ConnectionDropped
from jupyter_bridge.wire.json_errors import JSON_ERRORS

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


class RunResult(msgspec.Struct):
    """A run as it stands: `exit_code` is what the shell has in `$?`; None while nobody knows.

    `output` is what the terminal showed (`tty`); `stdout` and `stderr` come apart with `split`.
    """

    run: str = ""
    console: str = ""
    status: str = "running"
    exit_code: int | None = None
    signal: str | None = None
    output: str | None = None
    output_base64: str | None = None
    stdout: str | None = None
    stdout_base64: str | None = None
    stderr: str | None = None
    stderr_base64: str | None = None
    truncated: bool = False
    cwd: str | None = None
    started: datetime | None = None
    seconds: float | None = None
    start_offset: int | None = None
    end_offset: int | None = None

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
        result = await self._post(command, options, {"Prefer": f"wait={WAIT_SECONDS}"})
        while not result.finished:
            result = await self.get(result.run, wait=WAIT_SECONDS)
        return result

    async def start(self, command: str, **options: Unpack[RunOptions]) -> str:
        """Start a command and return the run's name, for `get`, `follow` and `cancel`."""
        return (await self._post(command, options, {"Prefer": "respond-async"})).run

    def stream(self, command: str, **options: Unpack[RunOptions]) -> RunStream:
        """Run a command and iterate its output; it begins with the first piece asked for."""
        return RunStream(self._door(), post=_body(command, options))

    def follow(self, run: str, *, after: int = 0) -> RunStream:
        """The output of a run that was started before, behind its first `after` bytes."""
        return RunStream(self._door(), run=run, after=after)

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

    async def _post(
        self, command: str, options: RunOptions, headers: Mapping[str, str]
    ) -> RunResult:
        body, key = _body(command, options)
        headers = {**headers, "Idempotency-Key": key}
        clock = START_SECONDS + WAIT_SECONDS
        answer = await self._door().ask(
            "POST", "run", body=body, headers=headers, timeout=clock, persist=True
        )
        return answer.read(RunResult)


class RunStream(LineFollower[RunOutput]):
    """One run as it happens, over as many connections as it takes: iterate it, stop it.

    Leaving the loop early leaves the command running. `run` is its name as soon as it is known,
    `result` the answer, without output, once the loop has ended.
    """

    def __init__(
        self,
        door: BridgeSession,
        *,
        post: tuple[dict[str, Any], str] | None = None,
        run: str | None = None,
        after: int = 0,
    ) -> None:
        super().__init__(door)
        self._post = post
        self._after = after
        self.run = run
        self.result: RunResult | None = None

    async def cancel(self) -> None:
        """Stop the command; the stream still ends by itself."""
        await self._door.ask("DELETE", _path(self._name()))

    async def send_input(self, data: bytes | str) -> None:
        """Type into it, as it is."""
        raw = data.encode() if isinstance(data, str) else data
        await self._door.ask("POST", f"{_path(self._name())}/input", body=raw)

    def _name(self) -> str:
        if self.run is None:
            raise Conflict("Nothing runs yet: iterate the stream first.")
        return self.run

    _cut_short = "the answer ended before the command did"

    def _is_over(self) -> bool:
        return self.result is not None

    def _read(self, line: bytes) -> RunOutput | None:
        if not line.strip():
            return None
        try:
            said = msgspec.json.decode(line, type=_RunLine)
        except JSON_ERRORS as error:
            raise RemoteFailed(f"The event stream holds what is no event: {error}.") from error
        if said.event == "problem":
            raise problem_of(said.data, None, "the event stream") or RemoteFailed(
                "The event stream ended with a problem that it does not name."
            )
        if said.event == "done":
            self.result = msgspec.convert(said.data, RunResult)
            return None
        if said.event != "output":
            return None
        self._after = said.id
        text = str(said.data.get("text", ""))
        exact = said.data.get("base64")
        data = base64.b64decode(exact) if exact else text.encode()
        return RunOutput(str(said.data.get("stream", "output")), text, data)

    async def _open(self) -> aiohttp.ClientResponse:
        again = self.run is not None
        try:
            if self.run is not None:
                response = await self._door.stream(
                    "GET",
                    _path(self.run),
                    headers={"Last-Event-ID": str(self._after)},
                    silence=SILENCE_SECONDS,
                )
            else:
                assert self._post is not None
                body, key = self._post
                response = await self._door.stream(
                    "POST",
                    "run",
                    body=body,
                    headers={"Idempotency-Key": key},
                    silence=SILENCE_SECONDS,
                )
        except (Unavailable, RemoteFailed) as problem:
            # The first refusal is told. Later the server, or a proxy before it, may be restarting.
            if not again:
                raise
            raise ConnectionDropped(problem.message) from problem
        if self.run is None:
            self.run = execution_of(response.headers)
        return response


class _RunLine(msgspec.Struct):
    event: str
    id: int = 0
    data: dict[str, Any] = {}


def _path(run: str) -> str:
    return f"runs/{segment(run)}"


def _body(command: str, options: RunOptions) -> tuple[dict[str, Any], str]:
    """The body of a request, and its idempotency key."""
    fields: dict[str, Any] = {"command": command, **options}
    key = fields.pop("key", None) or uuid.uuid4().hex
    return {name: value for name, value in fields.items() if value is not None}, key
