"""Execution: one run of code on a kernel, with its outputs, kept until it expires.

An Execution is a requester on the kernel's Relay (it gets the reply and the input requests) and a
watcher (it gets the iopub messages of its request). It ends when both the reply and the status
`idle` have come, in any order, or when the kernel died. It can be read any number of times.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec

from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.kernels.client_channel import IOPUB, SHELL, STDIN
from jupyter_bridge.kernels.executions.event_log import EventLog
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.models.executions import ErrorModel, ExecuteBody, ExecutionModel, InputModel
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Conflict, Denied, Problem
from jupyter_bridge.transport.answers import off_loop
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.large_json import LARGE, LargeJson
from jupyter_bridge.wire.outputs.displays import Displays
from jupyter_bridge.wire.outputs.outputs import MESSAGES, Outputs
from jupyter_bridge.wire.outputs.stream_text import pieces
from jupyter_bridge.wire.times import now

# The longest wait for the end of the code after an interrupt, seconds.
INTERRUPT_GRACE = 5.0
# The longest wait for the second of the reply and `idle` since the last message: `idle` is lost if
# the kernel's own queue overflows, the reply if an interrupt hits the kernel outside of the code.
# With some kernels an aborted request has no `idle`. Seconds.
SECOND_GRACE = 10.0
ABORTED_GRACE = 1.0
# A kernel sends `busy` before it can be interrupted: an earlier interrupt is lost. It is ready
# BEGIN_GRACE after it echoes the code, because IPython's hooks between the echo and the code
# swallow an interrupt. Without an echo (silent code has none) BEGIN_GRACE counts from `busy`, and
# up to INTERRUPTS interrupts are sent, INTERRUPT_PAUSE apart. Seconds.
BEGIN_GRACE = 0.2
INTERRUPT_PAUSE = 1.0
INTERRUPTS = 5
# A larger count is not one: JavaScript cannot hold it.
MAX_COUNT = (1 << 53) - 1
# Escapes in a message's JSON: as many carriage returns or backspaces are written in 5 ms at most.
MANY_ESCAPES = 1000


class Execution:
    """One run of code. `start` it once; then read `model`, iterate `events`, wait for `answered`.

    `interrupt` interrupts the kernel; `on_end` is awaited after the code's end, before the end is
    visible (it shuts down an ephemeral kernel); `displays` are those of all executions of the
    kernel, and `on_resize` is called when another one changed a display of this one.
    """

    def __init__(
        self,
        relay: Relay,
        body: ExecuteBody,
        *,
        interrupt: Callable[[], Awaitable[None]],
        on_end: Callable[[Execution], Awaitable[None]],
        displays: Displays | None = None,
        on_resize: Callable[[Execution], None] = lambda _: None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.kernel_id = relay.kernel_id
        self.body = body
        self.outputs = Outputs(displays=displays, on_resize=lambda: on_resize(self))
        # Set at the end, or at a timeout that leaves the code running.
        self.answered = asyncio.Event()
        self._relay = relay
        self._interrupt = interrupt
        self._on_end = on_end
        self._started = now()
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._seconds: float | None = None
        self._msg_id = uuid.uuid4().hex
        self._status: str | None = None
        self._count: int | None = None
        self._reply: dict[str, Any] = {}
        self._reply_size = 0
        self._exit_code: int | None = None
        self._idle = False
        self._begun_at: float | None = None
        self._echoed = False
        self._interrupt_wanted = False
        self._interrupted = False
        self._timed_out = False
        self._ending = False
        self._request: tuple[InputModel, bytes] | None = None
        self._inputs = deque(body.inputs)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks = TaskSet()
        self._events = EventLog()
        # A message that takes long, and the messages after it.
        self._unread: deque[tuple[str, kernel.Header, list[bytes]]] = deque()
        self._reading: asyncio.Task[None] | None = None

    # -- to the kernel -------------------------------------------------------------------------

    def start(self) -> None:
        """Send the request; Denied if the host does not allow it."""
        body = self.body
        if not self._relay.policy.allows("execute_request"):
            raise Denied("This server does not allow execute_request.")
        content = {
            "code": body.code,
            "silent": body.silent,
            "store_history": body.store_history and not body.silent,
            "user_expressions": body.user_expressions,
            "allow_stdin": bool(body.allow_stdin or body.inputs),
            "stop_on_error": body.stop_on_error,
        }
        parts = kernel.build_message(
            "execute_request", content, self._relay.session, msg_id=self._msg_id
        )
        self._relay.watch(self, self._msg_id)
        try:
            self._relay.send(self, SHELL, parts)
        except Problem:
            self._relay.unwatch(self._msg_id)
            raise
        if body.timeout is not None:
            self._set_timer("timeout", body.timeout, self._on_timeout)

    def send_input(self, value: str) -> None:
        """Answer the waiting input request; Conflict if there is none."""
        if self._request is None:
            raise Conflict("This execution is not waiting for input.", status=self.status)
        if not self._relay.policy.allows("input_reply"):
            raise Denied("This server does not allow input_reply.")
        _, header = self._request
        self._request = None
        content = {"status": "ok", "value": value}
        parts = kernel.build_message("input_reply", content, self._relay.session, header)
        self._relay.send(self, STDIN, parts)

    def cancel(self) -> None:
        """Interrupt the code, or as soon as it runs.

        An interrupt hits the request that the kernel is running, which must not be another one.
        """
        if self._status is not None or self._interrupt_wanted:
            return
        self._interrupt_wanted = True
        if self._begun_at is not None:
            self._tasks.start(self._interrupt_now(self._begun_at))

    async def _interrupt_now(self, begun_at: float) -> None:
        await asyncio.sleep(begun_at + BEGIN_GRACE - time.monotonic())
        if self._is_over():
            self._interrupt_wanted = False
            return  # another request may run now
        self._interrupted = True
        try:
            for _ in range(INTERRUPTS):
                ready = self._echoed
                await self._interrupt()
                if ready:
                    return
                await asyncio.sleep(INTERRUPT_PAUSE)
                if self._is_over():
                    return
        except Problem:
            # A kernel that cannot be interrupted is ending; its death ends the execution.
            return
        finally:
            self._interrupt_wanted = False

    def _is_over(self) -> bool:
        return bool(self._idle or self._reply or self._ending)

    # -- from the kernel -----------------------------------------------------------------------

    def on_iopub(self, header: kernel.Header, parts: list[bytes]) -> None:
        self._read(IOPUB, header, parts)

    def on_reply(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        self._read(channel, header, parts)

    def _read(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        """Handle a message now, or in its turn if it or an earlier one takes long."""
        if self._unread or _takes_long(parts[3]):
            self._unread.append((channel, header, parts))
            if len(self._unread) == 1:
                self._reading = self._tasks.start(self._read_long())
        else:
            self._on_message(channel, header, parts, kernel.read_content(parts[3]))

    async def _read_long(self) -> None:
        pauses = Pauses()
        while self._unread:
            await pauses()
            channel, header, parts = self._unread[0]
            content = await off_loop(kernel.read_content, parts[3])
            text = content.get("text") if header.msg_type == "stream" and content else None
            if content and ((isinstance(text, LargeJson) and text.is_text) or type(text) is str):
                await self._write(content, text, pauses)
            else:
                self._on_message(channel, header, parts, content)
            self._unread.popleft()

    async def _write(self, content: dict[str, Any], text: LargeJson | str, pauses: Pauses) -> None:
        """Add a long stream text in pieces, as one event."""
        change = None
        for part in text.texts() if isinstance(text, LargeJson) else (text,):
            for piece in pieces(part):
                if self._ending:
                    return
                change = self.outputs.apply("stream", {**content, "text": piece})
                await pauses()
        if change is not None:
            self._events.add(change.event, {**change.data, "text": text}, len(text))

    def _on_message(
        self,
        channel: str,
        header: kernel.Header,
        parts: list[bytes],
        content: dict[str, Any] | None,
    ) -> None:
        kind = header.msg_type
        if content is None and kind in MESSAGES:
            kind = "stream"
            content = {"name": "stderr", "text": _unreadable(header, parts)}
        content = content or {}
        if channel == STDIN:
            self._on_input_request(content, parts[0])
        elif channel != IOPUB:
            self._on_answer(content, len(parts[3]))
        elif not self._ending:
            self._on_output(kind, content, len(parts[3]))

    def _on_output(self, kind: str, content: dict[str, Any], size: int) -> None:
        if kind in MESSAGES:
            change = self.outputs.apply(kind, content)
            if kind == "execute_result":
                self._note_count(content)
            if change is not None:
                self._events.add(change.event, change.data, size)
        elif kind == "execute_input":
            self._echoed = True
            self._begin()
            self._note_count(content)
        elif kind == "status":
            self._on_status(content.get("execution_state"))
        if self._reply or self._idle:
            self._end_if_complete()

    def _on_status(self, state: object) -> None:
        self._events.add("status", {"execution_state": state}, 0)
        if state == "busy":
            self._set_timer("begin", BEGIN_GRACE, self._begin)
        elif state == "idle":
            self._idle = True

    def _begin(self) -> None:
        """Note that the code runs and can be interrupted."""
        if self._begun_at is None:
            self._begun_at = time.monotonic()
            if self._interrupt_wanted:
                self._tasks.start(self._interrupt_now(self._begun_at))

    def _on_answer(self, content: dict[str, Any], size: int) -> None:
        self._reply = content or {
            "status": "error",
            "ename": "UnreadableReply",
            "evalue": "The kernel's reply is not JSON.",
        }
        self._reply_size = size
        self._request = None
        self._note_count(self._reply)
        self._end_if_complete()

    def _note_count(self, content: dict[str, Any]) -> None:
        count = content.get("execution_count")
        if type(count) is int and 0 <= count <= MAX_COUNT:
            self._count = count

    def _on_input_request(self, content: dict[str, Any], header: bytes) -> None:
        request = InputModel(str(content.get("prompt", "")), bool(content.get("password", False)))
        self._request = (request, header)
        if self._inputs:
            self.send_input(self._inputs.popleft())
        elif self.body.allow_stdin:
            self._events.add("input_request", msgspec.to_builtins(request), 0)
        else:
            self.cancel()  # there will be no answer

    def _end_if_complete(self) -> None:
        """End if both the reply and `idle` have come; else set a timer for the second."""
        if self._idle and self._reply:
            self._end(self._outcome())
        else:
            aborted = self._interrupted if self._idle else self._reply.get("status") == "aborted"
            grace = ABORTED_GRACE if aborted else SECOND_GRACE
            self._set_timer("second", grace, self._end_without_second)

    def _end_without_second(self) -> None:
        if not self._reply:
            self._reply = {
                "status": "error",
                "ename": "KeyboardInterrupt" if self._interrupted else "NoReply",
                "evalue": "The kernel went idle without a reply.",
            }
        self._end(self._outcome())

    def _outcome(self) -> str:
        if self._timed_out and self.body.on_timeout == "interrupt":
            return "timeout"
        status = self._reply.get("status")
        return status if status in ("ok", "error", "aborted") else "error"

    def on_died(self, exit_code: int | None) -> None:
        self._exit_code = exit_code
        if self._unread and self._reading is not None:
            self._reading.add_done_callback(lambda _: self._end("died"))
        else:
            self._end("died")

    def _on_timeout(self) -> None:
        self._timed_out = True
        if self.body.on_timeout == "leave":
            self._events.add("done", self.model(), 0)
            self.answered.set()
        else:
            self.cancel()
            self._set_timer("grace", INTERRUPT_GRACE, lambda: self._end("timeout"))

    # -- the end -------------------------------------------------------------------------------

    def _end(self, status: str) -> None:
        if self._ending:
            return
        self._ending = True
        self._seconds = self._loop.time() - self._start
        self._relay.unwatch(self._msg_id)
        for timer in self._timers.values():
            timer.cancel()
        self._tasks.start(self._finish(status))

    async def _finish(self, status: str) -> None:
        try:
            await self._on_end(self)
        finally:
            self._status = status
            self._request = None
            self._inputs.clear()
            self.body = self.body.emptied()
            metrics.EXECUTION_SECONDS.labels(status).observe(self._seconds or 0)
            try:
                self._events.end(self.model())
            finally:
                self.answered.set()

    async def close(self) -> None:
        """Discard the execution; its code continues on the kernel."""
        self._relay.unwatch(self._msg_id)
        for timer in self._timers.values():
            timer.cancel()
        await self._tasks.stop()

    def release(self) -> None:
        """Let go of the result: until the next collection, others may refer to the execution."""
        self.outputs.close()
        self._events.clear()
        self._reply = {}

    def _set_timer(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._loop.call_later(seconds, call)

    # -- reading -------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        if self._status is not None:
            return self._status
        return "timeout" if self._timed_out and self.answered.is_set() else "running"

    @property
    def size(self) -> int:
        """Bytes held: outputs, events and the reply."""
        return self.outputs.size + self._events.size + self._reply_size

    def model(self) -> ExecutionModel:
        """Return the current state."""
        timed_out = self._timed_out and self.body.on_timeout == "leave" and not self._ending
        seconds = self._seconds if self._seconds is not None else self._loop.time() - self._start
        reply = self._reply
        error = None
        if reply and reply.get("status") not in ("ok", "aborted"):
            error = ErrorModel(
                _text(reply.get("ename", "")),
                _text(reply.get("evalue", "")),
                _lines(reply.get("traceback") or []),
            )
        return ExecutionModel(
            execution=self.id,
            kernel=self.kernel_id,
            status="timeout" if timed_out else self.status,
            execution_count=self._count,
            outputs=self.outputs.outputs,
            user_expressions=_object(reply.get("user_expressions")),
            started=self._started,
            seconds=round(seconds, 6),
            error=error,
            exit_code=self._exit_code,
            input_request=self._request[0] if self._request and self.body.allow_stdin else None,
            truncated=self.outputs.truncated,
        )

    def events(self, after: int = 0) -> AsyncGenerator[tuple[int, str, Any], None]:
        """Return the events after `after` as (id, name, data), up to `done`."""
        return self._events.after(after)


def _takes_long(content: bytes) -> bool:
    """Tell whether it takes long to decode the content, or to write the controls in its text."""
    return len(content) > LARGE or content.count(b"\\") > MANY_ESCAPES


def _unreadable(header: kernel.Header, parts: list[bytes]) -> str:
    kind = header.msg_type
    return f"[A message {kind} of {len(parts[3])} bytes is not JSON, or is nested too deep.]\n"


def _text(value: Any) -> Any:
    return value if isinstance(value, LargeJson) else str(value)


def _object(value: Any) -> Any:
    return value if isinstance(value, LargeJson | dict) else {}


def _lines(lines: Any) -> Any:
    if isinstance(lines, LargeJson):
        return lines
    return [_text(line) for line in (lines if isinstance(lines, list) else [lines])]
