"""StateEvents: an event for every change of a host kernel's execution state.

The state is a trait of each kernel's manager, set by the host's own reading or by a relay's
Activity, and observed here. New and gone kernels are found by the host's event, and by a check of
its list once a second, because some changes have no event.

At the host a kernel is "starting" until its first message. Some kernels send nothing until asked,
and the first message of others is lost before the host listens: after SILENCE they are asked.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.aio.throttle import Throttle
from jupyter_bridge.kernels.host.host_events import HostEvents
from jupyter_bridge.kernels.host.manager import HostKernels
from jupyter_bridge.problems import NotFound
from jupyter_bridge.wire.times import now

# The most events per second and kernel: a person sees no faster change of a list.
TELL_HZ = 4.0
# The period of the check of the host's list of kernels, seconds.
LOOK_PERIOD = 1.0
# The longest time that a kernel may be "starting" before it is asked, seconds.
SILENCE = 5.0
# The host reports a new kernel before it is in the list; the pauses before each check, seconds.
SOON = (0.0, 0.05, 0.2)


@dataclass(eq=False)
class _Watched:
    """An observed kernel; `since` is when it became busy, None while it is not.

    `restarts` is true until the restart is over: the host's trait may be the same before and after.
    `silent` is the begin of its start in the loop's time; None if it does not start, or was asked.
    """

    manager: Any
    observer: Callable[[Any], None]
    unwatch: Callable[[], None]
    since: datetime.datetime | None = None
    restarts: bool = False
    silent: float | None = None


class StateEvents:
    """Calls `tell(kernel_id, state)` with an execution state, `clients` or `gone`.

    `is_settled(kernel_id)` tells whether a restart is over, as far as known; `ask` makes a kernel
    send a message.
    """

    def __init__(
        self,
        kernels: HostKernels,
        emit: Callable[[str, str], None],
        *,
        is_settled: Callable[[str], bool] = lambda kernel_id: True,
        ask: Callable[[str], Awaitable[None]] | None = None,
        event_logger: Any = None,
        log: logging.Logger,
    ) -> None:
        self._kernels = kernels
        self._is_settled = is_settled
        self._ask = ask
        self._throttle = Throttle(emit, 1 / TELL_HZ)
        self._actions = HostEvents(event_logger, self._on_action)
        self._log = log
        self._watched: dict[str, _Watched] = {}
        self._looking: asyncio.Task[None] | None = None
        self._requests = TaskSet()

    def start(self) -> None:
        """Start observing, on the event loop; twice is fine."""
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look_again())
            self._actions.start()

    async def close(self) -> None:
        """Stop observing; twice is fine."""
        looking, self._looking = self._looking, None
        if looking is not None:
            self._actions.stop()
            looking.cancel()
            await asyncio.wait({looking})
        await self._requests.stop()
        for kernel_id in list(self._watched):
            self._leave(kernel_id)
        self._throttle.close()

    def busy_since(self, kernel_id: str) -> datetime.datetime | None:
        """Return when the kernel became busy; None if it is not busy, or unknown."""
        watched = self._watched.get(kernel_id)
        return watched.since if watched is not None else None

    def on_clients(self, kernel_id: str) -> None:
        """Report that the number of the kernel's clients has changed."""
        if kernel_id in self._watched:
            self._throttle.note(kernel_id, "clients", "clients")

    def on_restarting(self, kernel_id: str) -> None:
        """Report a restart, which the host's trait does not show."""
        watched = self._watched.get(kernel_id)
        if watched is not None:
            watched.since = None
            watched.restarts = True
            self._throttle.note(kernel_id, "restarting", "state")

    def look(self) -> None:
        """Observe new kernels; report kernels that are gone, or back after a restart."""
        present = self._kernels.manager.list_kernel_ids()
        for kernel_id in [*self._watched]:
            if kernel_id not in present:
                self._leave(kernel_id)
                self._throttle.note_last(kernel_id, "gone")
        for kernel_id in present:
            watched = self._watched.get(kernel_id)
            if watched is None:
                self._observe(kernel_id)
            elif self._kernels.manager.get_kernel(kernel_id) is not watched.manager:
                self._leave(kernel_id)  # another kernel with the same id
                self._observe(kernel_id)
            elif watched.restarts and self._is_settled(kernel_id):
                self._on_state(kernel_id, _state_of(watched.manager))
            elif watched.silent is not None and _clock() - watched.silent > SILENCE:
                watched.silent = None
                self._requests.start(self._ask_quietly(kernel_id))

    async def _ask_quietly(self, kernel_id: str) -> None:
        if self._ask is None:
            return
        try:
            await self._ask(kernel_id)
        except Exception as error:  # from a site's own manager; there is no second try
            self._log.debug("A silent kernel could not be asked: %s", error)

    def _observe(self, kernel_id: str) -> None:
        try:
            manager = self._kernels.get(kernel_id)
            unwatch = self._kernels.watch(
                kernel_id,
                lambda: self.on_restarting(kernel_id),
                lambda: self._throttle.note(kernel_id, "dead", "state"),
            )
        except NotFound:
            return

        def changed(change: Any) -> None:
            self._on_state(kernel_id, change["new"])

        watched = self._watched[kernel_id] = _Watched(manager, changed, unwatch)
        if hasattr(manager, "observe"):
            manager.observe(watched.observer, "execution_state")
        self._on_state(kernel_id, _state_of(manager))

    def _on_state(self, kernel_id: str, state: str | None) -> None:
        watched = self._watched[kernel_id]
        watched.since = now() if state == "busy" else None
        watched.restarts = False
        watched.silent = _clock() if state == "starting" else None
        if state:
            self._throttle.note(kernel_id, state, "state")

    def _leave(self, kernel_id: str) -> None:
        watched = self._watched.pop(kernel_id)
        if hasattr(watched.manager, "unobserve"):
            watched.manager.unobserve(watched.observer, "execution_state")
        watched.unwatch()

    async def _look_again(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # from a site's own manager; the next check may succeed
                self._log.exception("Checking the kernels failed")
            await asyncio.sleep(LOOK_PERIOD)

    async def _on_action(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Handle an action on a kernel by JupyterLab, another extension or the culler."""
        is_start = data.get("action") == "start"
        for pause in SOON if is_start else SOON[:1]:
            await asyncio.sleep(pause)
            if self._looking is None:
                return
            self.look()
            if data.get("kernel_id") in self._watched:
                return


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _state_of(manager: Any) -> str:
    # A kernel whose process is just starting has no state yet.
    return getattr(manager, "execution_state", None) or "starting"
