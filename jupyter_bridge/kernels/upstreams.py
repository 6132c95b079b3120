"""The upstream to a kernel whose ports can be reached: its ZMQ sockets."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.client_channel import STDIN
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Busy
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.large_json import LARGE

# Messages, and bytes, read from one socket before the loop gets its turn: 64 small messages take
# about 5 ms if an execution, a console and websockets read them. The host reads the same iopub, one
# message a turn; reading large messages faster here would let them pile up there: a burst of 300 MB
# made the server's memory grow by 200 to 450 MB.
_DRAIN = 64
_DRAIN_BYTES = 512 << 10
# Frames of a message with too many that are discarded before the loop gets its turn: a few ms.
_DISCARD = 2000
# The most that waits for a kernel that does not read: messages on each channel, and bytes of those
# that are not small (small ones: 16 MB at most).
MAX_WAITING, MAX_WAITING_BYTES = 1000, 64 << 20
_SMALL = 16 << 10
# Do not wait for unsent messages when closing; milliseconds.
_LINGER = 0

OnMessages = Callable[[str, list[list[bytes]]], None]
OnLost = Callable[[str], None]


class ZmqUpstream(Upstream):
    """One set of ZMQ sockets to a kernel whose ports can be reached.

    `manager` is a jupyter_client KernelManager, used only for the kernel's address. The sockets
    have their own identity: `manager.client()` would share the manager's session id, and a kernel
    answers only the newest of two sockets with one identity.
    """

    def __init__(self, manager: Any, log: logging.Logger) -> None:
        self._manager = manager
        self._log = log
        self._refused = Changes(log)
        self._signer = kernel.Signer(
            manager.session.key, manager.session.signature_scheme or "hmac-sha256"
        )
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        # The channels to read again in the loop's next turn.
        self._due: set[str] = set()
        # The channels on which the rest of a message with too many frames is discarded.
        self._discarding: set[str] = set()
        # Large messages that may still be in this process: ZMQ's tracker, and the bytes.
        self._waiting: list[tuple[zmq.MessageTracker, int]] = []
        # A thread verifies a large message; reading waits for it, to keep the order.
        self._verifying: asyncio.Task[None] | None = None
        self._on_messages: OnMessages = lambda channel, messages: None

    async def open(self, on_messages: OnMessages, on_lost: OnLost) -> None:
        self._on_messages = on_messages
        self._loop = asyncio.get_running_loop()
        # The manager's context may be zmq.asyncio's; plain sockets are needed here.
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.shadow(
            self._manager.context.underlying
        )
        # An input_request comes on stdin to the identity that sent the request on shell.
        identity = uuid.uuid4().hex.encode()
        for channel, kind in (
            ("iopub", zmq.SUB),
            ("stdin", zmq.DEALER),
            ("control", zmq.DEALER),
            ("shell", zmq.DEALER),
        ):
            socket = context.socket(kind)
            socket.linger = _LINGER
            # No limit in messages: the ring limits the bytes.
            socket.rcvhwm = 0
            socket.sndhwm = MAX_WAITING
            if kind == zmq.SUB:
                socket.subscribe(b"")
            else:
                socket.identity = identity
                # Writable only once connected: see `is_complete`.
                socket.immediate = channel == STDIN
            if getattr(self._manager, "curve_publickey", None) is not None:
                socket.curve_secretkey = self._manager.curve_secretkey
                socket.curve_publickey = self._manager.curve_publickey
                socket.curve_serverkey = self._manager.curve_publickey
            socket.connect(self._manager._make_url(channel))
            self._sockets[channel] = socket
            self._loop.add_reader(_fd(socket), self._drain_once, channel)

    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        socket = self._sockets.get(channel)
        if socket is None or self._loop is None:
            return
        frames: list[Any] = self._signer.to_zmq(parts)
        size = sum(map(len, parts))
        if size > _SMALL:
            self._make_room(size)
            # The largest part is not copied, so that ZMQ can track it.
            largest = max(range(len(frames)), key=lambda index: len(frames[index]))
            frames[largest] = zmq.Frame(frames[largest], copy=False, track=True, copy_threshold=0)
        try:
            socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            if channel != STDIN:
                raise busy() from None
            self._log.warning("Lost a message on %s: the kernel is not connected.", channel)
        else:
            if size > _SMALL:
                self._waiting.append((frames[largest].tracker, size))
        # ZMQ signals new messages edge-triggered, and sending may have consumed the signal.
        self._drain_soon(channel)

    def _make_room(self, size: int) -> None:
        """Raise Busy if `size` more bytes may not wait for the kernel."""
        self._waiting = [one for one in self._waiting if not one[0].done]
        waiting = sum(size for _, size in self._waiting)
        if waiting and waiting + size > MAX_WAITING_BYTES:
            raise busy()

    def is_complete(self) -> bool:
        """Tell whether stdin is connected; the handshake checks the other channels."""
        socket = self._sockets.get(STDIN)
        if socket is None:
            return False
        self._drain_soon(STDIN)  # reading EVENTS may have consumed the signal, too
        return bool(int(socket.get(zmq.EVENTS)) & zmq.POLLOUT)

    def _drain_soon(self, channel: str) -> None:
        if self._loop is not None and channel not in self._due:
            self._due.add(channel)
            self._loop.call_soon(self._drain_due, channel)

    def _drain_due(self, channel: str) -> None:
        self._due.discard(channel)
        self._drain(channel)

    def _drain_once(self, channel: str) -> None:
        if channel not in self._due:  # else it is scheduled already
            self._drain(channel)

    def _drain(self, channel: str) -> None:
        if channel == "shell":
            # Output printed before the reply was sent goes first.
            self._drain("iopub")
            if "iopub" in self._discarding:
                self._drain_soon(channel)
                return
        socket = self._sockets.get(channel)
        if socket is None or self._verifying is not None:
            return
        if channel in self._discarding:
            self._drain_soon(channel)
            if not _discard(socket):
                return
            self._discarding.discard(channel)
        messages: list[list[bytes]] = []
        size = 0
        for _ in range(_DRAIN):
            if size >= _DRAIN_BYTES:
                self._drain_soon(channel)
                break
            try:
                frames, whole = _receive(socket)
            except zmq.Again:
                break
            if not whole:
                self._refuse(channel, f"it has more than {kernel.MAX_PARTS} frames")
                self._discarding.add(channel)
                self._drain_soon(channel)
                break
            more = sum(map(len, frames))
            if more > LARGE:
                self._verifying = asyncio.create_task(self._verify_large(channel, frames))
                break
            self._verify(channel, frames, messages)
            size += more
        else:
            self._drain_soon(channel)
        if messages:
            self._on_messages(channel, messages)

    def _verify(self, channel: str, frames: list[bytes], messages: list[list[bytes]]) -> None:
        try:
            messages.append(self._signer.from_zmq(frames))
        except kernel.FrameError as error:
            self._refuse(channel, str(error))

    def _refuse(self, channel: str, reason: str) -> None:
        self._refused.warning("Refused a message on %s: %s", channel, reason)
        metrics.REFUSED.labels("signature").inc()

    async def _verify_large(self, channel: str, frames: list[bytes]) -> None:
        messages: list[list[bytes]] = []
        await asyncio.to_thread(self._verify, channel, frames, messages)
        self._verifying = None
        for waiting in self._sockets:
            self._drain_soon(waiting)
        if messages and self._sockets:
            self._on_messages(channel, messages)

    async def close(self) -> None:
        verifying, self._verifying = self._verifying, None
        if verifying is not None:
            verifying.cancel()
            await asyncio.wait({verifying})
        sockets, self._sockets = self._sockets, {}
        for socket in sockets.values():
            assert self._loop is not None
            self._loop.remove_reader(_fd(socket))
            socket.close()


def busy() -> Busy:
    """Return the Problem of a kernel that does not read its messages."""
    return Busy("The kernel does not read its messages. Interrupt or restart it, or try later.")


def _receive(socket: zmq.Socket[bytes]) -> tuple[list[bytes], bool]:
    """Return the frames of the next message, large ones as views, and whether these are all.

    `_discard` takes those beyond MAX_PARTS. Raises zmq.Again if there is no message.

    Like `recv_multipart`, but `frame.more` tells whether more follow: asking the socket takes
    longer than receiving a frame.
    """
    receive = socket.recv
    frame = receive(zmq.NOBLOCK, copy=False)
    frames = [_bytes(frame)]
    while frame.more and len(frames) <= kernel.MAX_PARTS:
        frame = receive(zmq.NOBLOCK, copy=False)
        frames.append(_bytes(frame))
    return frames, not frame.more


def _discard(socket: zmq.Socket[bytes]) -> bool:
    """Discard up to _DISCARD frames of the current message; tell whether it ended."""
    return not all(socket.recv(zmq.NOBLOCK, copy=False).more for _ in range(_DISCARD))


def _bytes(frame: zmq.Frame) -> bytes:
    return frame.bytes if len(frame) <= LARGE else frame.buffer


def _fd(socket: zmq.Socket[bytes]) -> int:
    return int(socket.get(zmq.FD))
