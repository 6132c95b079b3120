"""Relay: one kernel's upstream, shared by all its clients.

The kernel's messages come from an Upstream, in order, and go into a ring, from which every client
channel reads at its own pace. A reply goes to its requester (`routing.py`). At the start and after
a restart, a handshake ensures that the kernel is heard (`readiness.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.activity import Activity
from jupyter_bridge.kernels.client_channel import IOPUB, STDIN, ClientChannel
from jupyter_bridge.kernels.policy import KernelPolicy
from jupyter_bridge.kernels.readiness import ReadinessProbe
from jupyter_bridge.kernels.ring import Ring
from jupyter_bridge.kernels.routing import CurrentExecution, Requester, Routing
from jupyter_bridge.kernels.upstream_link import UpstreamLink
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import BadRequest, Conflict, Gone, Problem, Unavailable
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.json_errors import JSON_ERRORS


class Watcher(Protocol):
    """A follower of one request on iopub, such as an execution."""

    def on_iopub(self, header: kernel.Header, parts: list[bytes]) -> None:
        """Receive a message whose parent is the request."""

    def on_died(self, exit_code: int | None) -> None:
        """The kernel died or restarted; no more messages will come."""


@dataclass(eq=False)
class Client:
    """A client: a session id of one user, or one connection, with any number of channels.

    A client lives while a channel, a request in flight or a reply in the ring refers to it, so that
    a client that reconnects still gets its replies.
    """

    relay: Relay
    session: str

    def on_reply(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        self.relay.ring.append(channel, header, parts, to=self)


class Relay:
    """One kernel's relay. `open` it once, `join` it as a client, `close` it at the end.

    `connect` makes a new, unopened Upstream: at the start, and when the kernel has moved.
    `deadline` is the longest time until the kernel answers after a start or restart, in seconds.
    `is_busy` tells whether the kernel runs code, so that it may not answer at once. `on_channels`
    gets each change of the number of channels and watchers. `activity` gets every iopub message.
    """

    def __init__(
        self,
        kernel_id: str,
        connect: Callable[[], Upstream],
        *,
        session: str,
        policy: KernelPolicy,
        ring_bytes: int,
        deadline: float,
        log: logging.Logger,
        is_busy: Callable[[], bool] = lambda: False,
        on_channels: Callable[[int], None] = lambda change: None,
        activity: Activity | None = None,
    ) -> None:
        self.kernel_id = kernel_id
        self.session = session
        self.policy = policy
        self.ring = Ring(ring_bytes)
        self.running = CurrentExecution()
        # Frames built in this tick, shared by the channels at the same position.
        self.batches: dict[Any, tuple[int, int, bytes]] = {}
        self.ended: Problem | None = None
        self._link = UpstreamLink(connect, self._on_messages, self._on_lost)
        self._deadline = deadline
        self._is_busy = is_busy
        self._on_channels = on_channels
        self._activity = activity
        self._log = log
        self._unread = Changes(log)
        self._clients: WeakValueDictionary[object, Client] = WeakValueDictionary()
        self._channels: set[ClientChannel] = set()
        self._requests = Routing()
        self._watchers: dict[str, Watcher] = {}
        self._handshake = ReadinessProbe(session, self._link.send, self._link.is_complete)
        self._settling: asyncio.Task[None] | None = None
        self._restarting = False
        self._waking = False

    # -- the upstream --------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and wait until the kernel answers and iopub is heard; Timeout if it does not."""
        await self._reconnect()
        self._settle()
        await self.ready()

    async def ready(self) -> None:
        """Wait until the kernel is ready; raise the Problem if it does not get ready."""
        while (settling := self._settling) is not None:
            await asyncio.wait({settling})
            if not settling.cancelled() and (error := settling.exception()) is not None:
                raise error
        if self.ended is not None:
            raise self.ended

    @property
    def is_settling(self) -> bool:
        """Whether a start or restart is under way."""
        return self._settling is not None

    async def settled(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until no start or restart is under way."""
        if self._settling is not None:
            await asyncio.wait({self._settling}, timeout=timeout)

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        task = self._settling = asyncio.create_task(
            self._handshake.run(self._is_working, self._deadline)
        )

        def settled(done: asyncio.Task[None]) -> None:
            if self._settling is task:
                self._settling = None
                if not done.cancelled():
                    done.exception()  # ready() raises it
                    self._restarting = False
                    self._link.release()

        task.add_done_callback(settled)

    def _is_working(self) -> bool:
        # After a restart the host may still have the state from before.
        return self._is_busy() and not self._restarting

    async def _reconnect(self) -> None:
        await self._link.open()
        if self.ended is not None:
            await self._link.close()
        elif not self._restarting:
            self._link.release()

    async def close(self) -> None:
        """Close the upstream; open channels end because the server stops."""
        self.end(Unavailable("The server is stopping."))
        settling, self._settling = self._settling, None
        if settling is not None:
            settling.cancel()
            await asyncio.wait({settling})
        await self._link.close()

    # -- restart and death ---------------------------------------------------------------------

    def on_restarting(self, exit_code: int | None = None) -> None:
        """Fail the requests in flight because the kernel restarts; twice is fine."""
        if self._restarting or self.ended is not None:
            return
        self._begin_restart(exit_code)
        self._send_status("restarting")
        self._settle()

    def _begin_restart(self, exit_code: int | None) -> None:
        self._restarting = True
        self.running.forget()
        self._handshake.expect_successor()
        self._fail_requests(exit_code)

    async def on_restarted(self, *, moved: bool) -> None:
        """Wait until the kernel is ready after its restart, on other ports if `moved`."""
        if moved:
            await self._reconnect()
            self._settle()
        await self.ready()

    def on_dead(self, exit_code: int | None = None) -> None:
        """End all requests and channels because the kernel is dead for good."""
        if self.ended is None:
            self._send_status("dead")
            self._fail_requests(exit_code)
            self.end(dead(self.kernel_id))

    def _on_lost(self, reason: str) -> None:
        if self.ended is None:
            self._log.warning("Lost the connection to kernel %s: %s", self.kernel_id, reason)
            self.on_dead()

    def end(self, problem: Problem) -> None:
        """End with `problem`; messages in the ring can still be taken."""
        if self.ended is not None:
            return
        self.ended = problem
        self._fail_requests(None)
        for channel in list(self._channels):
            channel.end(problem)

    def _fail_requests(self, exit_code: int | None) -> None:
        self._requests.clear()
        watchers, self._watchers = self._watchers, {}
        for watcher in watchers.values():
            self._on_channels(-1)
            watcher.on_died(exit_code)

    def _send_status(self, state: str) -> None:
        parts = kernel.build_message("status", {"execution_state": state}, self.session)
        self.ring.append(IOPUB, kernel.parse_header(parts[0]), parts)
        self._wake()

    # -- clients -------------------------------------------------------------------------------

    @property
    def channel_count(self) -> int:
        return len(self._channels)

    def join(
        self,
        key: object,
        session: str,
        names: frozenset[str],
        *,
        after: str | None = None,
        may_send: bool = True,
        on_ready: Callable[[], None] = lambda: None,
    ) -> ClientChannel:
        """Return a new channel for `names`, of the client `key` with the session id `session`.

        With `after`, a message id, the messages since that iopub message come first; discarded
        messages are reported as a gap. A client has one channel for the same `names`: a second one,
        for example when a client reconnects, ends the first.
        """
        if self.ended is not None:
            raise self.ended
        client = self._clients.setdefault(key, Client(self, session))
        for other in list(self._channels):
            if other.client is client and other.names == names:
                other.end(Conflict("This session has connected again.", session_id=session))
                other.close()
        channel = ClientChannel(self, client, names, may_send=may_send, on_ready=on_ready)
        channel.start(after)
        self._channels.add(channel)
        self._on_channels(1)
        return channel

    def leave(self, channel: ClientChannel) -> None:
        """Remove a closed channel."""
        self._channels.discard(channel)
        self._on_channels(-1)

    # -- to the kernel -------------------------------------------------------------------------

    def send(self, sender: Requester, channel: str, parts: Sequence[bytes]) -> None:
        """Send a client's message to the kernel if the host's policy allows it."""
        if self.ended is not None:
            raise self.ended
        try:
            header = kernel.parse_header(parts[0])
        except kernel.FrameError as error:
            raise BadRequest(f"This is not a Jupyter message: {error}.") from error
        if not self.policy.allows(header.msg_type):
            self._log.warning("Ignoring a %r message, which is not allowed.", header.msg_type)
            metrics.REFUSED.labels("message-type").inc()
            return
        if channel != STDIN:
            self._requests.register(sender, header)
        elif not self._requests.take_answer(sender, header):
            return  # too late: the kernel no longer waits
        sent = list(parts)
        try:
            if self._restarting:
                self._link.hold(channel, sent)
            else:
                self._link.put(channel, sent)
        except Problem:
            self._requests.done(header.msg_id)
            raise
        metrics.MESSAGES.labels(channel, "in").inc()
        metrics.MESSAGE_BYTES.labels(channel, "in").inc(sum(map(len, sent)))

    def watch(self, watcher: Watcher, msg_id: str) -> None:
        """Pass the iopub messages of a request to `watcher`, a client until `unwatch`."""
        self._watchers[msg_id] = watcher
        self._on_channels(1)

    def unwatch(self, msg_id: str) -> None:
        if self._watchers.pop(msg_id, None) is not None:
            self._on_channels(-1)

    # -- from the kernel -----------------------------------------------------------------------

    def _on_messages(self, channel: str, messages: list[list[bytes]]) -> None:
        size = 0
        handle = self._on_iopub if channel == IOPUB else self._on_reply
        kernel_id = self.kernel_id
        for parts in messages:
            size += sum(map(len, parts))
            try:
                handle(channel, kernel.parse_header(parts[0]), parts)
            except (kernel.FrameError, *JSON_ERRORS) as error:
                self._unread.warning("Kernel %s sent a malformed message: %s", kernel_id, error)
                metrics.REFUSED.labels("malformed").inc()
        if self._activity is not None:
            self._activity.report()
        metrics.MESSAGES.labels(channel, "out").inc(len(messages))
        metrics.MESSAGE_BYTES.labels(channel, "out").inc(size)
        self._wake()

    def _on_iopub(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        kind = header.msg_type
        self._handshake.on_iopub(header)
        if self._activity is not None:
            self._activity.note(header, parts)
        if kind == "iopub_welcome":
            return  # sent for each new subscriber
        if kind == "error":
            self.policy.hide_errors(parts)
        elif kind == "execute_input":
            self.running.begin(parts)
        parent = ""
        if self._watchers or kind == "status":
            parent = kernel.parse_header(parts[1]).msg_id
            if self._handshake.asked(parent):
                return
        self.ring.append(IOPUB, header, parts)
        watcher = self._watchers.get(parent)
        if watcher is not None:
            watcher.on_iopub(header, parts)
        if kind == "shutdown_reply" and kernel.parse_content(parts).get("restart"):
            self.on_restarting()
        elif kind == "status" and not self._restarting:
            # A gateway reports its kernels' restarts and deaths this way.
            state = kernel.parse_content(parts).get("execution_state")
            if state == "idle":
                self.running.end(parent)
            elif state == "restarting":
                self._begin_restart(None)
                self._settle()
            elif state == "dead":
                self.end(dead(self.kernel_id))

    def _on_reply(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        parent = kernel.parse_header(parts[1])
        if self._handshake.asked(parent.msg_id):
            self._handshake.on_reply(channel, header)
            return
        requester = self._requests.find(parent.msg_id) or self._by_session(parent.session)
        if requester is None:
            self._log.debug("Kernel %s sent an unrequested %s", self.kernel_id, header.msg_type)
            metrics.REFUSED.labels("unrouted").inc()
            return
        if channel == STDIN:
            self._requests.ask(parent.msg_id, requester)
        else:
            self._requests.done(parent.msg_id)
            self.policy.hide_errors(parts)
        requester.on_reply(channel, header, parts)

    def _by_session(self, session: str) -> Client | None:
        for client in self._clients.values():
            if session and client.session == session:
                return client
        return None

    def _wake(self) -> None:
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake_channels)

    def _wake_channels(self) -> None:
        self._waking = False
        for channel in list(self._channels):
            channel.on_ready()
        self.batches.clear()


def dead(kernel_id: str) -> Gone:
    """Return the Problem of a kernel that is dead for good."""
    return Gone(f"Kernel {kernel_id} is dead.", kernel_id=kernel_id)
