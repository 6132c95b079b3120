"""ReconnectingSocket: a websocket to a remote that reconnects.

A remote that was away comes back with the same node, terminal or kernel. The owner of the socket
learns of every reconnect, and of the loss only after the last try.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket as system
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.problems import Gone, NotFound, Problem, Unavailable
from jupyter_bridge.transport.answers import sentence
from jupyter_bridge.transport.retry import RetryPeriod

Socket = aiohttp.ClientWebSocketResponse[Any]
OnFrame = Callable[[str | bytes], Awaitable[None] | None]
"""Takes a frame; the next one waits for what it returns. ValueError or Problem: reconnect."""

# The first attempt comes at once (a network drop: remotes hold little output for absent clients),
# the next ones soon (a server restart), later ones rarely, to spare the remote. Seconds.
_LONGEST_PAUSE = 30.0
# After a connection shorter than this the first attempt waits, too. Seconds.
_SHORT = 1.0
# The time without a remote before giving up: a night's maintenance is shorter. Seconds.
GIVE_UP = 12 * 3600.0
# Frames posted while disconnected are kept up to this size and sent after a reconnect, bytes.
_HELD = 16 << 20
# A remote that takes longer than this for a frame does not read: seconds, and bytes a second.
SEND_SECONDS = 30.0
SLOWEST = 64 << 10
# Only on Linux; elsewhere a remote's answers may come 40 ms later.
_QUICK_ACK: int | None = getattr(system, "TCP_QUICKACK", None)


class ReconnectingSocket:
    """A websocket that `dial` opens; `dial` is called again after each drop and resumes.

    Unlike a `bridge_socket.ResumingSocket` it reads by itself and calls back, because a relay or a
    console must hear its remote while nobody else reads.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Socket]],
        log: logging.Logger | logging.LoggerAdapter[Any],
        give_up: float = GIVE_UP,
    ) -> None:
        self._dial = dial
        self._log = log
        self._changes = Changes(log)
        self._give_up = give_up
        self._socket: Socket | None = None
        self._running: asyncio.Task[None] | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._waiting: list[str | bytes] = []
        self._held = 0
        self._over = False
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        return self._socket is not None and not self._socket.closed

    async def open(
        self,
        on_frame: OnFrame,
        on_lost: Callable[[str], None],
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Connect; raises what `dial` raises. The callbacks run on the event loop.

        `on_up` is called after each reconnect. `on_lost(reason)` is called at most once: if the
        node, terminal or kernel is gone, or the remote was unreachable for too long.
        """
        self._socket = await self._dial()
        self._running = asyncio.create_task(self._run(on_frame, on_lost, on_up))

    async def _run(
        self,
        on_frame: OnFrame,
        on_lost: Callable[[str], None],
        on_up: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            assert self._socket is not None
            since = loop.time()
            await self._read(self._socket, on_frame)
            socket, self._socket = self._socket, None
            await socket.close()
            if self._is_over():
                return
            # A remote that accepts a connection and drops it at once gets a pause.
            reason = await self._reconnect(at_once=loop.time() - since > _SHORT)
            if self._is_over():
                return
            if reason is not None:
                on_lost(reason)
                return
            on_up()
            self._flush()

    async def _read(self, socket: Socket, on_frame: OnFrame) -> None:
        pauses = Pauses()
        while True:
            await self._reading.wait()
            message = await socket.receive()
            _acknowledge(socket)
            await pauses()  # `receive` does not yield while frames wait
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            try:
                more = on_frame(message.data)
                if more is not None:
                    await more
            except (Problem, ValueError) as error:
                self._changes.warning("Cannot read a frame of the remote: %s", sentence(error))
                return
            except Exception:
                self._log.exception("Cannot handle a frame of the remote")
                return

    async def _reconnect(self, *, at_once: bool) -> str | None:
        """Reconnect; returns None when connected, otherwise the reason for giving up."""
        patience = RetryPeriod(self._give_up, _LONGEST_PAUSE)
        if not at_once:
            await patience.wait("")  # the first wait has no pause: use it up
        why: Problem | str = ""
        while not self._is_over():
            try:
                await patience.wait(why)
            except Unavailable as given_up:
                return given_up.message
            try:
                self._socket = await self._dial()
            except (NotFound, Gone) as problem:
                return problem.message
            except Problem as problem:
                # A refusal may pass, too: the Connection logs in again meanwhile.
                self._changes.info("Reconnecting after: %s", problem.message)
                why = problem
            else:
                return None
        return None

    def _is_over(self) -> bool:
        return self._over

    def finish(self) -> None:
        """Do not reconnect after the next drop: the node, terminal or kernel has ended."""
        self._over = True

    async def say(self, frame: str | bytes) -> None:
        """Send after the frames posted before, and wait until it is written.

        Raises Unavailable while disconnected.
        """
        if self._writing is not None:
            await asyncio.wait({self._writing})
        socket = self._socket
        if socket is None or socket.closed:
            raise Unavailable("Disconnected from the remote. Reconnecting.")
        await send(socket, [frame])

    def post(self, frame: str | bytes) -> bool:
        """Send soon and in order, after a reconnect if needed; False if too much is waiting."""
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
                await send(self._socket, self._waiting[:1])
            except Unavailable:
                return
            self._held -= len(self._waiting.pop(0))

    async def renew(self) -> None:
        """Drop the connection and reconnect, because passed data turned out to be wrong."""
        if self._socket is not None:
            await self._socket.close()

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    async def close(self) -> None:
        """Close the socket; no callback follows. Closing twice is fine."""
        self._over = True  # before Python 3.12 `wait_for` may swallow the cancel below
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


async def send(socket: Socket, frames: Sequence[str | bytes]) -> None:
    """Send the frames, with turns for the loop between them.

    Raises Unavailable if the connection drops. It is dropped if the remote does not read.
    """
    try:
        await within(SEND_SECONDS + sum(map(len, frames)) / SLOWEST, _send(socket, frames))
    except asyncio.TimeoutError:  # an OSError, from Python 3.11 on
        # Closing would wait until the unsent bytes are read.
        transport = getattr(getattr(socket, "_conn", None), "transport", None)
        if transport is not None:
            transport.abort()
        raise Unavailable("The remote does not read what is sent to it.") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable("The connection to the remote dropped.") from error


async def _send(socket: Socket, frames: Sequence[str | bytes]) -> None:
    pauses = Pauses()
    for frame in frames:
        await pauses()  # sending yields only when the system's buffer is full
        if isinstance(frame, str):
            await socket.send_str(frame)
        else:
            await socket.send_bytes(frame)


def _acknowledge(socket: Socket) -> None:
    """Acknowledge received bytes at once.

    Jupyter servers use Nagle's algorithm: the second of two small messages waits until the first
    is acknowledged, which the system delays by 40 ms. The option is not permanent, so it is set
    after every message.
    """
    line = socket.get_extra_info("socket")
    if line is not None and _QUICK_ACK is not None:
        with contextlib.suppress(OSError):  # closed meanwhile
            line.setsockopt(system.IPPROTO_TCP, _QUICK_ACK, 1)
