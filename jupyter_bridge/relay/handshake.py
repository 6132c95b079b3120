"""Handshake: asking a kernel until it is heard on every channel.

A subscription to iopub takes effect some time after connecting; until then what the kernel says is
lost. So kernel_info is requested, again and again, until its reply and something on iopub have come
(its status messages, or the welcome that newer kernels send to every new subscriber).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_bridge.problems import Timeout
from jupyter_bridge.relay.channels import CONTROL, SHELL
from jupyter_bridge.wire import kernel

# The first wait between two questions, and the longest; seconds.
NUDGE_FIRST, NUDGE_LAST = 0.02, 0.5
# A busy kernel that answers nothing within this time is taken as it is, as the host does; seconds.
BUSY_PATIENCE = 2.0


class Handshake:
    """One kernel's handshake, as often as it needs one: at the start and after each restart.

    `send(channel, parts)` reaches the kernel, if anything does.
    """

    def __init__(self, session: str, send: Callable[[str, list[bytes]], None]) -> None:
        self._session = session
        self._send = send
        self._asked: set[str] = set()
        self._iopub = asyncio.Event()
        self._reply = asyncio.Event()
        # The session of the kernel process that answered last, and of one that is on its way out.
        self._process = ""
        self._leaving = ""

    def asked(self, msg_id: str) -> bool:
        """Whether this is one of our own questions; nobody else needs to see what follows."""
        return msg_id in self._asked

    def on_iopub(self, header: kernel.Header) -> None:
        if not self._leaving or header.session != self._leaving:
            self._iopub.set()

    def on_reply(self, header: kernel.Header) -> None:
        if not self._leaving or header.session != self._leaving:
            self._process = header.session
            self._reply.set()

    def expect_successor(self) -> None:
        """The process that answers now is on its way out: what it still says does not count."""
        # A kernel that answers in its clients' sessions cannot be told from its successor.
        self._leaving = self._process if self._process != self._session else ""

    async def run(self, is_busy: Callable[[], bool], deadline: float) -> None:
        """Return when the kernel is heard; Timeout when it is not within `deadline` seconds."""
        loop = asyncio.get_running_loop()
        self._iopub.clear()
        self._reply.clear()
        self._asked.clear()
        start, pause = loop.time(), NUDGE_FIRST
        heard = asyncio.create_task(self._heard())
        try:
            while True:
                busy = is_busy()
                for channel in (CONTROL,) if busy else (CONTROL, SHELL):
                    self._ask(channel)
                await asyncio.wait({heard}, timeout=pause)
                waited = loop.time() - start
                if heard.done() or (busy and waited > BUSY_PATIENCE):
                    self._leaving = ""
                    return
                if waited > deadline:
                    self._leaving = ""
                    raise Timeout(f"The kernel did not answer within {deadline:g} s.")
                pause = min(2 * pause, NUDGE_LAST)
        finally:
            heard.cancel()
            await asyncio.wait({heard})

    async def _heard(self) -> None:
        await self._iopub.wait()
        await self._reply.wait()

    def _ask(self, channel: str) -> None:
        parts = kernel.build_message("kernel_info_request", {}, self._session)
        self._asked.add(kernel.parse_header(parts[0]).msg_id)
        self._send(channel, parts)
