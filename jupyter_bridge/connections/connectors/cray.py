"""console: a Cray-style console service, whose nodes are consoles with a journal here.

The service has two websockets, `/tail/{node}` (follows the node's log) and `/interact/{node}` (the
node's console manager), a bearer token, and a header for the tenant. Its frames are text, cut
anywhere, even within a character; it has no offsets and adds a newline to each message.

So output comes from `tail` only: the log has all output, whoever typed. After a reconnect the known
part of the repeated output is cut; if the log was rotated meanwhile, there is a gap. `interact` is
only opened for input, which is sent by lines. A control character is sent at once, with the newline
that the service adds.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import codecs
import re
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

import msgspec
from yarl import URL

from jupyter_bridge.connections.connector import (
    Connector,
    Expired,
    Login,
    Secret,
    WebFields,
    WrongCredentials,
)
from jupyter_bridge.connections.connectors.socket_source import SocketSource
from jupyter_bridge.connections.roles import HasConsoles, Node
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import BadRequest, Denied, NotFound, Unavailable
from jupyter_bridge.transport.answers import NAMES, off_loop
from jupyter_bridge.transport.reconnect import Socket, send
from jupyter_bridge.transport.replay import Replay
from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# Lines of a node's log to request: the service rotates logs at 5 MB.
_HISTORY = 10_000
# Output repeated after a reconnect comes in pieces; it ends with a pause of _QUIET, or after
# _LONGEST, or _MOST. Seconds, bytes.
_QUIET = 0.5
_LONGEST = 5.0
_MOST = 16 << 20
# A frame is any part of a log; 4 MiB are 50,000 lines. Bytes.
MAX_FRAME = 4 << 20
# Input is sent in pieces of _LINE where it has no newline within _LONGEST_LINE, characters.
_LINE, _LONGEST_LINE = 4096, 64 << 10
# Lines sent before the service must have taken them: it may be slow.
_LINES_AT_ONCE = 1000
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_ENDS_LINE = re.compile(r"[\r\n]|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


class ConsoleFields(WebFields, kw_only=True):
    """The service's address (the part before /tail), a token, the tenant, and its nodes."""

    url: Annotated[
        str,
        msgspec.Meta(title="Address", description="The part before /tail and /interact."),
    ]
    token: Annotated[Secret | None, msgspec.Meta(title="Token")] = None
    tenant: Annotated[
        str | None,
        msgspec.Meta(title="Tenant", description="Sent as Cray-Tenant-Name."),
    ] = None
    nodes: Annotated[
        list[str],
        msgspec.Meta(title="Nodes", description="The names of the service's nodes."),
    ] = []


class ConsoleService(Connector[ConsoleFields], HasConsoles):
    kind = "console"
    title = "Console service"
    fields_type = ConsoleFields
    history: ClassVar[int] = _HISTORY

    @classmethod
    def check(cls, fields: ConsoleFields) -> None:
        for node in fields.nodes:
            if not _NODE.fullmatch(node):
                raise BadRequest(f"nodes: {node!r} is not a valid name.", field="nodes")
        if fields.tenant is not None and not _NODE.fullmatch(fields.tenant):
            raise BadRequest(f"tenant: {fields.tenant!r} is not a valid name.", field="tenant")
        if URL(fields.url).query_string or URL(fields.url).fragment:
            raise BadRequest("url: must not have a query.", field="url")

    async def login(self) -> Login:
        ends = _end_of(self.fields.token)
        if ends is not None and ends < time.time():
            raise Denied("The token has expired; log in with a new one.")
        try:
            await self.probe()
        except Expired:
            raise WrongCredentials(self.context.name) from None
        return Login(username=self.fields.username)

    async def probe(self) -> None:
        answer = await self.context.outbound.ask(
            "GET", f"{self._address}/health", headers=self.headers()
        )
        if answer.status in (401, 403):
            raise Expired(f"{self.context.name} refuses the token.")
        if answer.status >= 500:
            raise Unavailable(f"{self.context.name} does not work: it answers {answer.status}.")

    async def consoles(self) -> list[Node]:
        return [Node(node, f"Node {node}") for node in self.fields.nodes]

    async def console(self, name: str) -> Source:
        if not _NODE.fullmatch(name):
            raise NotFound(f"No node named {name!r}.")
        return NodeSource(self, name)

    def headers(self, **more: str) -> dict[str, str]:
        """The headers with the token and the tenant."""
        known = dict(more)
        if self.fields.token:
            known["Authorization"] = f"Bearer {self.fields.token}"
        if self.fields.tenant:
            known["Cray-Tenant-Name"] = self.fields.tenant
        return known

    async def dial(self, verb: str, node: str, **more: str) -> Socket:
        """Open `tail` or `interact` of one node; text frames as bytes, as they may be cut."""
        return await self.context.outbound.websocket(
            f"{self._address}/{verb}/{quote(node, safe='')}",
            headers=self.headers(**more),
            max_frame=MAX_FRAME,
            decode_text=False,
        )

    @property
    def _address(self) -> str:
        return self.fields.url.rstrip("/")


class _Claims(msgspec.Struct):
    """The used claim of a JWT: its expiry, seconds since the epoch."""

    exp: float


def _end_of(token: str | None) -> float | None:
    """Return the expiry of a JWT; None for any other token."""
    try:
        payload = (token or "").split(".")[1]
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return bounded.decode(claims, _Claims, NAMES).exp
    except (*JSON_ERRORS, IndexError, ValueError, binascii.Error):
        return None


class NodeSource(SocketSource):
    """One node's console."""

    def __init__(self, service: ConsoleService, node: str) -> None:
        super().__init__(service.context.log)
        self._service = service
        self._node = node
        self._replay = Replay()
        self._repeated: _Repeated | None = None
        self._cutting: asyncio.Task[None] | None = None
        self._input: Socket | None = None
        self._discarding: asyncio.Task[None] | None = None
        self._typing = asyncio.Lock()
        self._typed = codecs.getincrementaldecoder("utf-8")("replace")
        self._started = ""
        self._recalled = False
        self.title = f"Node {node}"

    def recall(self, tail: bytes) -> bool:
        self._replay.recall(tail)
        self._recalled = True
        return True

    async def _dial(self) -> Socket:
        lines = {"Cray-Console-Lines": str(self._service.history), "Cray-Console-Follow": "True"}
        return await self._service.dial("tail", self._node, **lines)

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        def passed(data: bytes) -> None:
            self._replay.passed(data)
            on_output(data)

        async def cut(data: bytes, before: asyncio.Task[None] | None) -> None:
            if before is not None:
                await asyncio.wait({before})
            rest, sure = await off_loop(self._replay.rest, data)
            if not sure:
                on_gap(1)
            if rest:
                passed(rest)

        def on_repeated(data: bytes) -> None:
            self._cutting = asyncio.create_task(cut(data, self._cutting))

        async def on_frame(frame: str | bytes) -> None:
            data = frame.encode("utf-8", "surrogateescape") if isinstance(frame, str) else frame
            if self._cutting is not None and not self._cutting.done():
                await asyncio.wait({self._cutting})  # what was repeated comes first
            if not past.is_over:
                past.feed(b"")
            if self._repeated is not None and not self._repeated.is_over:
                self._repeated.feed(data)
            else:
                passed(data)

        def on_up() -> None:
            if self._repeated is not None:
                self._repeated.finish()  # disconnected again: use what arrived
            self._repeated = _Repeated(on_repeated)

        if self._recalled:
            self._repeated = _Repeated(on_repeated)
        past = _Repeated(lambda data: None)
        await self._socket.open(on_frame, lambda reason: on_end(Exit()), on_up)
        past.feed(b"")
        await past.over()

    async def write(self, data: bytes) -> None:
        async with self._typing:
            text, self._started = self._started + self._typed.decode(data), ""
            lines = _EndedLines(text)
            while some := list(islice(lines, _LINES_AT_ONCE)):
                await self._send_lines(some)
            self._started = lines.rest()

    async def _send_lines(self, lines: list[str]) -> None:
        """Send lines, to which the service adds the newlines; Unavailable if it does not read."""
        if self._input is None or self._input.closed:
            await self._close_input()
            self._input = await self._service.dial("interact", self._node)
            self._discarding = asyncio.create_task(_discard_output(self._input))
        try:
            await send(self._input, lines)
        except Unavailable as problem:
            await self._close_input()
            raise Unavailable(f"Cannot type to {self._node}: {problem.message}") from problem

    async def _close_input(self) -> None:
        hearing, self._discarding = self._discarding, None
        if hearing is not None:
            hearing.cancel()
            await asyncio.wait({hearing})
        socket, self._input = self._input, None
        if socket is not None:
            await socket.close()

    async def close(self) -> None:
        await super().close()
        if self._repeated is not None:
            self._repeated.finish()
        if self._cutting is not None:
            await asyncio.wait({self._cutting})
        await self._close_input()


async def _discard_output(socket: Socket) -> None:
    """Discard the output of `interact`, which `tail` has, too."""
    async for _ in socket:
        await asyncio.sleep(0)  # a burst of frames would not yield to the loop


class _Repeated:
    """Gathers output repeated after a reconnect, and passes it on when it is complete."""

    def __init__(self, on_complete: Callable[[bytes], None]) -> None:
        self._on_complete = on_complete
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + _LONGEST
        self._pieces: list[bytes] = []
        self._size = 0
        self._timer: Any = None
        self._over: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_over(self) -> bool:
        return self._over.done()

    async def over(self) -> None:
        """Wait until it is complete."""
        await asyncio.wait({self._over})

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._timer is not None:
            self._timer.cancel()
        if self._size > _MOST or self._loop.time() > self._deadline:
            self.finish()
        else:
            self._timer = self._loop.call_later(_QUIET, self.finish)

    def finish(self) -> None:
        if not self.is_over:
            self._over.set_result(None)
            if self._timer is not None:
                self._timer.cancel()
            if self._pieces:
                self._on_complete(b"".join(self._pieces))


class _EndedLines(Iterator[str]):
    """The lines of a text that end by a newline, a control character or their length, one by one.

    A newline is not in its line. `rest` is the text after the last line.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = 0
        self._looked = 0  # no line ends between `_start` and here

    def __next__(self) -> str:
        text, start = self._text, self._start
        stop = min(len(text), start + _LONGEST_LINE)
        found = _ENDS_LINE.search(text, max(start, self._looked), stop)
        if found is not None:
            end = found.end()
            self._start = end + text.startswith("\r\n", end - 1)
            return text[start : end - (found[0] in "\r\n")]
        self._looked = stop
        if len(text) - start <= _LINE:
            raise StopIteration
        self._start = start + _LINE
        return text[start : self._start]

    def rest(self) -> str:
        return self._text[self._start :]
