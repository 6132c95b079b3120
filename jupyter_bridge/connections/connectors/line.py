"""Line: one websocket to a remote that is opened again when it breaks; and what a replay repeats.

A remote that was away comes back with the same node, terminal or kernel, so whoever holds a Line
is told that it broke and that it is there again, and only at the very end that it is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from jupyter_bridge.problems import Gone, NotFound, Problem, RemoteFailed, Unavailable

Socket = aiohttp.ClientWebSocketResponse[Any]

# The first attempts come quickly (a server that was restarted), later ones spare the remote. Sec.
_PAUSES = (0.1, 0.3, 1.0, 2.0, 5.0, 10.0)
_LAST_PAUSE = 30.0
# A remote that was away for a night's maintenance is found again; one that is gone is let go. Sec.
GIVE_UP = 12 * 3600.0
# What a kernel was asked while its line is broken is sent later; more than this is not. Bytes.
_HELD = 16 << 20


class Line:
    """`dial` opens the websocket, anew each time: it knows where to go on."""

    def __init__(
        self,
        dial: Callable[[], Awaitable[Socket]],
        log: logging.Logger | logging.LoggerAdapter[Any],
        give_up: float = GIVE_UP,
    ) -> None:
        self._dial = dial
        self._log = log
        self._give_up = give_up
        self._socket: Socket | None = None
        self._running: asyncio.Task[None] | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._waiting: list[str | bytes] = []
        self._held = 0
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        return self._socket is not None and not self._socket.closed

    async def open(
        self,
        on_frame: Callable[[str | bytes], None],
        on_lost: Callable[[str], None],
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Open it, and from then on call back on the event loop; raises what `dial` raises.

        `on_up` is called whenever it has been opened again. `on_lost(reason)` is called at most
        once: the thing on the other side is there no longer, or nobody answered for too long.
        """
        self._socket = await self._dial()
        self._running = asyncio.create_task(self._run(on_frame, on_lost, on_up))

    async def _run(
        self,
        on_frame: Callable[[str | bytes], None],
        on_lost: Callable[[str], None],
        on_up: Callable[[], None],
    ) -> None:
        while True:
            assert self._socket is not None
            await self._read(self._socket, on_frame)
            socket, self._socket = self._socket, None
            await socket.close()
            reason = await self._mend()
            if reason is not None:
                on_lost(reason)
                return
            on_up()
            self._flush()

    async def _read(self, socket: Socket, on_frame: Callable[[str | bytes], None]) -> None:
        while True:
            await self._reading.wait()
            message = await socket.receive()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            try:
                on_frame(message.data)
            except Exception:
                self._log.exception("A frame of the remote could not be used")
                return

    async def _mend(self) -> str | None:
        """None when the line is up again, else why there will be none."""
        loop = asyncio.get_running_loop()
        deadline, attempt = loop.time() + self._give_up, 0
        while True:
            await asyncio.sleep(_PAUSES[attempt] if attempt < len(_PAUSES) else _LAST_PAUSE)
            attempt += 1
            try:
                self._socket = await self._dial()
            except (NotFound, Gone) as problem:
                return problem.message
            except Problem as problem:
                # A refusal, too, may pass: the connection logs in again beside this.
                self._log.info("Attempt %d to mend a line: %s", attempt, problem.message)
                if loop.time() > deadline:
                    return problem.message
            else:
                return None

    async def say(self, frame: str | bytes) -> None:
        """Send now, wait until it is on its way; Unavailable while the line is broken."""
        socket = self._socket
        if socket is None or socket.closed:
            raise Unavailable("The line to the remote is broken; it is being mended.")
        try:
            await _send(socket, frame)
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable("The line to the remote broke off.") from error

    def post(self, frame: str | bytes) -> bool:
        """Send soon and in order, after mending if need be; False if too much is waiting."""
        if self._held + len(frame) > _HELD:
            return False
        self._waiting.append(frame)
        self._held += len(frame)
        self._flush()
        return True

    def _flush(self) -> None:
        if self._waiting and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting and self._socket is not None:
            try:
                await _send(self._socket, self._waiting[0])
            except (aiohttp.ClientError, OSError):
                return
            self._held -= len(self._waiting.pop(0))

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    async def close(self) -> None:
        """Close it; closing twice is fine. No call back follows."""
        tasks = {task for task in (self._running, self._writing) if task is not None}
        tasks.discard(asyncio.current_task())
        self._running = self._writing = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()


async def _send(socket: Socket, frame: str | bytes) -> None:
    if isinstance(frame, str):
        await socket.send_str(frame)
    else:
        await socket.send_bytes(frame)


def missing(problem: Problem, sentence: str) -> Problem:
    """A websocket refused with 404 or 410 is a NotFound; any other problem stays as it is."""
    if isinstance(problem, RemoteFailed) and problem.details.get("remote_status") in (404, 410):
        return NotFound(sentence)
    return problem


class Replay:
    """Cuts from what a remote tells again, after a break, the part that is known already.

    Remotes without offsets tell the last of what was said to whoever comes. What was passed on is
    remembered as far back as `KEEP`; the longest end of it that the replay goes on from is cut.
    """

    KEEP = 256 << 10
    # A shorter agreement may be chance: a prompt looks like any other prompt.
    SURE = 16

    def __init__(self) -> None:
        self._tail = b""

    def passed(self, data: bytes) -> None:
        """This has been passed on."""
        self._tail = (self._tail + data)[-self.KEEP :]

    def rest(self, replay: bytes) -> bytes | None:
        """What of `replay` is new; None if it does not go on from what was passed (a gap)."""
        tail = self._tail
        if not tail:
            return replay
        if len(replay) > len(tail):
            found = replay.rfind(tail)
            if found >= 0 and (len(tail) >= self.SURE or found == 0):
                return replay[found + len(tail) :]
        head = replay[: self.SURE]
        at = tail.find(head)
        while at >= 0 and len(tail) - at >= self.SURE:
            if replay.startswith(tail[at:]) or tail[at:].startswith(replay):
                return replay[len(tail) - at :]
            at = tail.find(head, at + 1)
        if len(replay) <= len(tail) and tail.endswith(replay):
            return b""
        return None
