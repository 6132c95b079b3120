"""StateEvents: what every kernel of the host is doing, told whenever that changes.

The host has it in a trait of each kernel's manager, which its own reading or a relay's Activity
sets; that trait is observed here, whoever started the kernel. Kernels that came and went are known
by the host's event, and by a look at its list once a second, for what no event tells.

To the host a kernel starts until something is heard of it. Some say nothing until they are asked,
and of others the first word is lost before the host listens: they are asked after.
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

# At most so many events a second and kernel: as often as a person sees a list change.
TELL_HZ = 4.0
# How often it is looked which kernels there are, seconds.
LOOK_PERIOD = 1.0
# How long a kernel may seem to start before it is asked, seconds.
SILENCE = 5.0
# The host tells of a started kernel before it has it in its list; when to look then, seconds.
SOON = (0.0, 0.05, 0.2)


@dataclass(eq=False)
class _Watched:
    """A kernel that is observed; `since` is when it became busy, None while it is not.

    `restarts` until it is known to be back: the host's trait may be the same before and after.
    `silent` is since when it starts, in the loop's time; None where it does not, or was asked.
    """

    manager: Any
    observer: Callable[[Any], None]
    unwatch: Callable[[], None]
    since: datetime.datetime | None = None
    restarts: bool = False
    silent: float | None = None


class StateEvents:
    """Tells `tell(kernel_id, state)`: an execution state, `clients` or `gone`.

    `is_settled(kernel_id)` says whether a restart is over, as far as anybody knows; `ask` makes a
    kernel say something.
    """

    def __init__(
        self,
        kernels: HostKernels,
        tell: Callable[[str, str], None],
        *,
        is_settled: Callable[[str], bool] = lambda kernel_id: True,
        ask: Callable[[str], Awaitable[None]] | None = None,
        event_logger: Any = None,
        log: logging.Logger,
    ) -> None:
        self._kernels = kernels
        self._is_settled = is_settled
        self._ask = ask
        self._paced = Throttle(tell, 1 / TELL_HZ)
        self._actions = HostEvents(event_logger, self._on_action)
        self._log = log
        self._watched: dict[str, _Watched] = {}
        self._looking: asyncio.Task[None] | None = None
        self._asking = TaskSet()

    def start(self) -> None:
        """Begin to observe; on the event loop. Starting twice is fine."""
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look_again())
            self._actions.start()

    async def close(self) -> None:
        """Observe nothing more; twice is fine."""
        looking, self._looking = self._looking, None
        if looking is not None:
            self._actions.stop()
            looking.cancel()
            await asyncio.wait({looking})
        await self._asking.stop()
        for kernel_id in list(self._watched):
            self._leave(kernel_id)
        self._paced.close()

    def busy_since(self, kernel_id: str) -> datetime.datetime | None:
        """When the kernel began what it is doing; None when it is not busy, or nobody knows."""
        watched = self._watched.get(kernel_id)
        return watched.since if watched is not None else None

    def on_clients(self, kernel_id: str) -> None:
        """The kernel has one client of the bridge more or less."""
        if kernel_id in self._watched:
            self._paced.note(kernel_id, "clients", "clients")

    def on_restarting(self, kernel_id: str) -> None:
        """Somebody restarts the kernel; the host's trait does not say so."""
        watched = self._watched.get(kernel_id)
        if watched is not None:
            watched.since = None
            watched.restarts = True
            self._paced.note(kernel_id, "restarting", "state")

    def look(self) -> None:
        """Observe the kernels that are new; tell of those that are gone, or back."""
        present = self._kernels.manager.list_kernel_ids()
        for kernel_id in [*self._watched]:
            if kernel_id not in present:
                self._leave(kernel_id)
                self._paced.note_last(kernel_id, "gone")
        for kernel_id in present:
            watched = self._watched.get(kernel_id)
            if watched is None:
                self._observe(kernel_id)
            elif self._kernels.manager.get_kernel(kernel_id) is not watched.manager:
                self._leave(kernel_id)  # another one of its name
                self._observe(kernel_id)
            elif watched.restarts and self._is_settled(kernel_id):
                self._on_state(kernel_id, _state_of(watched.manager))
            elif watched.silent is not None and _clock() - watched.silent > SILENCE:
                watched.silent = None
                self._asking.start(self._ask_quietly(kernel_id))

    async def _ask_quietly(self, kernel_id: str) -> None:
        if self._ask is None:
            return
        try:
            await self._ask(kernel_id)
        except Exception as error:  # a site's own manager; it is asked once
            self._log.debug("A kernel that says nothing could not be asked: %s", error)

    def _observe(self, kernel_id: str) -> None:
        try:
            manager = self._kernels.get(kernel_id)
            unwatch = self._kernels.watch(
                kernel_id,
                lambda: self.on_restarting(kernel_id),
                lambda: self._paced.note(kernel_id, "dead", "state"),
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
            self._paced.note(kernel_id, state, "state")

    def _leave(self, kernel_id: str) -> None:
        watched = self._watched.pop(kernel_id)
        if hasattr(watched.manager, "unobserve"):
            watched.manager.unobserve(watched.observer, "execution_state")
        watched.unwatch()

    async def _look_again(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # a site's own manager; the next look may go better
                self._log.exception("Looking at the kernels failed")
            await asyncio.sleep(LOOK_PERIOD)

    async def _on_action(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Somebody (JupyterLab, another extension, the culler) did something to a kernel."""
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
    # A kernel whose process is just being started has none yet.
    return getattr(manager, "execution_state", None) or "starting"
