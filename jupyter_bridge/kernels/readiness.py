"""ReadinessProbe: asking a kernel until it is heard on every channel.

A subscription to iopub takes effect some time after connecting; earlier messages are lost. So
kernel_info is requested repeatedly, until its reply and a message on iopub have come (a status, or
the welcome that newer kernels send to each new subscriber). The request goes to shell, which will
run code, or to control while shell is busy. The upstream must also be complete: an input request is
lost if stdin is not connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio

from jupyter_bridge.aio.news import News
from jupyter_bridge.kernels.client_channel import CONTROL, IOPUB, SHELL, STDIN
from jupyter_bridge.problems import Timeout
from jupyter_bridge.wire import kernel

# The first pause between two requests, and the longest; seconds.
NUDGE_FIRST, NUDGE_LAST = 0.02, 0.5
# A busy kernel that does not answer within this time counts as ready, as at the host; seconds.
BUSY_PATIENCE = 2.0


class ReadinessProbe:
    """One kernel's handshake, at the start and after each restart.

    `send(channel, parts)` sends to the kernel, if connected; `is_complete()` tells whether every
    channel is connected.
    """

    def __init__(
        self,
        session: str,
        send: Callable[[str, list[bytes]], None],
        is_complete: Callable[[], bool],
    ) -> None:
        self._session = session
        self._send = send
        self._is_complete = is_complete
        self._asked: set[str] = set()
        # The channels on which a message came.
        self._heard: set[str] = set()
        self._news = News()
        # The session of the kernel process that answered last, and of a process that is ending.
        self._process = ""
        self._leaving = ""

    def asked(self, msg_id: str) -> bool:
        """Tell whether this is a request of this probe; clients do not see its messages."""
        return msg_id in self._asked

    def on_iopub(self, header: kernel.Header) -> None:
        if not self._leaving or header.session != self._leaving:
            self._hear(IOPUB)

    def on_reply(self, channel: str, header: kernel.Header) -> None:
        if not self._leaving or header.session != self._leaving:
            self._process = header.session
            self._hear(channel)

    def _hear(self, channel: str) -> None:
        if channel not in self._heard:
            self._heard.add(channel)
            self._news.tell()

    def expect_successor(self) -> None:
        """Ignore further messages of the current process, which is ending."""
        # A kernel that answers in its clients' sessions cannot be distinguished from its successor.
        self._leaving = self._process if self._process != self._session else ""

    async def run(self, is_busy: Callable[[], bool], deadline: float) -> None:
        """Return when the kernel is heard; Timeout if not within `deadline` seconds."""
        loop = asyncio.get_running_loop()
        self._heard.clear()
        self._asked.clear()
        start, pause = loop.time(), NUDGE_FIRST
        while True:
            busy = is_busy()
            # Not on control as well: some kernels fail on such a request while they start.
            self._ask(CONTROL if busy else SHELL)
            heard = await self._wait(busy, pause)
            waited = loop.time() - start
            if heard or (busy and waited > BUSY_PATIENCE):
                self._leaving = ""
                return
            if waited > deadline:
                self._leaving = ""
                raise Timeout(
                    f"The kernel did not answer on {self._missing(busy)} within {deadline:g} s."
                )
            pause = min(2 * pause, NUDGE_LAST)

    async def _wait(self, busy: bool, seconds: float) -> bool:
        """Wait up to `seconds`, and tell whether the kernel was heard."""
        with anyio.move_on_after(seconds):
            while self._missing(busy):
                await self._news.next.wait()
        return not self._missing(busy)

    def _missing(self, busy: bool) -> str:
        """Return the first channel on which the kernel was not heard; empty if none."""
        if not self._heard & ({SHELL, CONTROL} if busy else {SHELL}):
            return CONTROL if busy else SHELL
        if IOPUB not in self._heard:
            return IOPUB
        return "" if self._is_complete() else STDIN

    def _ask(self, channel: str) -> None:
        parts = kernel.build_message("kernel_info_request", {}, self._session)
        self._asked.add(kernel.parse_header(parts[0]).msg_id)
        self._send(channel, parts)
