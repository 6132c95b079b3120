"""Relay: one kernel's open line, shared by all its clients.

The kernel's messages come from an Upstream, in order, and go into a ring from which every seat
takes at its own pace. A reply goes to whoever asked (`requests.py`). When a line is opened, and
after a restart, a handshake makes sure that the kernel is heard (`handshake.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary

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


class Watcher(Protocol):
    """Whoever follows one request of its own on iopub, such as an execution."""

    def on_iopub(self, header: kernel.Header, parts: list[bytes]) -> None:
        """A message whose parent is that request."""

    def on_died(self, exit_code: int | None) -> None:
        """The kernel died or restarted; nothing more will come."""


@dataclass(eq=False)
class Client:
    """One client: a session id of one user, or one connection, over however many seats.

    It lives as long as something refers to it: a seat, a request in flight, or a reply in the ring
    that nobody fetched, so that a client who comes back is still the one who asked.
    """

    relay: Relay
    session: str

    def on_reply(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        self.relay.ring.append(channel, header, parts, to=self)


class Relay:
    """One kernel's line. `open` it once, `join` it as a client, `close` it at the end.

    `connect` makes a new, unopened Upstream: at the start, and whenever the kernel has moved.
    `deadline` is how many seconds the kernel may take to answer, at the start and after a restart.
    `is_busy` tells whether the kernel is working, so that it is not expected to answer at once.
    `activity` is told of everything on iopub.
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
        on_seats: Callable[[int], None] = lambda change: None,
        activity: Activity | None = None,
    ) -> None:
        self.kernel_id = kernel_id
        self.session = session
        self.policy = policy
        self.ring = Ring(ring_bytes)
        self.running = CurrentExecution()
        # Frames built in this tick, shared by the seats that stand at the same place.
        self.batches: dict[Any, tuple[int, int, bytes]] = {}
        self.ended: Problem | None = None
        self._line = UpstreamLink(connect, self._on_messages, self._on_lost)
        self._deadline = deadline
        self._is_busy = is_busy
        self._on_seats = on_seats
        self._activity = activity
        self._log = log
        self._clients: WeakValueDictionary[object, Client] = WeakValueDictionary()
        self._seats: set[ClientChannel] = set()
        self._requests = Routing()
        self._watchers: dict[str, Watcher] = {}
        self._handshake = ReadinessProbe(session, self._line.send, self._line.is_complete)
        self._settling: asyncio.Task[None] | None = None
        self._restarting = False
        self._waking = False

    # -- the line ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and wait until the kernel answers and iopub is heard; Timeout if it does not."""
        await self._reconnect()
        self._settle()
        await self.ready()

    async def ready(self) -> None:
        """Wait until the kernel answers (again); raises why it does not."""
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
        """Wait until a start or restart that is under way is over, for so many seconds."""
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
                    done.exception()  # whoever waits in ready() gets it
                    self._restarting = False
                    self._line.release()

        task.add_done_callback(settled)

    def _is_working(self) -> bool:
        # After a restart the host may still think of what was running before.
        return self._is_busy() and not self._restarting

    async def _reconnect(self) -> None:
        await self._line.open()
        if self.ended is not None:
            await self._line.close()
        elif not self._restarting:
            self._line.release()

    async def close(self) -> None:
        """Close the line; seats that are still there are told that the server stops."""
        self.end(Unavailable("The server is stopping."))
        settling, self._settling = self._settling, None
        if settling is not None:
            settling.cancel()
            await asyncio.wait({settling})
        await self._line.close()

    # -- life and death ------------------------------------------------------------------------

    def on_restarting(self, exit_code: int | None = None) -> None:
        """The kernel restarts: whoever waits for an answer of the old one is told so, once."""
        if self._restarting or self.ended is not None:
            return
        self._begin_restart(exit_code)
        self._tell_status("restarting")
        self._settle()

    def _begin_restart(self, exit_code: int | None) -> None:
        self._restarting = True
        self.running.forget()
        self._handshake.expect_successor()
        self._fail_requests(exit_code)

    async def on_restarted(self, *, moved: bool) -> None:
        """A restart told before is done, on other ports if `moved`; returns when it is ready."""
        if moved:
            await self._reconnect()
            self._settle()
        await self.ready()

    def on_dead(self, exit_code: int | None = None) -> None:
        """The kernel is dead and stays so: everything waiting ends, every seat is told why."""
        if self.ended is None:
            self._tell_status("dead")
            self._fail_requests(exit_code)
            self.end(dead(self.kernel_id))

    def _on_lost(self, reason: str) -> None:
        if self.ended is None:
            self._log.warning("Lost the line to kernel %s: %s", self.kernel_id, reason)
            self.on_dead()

    def end(self, problem: Problem) -> None:
        """Nothing more will come on this line; what is held can still be taken."""
        if self.ended is not None:
            return
        self.ended = problem
        self._fail_requests(None)
        for seat in list(self._seats):
            seat.end(problem)

    def _fail_requests(self, exit_code: int | None) -> None:
        self._requests.clear()
        watchers, self._watchers = self._watchers, {}
        for watcher in watchers.values():
            watcher.on_died(exit_code)

    def _tell_status(self, state: str) -> None:
        parts = kernel.build_message("status", {"execution_state": state}, self.session)
        self.ring.append(IOPUB, kernel.parse_header(parts[0]), parts)
        self._wake()

    # -- clients -------------------------------------------------------------------------------

    @property
    def seats(self) -> int:
        return len(self._seats)

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
        """Take a seat with the channels `names`, as the client `key` whose session is `session`.

        With `after`, a message id, everything since that iopub message comes first; what is no
        longer held of it is told as a gap. A client has one seat of a kind: a second one, such as
        the same client coming back before its old connection was found broken, ends the first.
        """
        if self.ended is not None:
            raise self.ended
        client = self._clients.setdefault(key, Client(self, session))
        for other in list(self._seats):
            if other.client is client and other.names == names:
                other.end(Conflict("This session has taken its seat anew.", session_id=session))
                other.close()
        seat = ClientChannel(self, client, names, may_send=may_send, on_ready=on_ready)
        seat.start(after)
        self._seats.add(seat)
        self._on_seats(1)
        return seat

    def leave(self, channel: ClientChannel) -> None:
        """The channel was closed."""
        self._seats.discard(channel)
        self._on_seats(-1)

    # -- to the kernel -------------------------------------------------------------------------

    def send(self, sender: Requester, channel: str, parts: Sequence[bytes]) -> None:
        """Send a client's message on, after the host's policy; raises the Problem if it may not."""
        if self.ended is not None:
            raise self.ended
        try:
            header = kernel.parse_header(parts[0])
        except kernel.FrameError as error:
            raise BadRequest(f"This is no Jupyter message: {error}.") from error
        if not self.policy.allows(header.msg_type):
            self._log.warning("Ignoring a %r message, which is not allowed.", header.msg_type)
            metrics.REFUSED.labels("message-type").inc()
            return
        if channel != STDIN:
            self._requests.register(sender, header)
        elif not self._requests.take_answer(sender, header):
            return  # an answer that came too late: the kernel no longer waits
        sent = list(parts)
        try:
            if self._restarting:
                self._line.hold(channel, sent)
            else:
                self._line.put(channel, sent)
        except Problem:
            self._requests.done(header.msg_id)
            raise
        metrics.MESSAGES.labels(channel, "in").inc()
        metrics.MESSAGE_BYTES.labels(channel, "in").inc(sum(map(len, sent)))

    def watch(self, watcher: Watcher, msg_id: str) -> None:
        """Tell `watcher` what follows from the request `msg_id`, until `unwatch`."""
        self._watchers[msg_id] = watcher

    def unwatch(self, msg_id: str) -> None:
        self._watchers.pop(msg_id, None)

    # -- from the kernel -----------------------------------------------------------------------

    def _on_messages(self, channel: str, messages: list[list[bytes]]) -> None:
        size = 0
        handle = self._on_iopub if channel == IOPUB else self._on_reply
        for parts in messages:
            size += sum(map(len, parts))
            try:
                handle(channel, kernel.parse_header(parts[0]), parts)
            except kernel.FrameError as error:
                self._log.warning("Kernel %s sent no message: %s", self.kernel_id, error)
                metrics.REFUSED.labels("malformed").inc()
        if self._activity is not None:
            self._activity.tell()
        metrics.MESSAGES.labels(channel, "out").inc(len(messages))
        metrics.MESSAGE_BYTES.labels(channel, "out").inc(size)
        self._wake()

    def _on_iopub(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        kind = header.msg_type
        self._handshake.on_iopub(header)
        if self._activity is not None:
            self._activity.note(header, parts)
        if kind == "iopub_welcome":
            return  # a greeting to each new subscriber, ours and other people's
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
            # A gateway tells of its kernels' restarts and deaths this way.
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
            self._log.debug("Nobody asked kernel %s for its %s", self.kernel_id, header.msg_type)
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
            asyncio.get_running_loop().call_soon(self._wake_seats)

    def _wake_seats(self) -> None:
        self._waking = False
        for seat in list(self._seats):
            seat.on_ready()
        self.batches.clear()


def dead(kernel_id: str) -> Gone:
    """What whoever waits for a kernel is told when it is dead and stays so."""
    return Gone(f"Kernel {kernel_id} is dead.", kernel_id=kernel_id)
