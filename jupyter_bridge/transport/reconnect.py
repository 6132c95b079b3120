"""ReconnectingSocket: a websocket to a remote, opened again when it breaks; and Replay.

A remote that was away comes back with the same node, terminal or kernel, so whoever holds a socket
is told that it broke and that it is there again, and only at the very end that it is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket as system
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import aiohttp

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.problems import Gone, NotFound, Problem, Unavailable
from jupyter_bridge.transport.answers import sentence
from jupyter_bridge.transport.retry import RetryPeriod

Socket = aiohttp.ClientWebSocketResponse[Any]

# The first attempt comes at once (a break of the network: remotes hold little for who is away), the
# next ones quickly (a server that was restarted), later ones spare the remote. Seconds.
_LONGEST_PAUSE = 30.0
# A line that lasted no longer than this was hardly one, seconds.
_SHORT = 1.0
# A remote that was away for a night's maintenance is found again; one that is gone is let go. Sec.
GIVE_UP = 12 * 3600.0
# What a kernel was asked while its line is broken is sent later; more than this is not. Bytes.
_HELD = 16 << 20
# Frames that came at once are taken for so long before the loop gets its turn, seconds.
BURST_SECONDS = 0.005
# Linux has it; elsewhere a remote's answers may come 40 ms later.
_QUICK_ACK: int | None = getattr(system, "TCP_QUICKACK", None)


class ReconnectingSocket:
    """`dial` opens the websocket, anew each time: it knows where to go on."""

    def __init__(
        self,
        dial: Callable[[], Awaitable[Socket]],
        log: logging.Logger | logging.LoggerAdapter[Any],
        give_up: float = GIVE_UP,
    ) -> None:
        self._dial = dial
        self._log = log
        self._told = Changes(log)
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
        loop = asyncio.get_running_loop()
        while True:
            assert self._socket is not None
            since = loop.time()
            await self._read(self._socket, on_frame)
            socket, self._socket = self._socket, None
            await socket.close()
            if self._is_over():
                return
            # A remote that takes the line and drops it at once is not asked without a pause.
            reason = await self._mend(at_once=loop.time() - since > _SHORT)
            if self._is_over():
                return
            if reason is not None:
                on_lost(reason)
                return
            on_up()
            self._flush()

    async def _read(self, socket: Socket, on_frame: Callable[[str | bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + BURST_SECONDS
        while True:
            await self._reading.wait()
            message = await socket.receive()
            _acknowledge(socket)
            if loop.time() > until:  # `receive` does not wait while more has come
                await asyncio.sleep(0)
                until = loop.time() + BURST_SECONDS
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            try:
                on_frame(message.data)
            except (Problem, ValueError) as error:
                self._told.warning("A frame of the remote cannot be read: %s", sentence(error))
                return
            except Exception:
                self._log.exception("A frame of the remote could not be used")
                return

    async def _mend(self, *, at_once: bool) -> str | None:
        """None when the line is up again, else why there will be none."""
        patience = RetryPeriod(self._give_up, _LONGEST_PAUSE)
        if not at_once:
            await patience.wait("")  # which makes the first pause one
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
                # A refusal, too, may pass: the connection logs in again beside this.
                self._told.info("A dropped connection is opened again: %s", problem.message)
                why = problem
            else:
                return None
        return None

    def _is_over(self) -> bool:
        return self._over

    def finish(self) -> None:
        """The thing on the other side has ended: when this line breaks, it is not mended."""
        self._over = True

    async def say(self, frame: str | bytes) -> None:
        """Send now, behind what was posted, and wait until it is on its way.

        Raises Unavailable while the line is broken.
        """
        if self._writing is not None:
            await asyncio.wait({self._writing})
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

    async def renew(self) -> None:
        """Break the line and mend it: what was passed on turned out to be wrong."""
        if self._socket is not None:
            await self._socket.close()

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    async def close(self) -> None:
        """Close it; closing twice is fine. No call back follows."""
        self._over = True  # before Python 3.12 `wait_for` may swallow the cancelling below
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


class Remainder(NamedTuple):
    """What of a replay is new, and whether it surely goes on where the known part ended."""

    data: bytes
    sure: bool


class Replay:
    """Cuts from what a remote tells again, after a break, the part that is known already.

    Remotes without offsets tell the last of what was said to whoever comes. What was passed on is
    remembered as far back as `KEEP`; the longest end of it that the replay goes on from is cut.
    """

    KEEP = 256 << 10
    # A shorter agreement may be chance: a prompt looks like any other prompt.
    SURE = 16
    # A replay that agrees in more bytes than `NEAR` is looked for in so many places only: there are
    # more where text repeats itself, and then it is not sure anyway.
    NEAR = 1024
    STARTS = 64

    def __init__(self) -> None:
        self._tail = b""
        self._whole = True  # nothing was forgotten: the replay cannot begin before the tail

    def recall(self, tail: bytes) -> None:
        """This is the end of what was passed on an earlier line."""
        self._tail = tail[-self.KEEP :]
        self._whole = False

    def passed(self, data: bytes) -> None:
        """This has been passed on."""
        tail = self._tail + data
        self._whole = self._whole and len(tail) <= self.KEEP
        self._tail = tail[-self.KEEP :]

    def agrees(self, replay: bytes) -> bool:
        """Whether everything in `replay` that had to be passed was passed."""
        return not self._tail or self._goes_on(replay) is not None

    def rest(self, replay: bytes) -> Remainder:
        """What of `replay` is new. Where it is not sure, something may be missing before it."""
        if not self._tail:
            return Remainder(replay, True)
        return self._goes_on(replay) or Remainder(replay[self._agreement(replay) :], False)

    def _goes_on(self, replay: bytes) -> Remainder | None:
        """The rest of a replay that goes on from the tail; None if it leaves it before its end."""
        overlaps = self._overlaps(replay)
        known, agreement = next(overlaps, (0, -1))
        if agreement < self._agreement(replay):
            return None  # what agrees longer, but not to the end, has a hole
        # Text that repeats itself (`yes`) goes on from more than one place: nobody knows which.
        _, other = next(overlaps, (0, 0))
        return Remainder(replay[known:], other < max(self.SURE, agreement / 2))

    def _overlaps(self, replay: bytes) -> Iterator[tuple[int, int]]:
        """How much of `replay` is known if it goes on from the tail, and in how much they agree.

        The best come first.
        """
        tail = self._tail
        if self._whole and len(tail) < self.SURE:
            if replay.startswith(tail):
                yield len(tail), len(tail)
            return
        if not self._whole and len(tail) >= self.SURE:
            found = replay.find(tail, 1)
            while found > 0:
                yield found + len(tail), len(tail)
                found = replay.find(tail, found + 1)
        for at in self._starts(replay):
            if len(tail) - at < self.SURE:
                break
            if replay.startswith(tail[at:]) or tail.startswith(replay, at):
                agreement = min(len(tail) - at, len(replay))
                yield agreement, agreement
        if len(replay) < self.SURE and tail.endswith(replay):
            yield len(replay), len(replay)

    def _starts(self, replay: bytes) -> Iterator[int]:
        """Where in the tail the replay may begin, so few that looking blocks nobody."""
        near = max(0, len(self._tail) - self.NEAR)
        head = replay[: self.NEAR]
        at = self._tail.find(head, 0, near + len(head) - 1)
        for _ in range(self.STARTS):
            if at < 0:
                break
            yield at
            at = self._tail.find(head, at + 1, near + len(head) - 1)
        head = replay[: self.SURE]
        at = self._tail.find(head, near)
        while at >= 0:
            yield at
            at = self._tail.find(head, at + 1)

    def _agreement(self, replay: bytes) -> int:
        """How far the replay runs along with the tail at best, whether it goes on or not."""
        return max((_common(replay, self._tail[at:]) for at in self._starts(replay)), default=0)


def _common(one: bytes, other: bytes) -> int:
    """The length of what both begin with."""
    size = min(len(one), len(other))
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _acknowledge(socket: Socket) -> None:
    """Acknowledge at once what was received.

    Jupyter servers leave Nagle's algorithm on: the second of two small messages waits there until
    the first is acknowledged, which the system would put off by 40 ms. It forgets this option
    soon, so it is set after every message.
    """
    line = socket.get_extra_info("socket")
    if line is not None and _QUICK_ACK is not None:
        with contextlib.suppress(OSError):  # closed meanwhile
            line.setsockopt(system.IPPROTO_TCP, _QUICK_ACK, 1)
