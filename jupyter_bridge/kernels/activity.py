"""Activity: a kernel's state and last activity at the host, updated by the kernel's relay.

The host reads every kernel's iopub only for this, which takes it several times as long as relaying.
A relay reads the same messages without loss: while open, it does this work by the host's own rules
(`MappingKernelManager.start_watching_activity`), and returns it to the host at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

from jupyter_bridge.wire import kernel

# A manager that overrides one of these keeps its own reading.
_RULES = ("start_watching_activity", "stop_watching_activity", "track_message_type")


def can_report(manager: Any) -> bool:
    """Tell whether `manager` watches activity by the rules of this module."""
    return all(
        getattr(type(manager), rule, None) is getattr(MappingKernelManager, rule, rule)
        for rule in _RULES
    )


class Activity:
    """One kernel's activity. `take` it over, `note` iopub messages, `report` after each batch."""

    def __init__(self, manager: Any, kernel_id: str) -> None:
        self._manager = manager
        self._kernel_id = kernel_id
        self._kernel = manager.get_kernel(kernel_id)
        self._untracked = frozenset(manager.untracked_message_types)
        self._active = False

    def take(self) -> None:
        """Stop the host's own reading; a restart starts it again, so call this again then."""
        reads = getattr(self._kernel, "_activity_stream", None) is not None
        # Stopping would also abort a restart by the host.
        restarts = getattr(self._kernel, "_pending_restart_cleanup", None) is not None
        if reads and not restarts:
            self._manager.stop_watching_activity(self._kernel_id)

    def give_back(self) -> None:
        """Restart the host's own reading; the time of the last activity is unchanged."""
        kernel = self._kernel
        if self._kernel_id not in self._manager or kernel._activity_stream is not None:
            return
        known = kernel.last_activity, kernel.reason
        self._manager.start_watching_activity(self._kernel_id)
        kernel.last_activity, kernel.reason = known

    def note(self, header: kernel.Header, parts: Sequence[bytes]) -> None:
        """Account for one message."""
        is_status = header.msg_type == "status"
        busy = self._kernel.execution_state == "busy"
        if (self._active or busy) and not is_status:
            self._active = True
            return
        is_tracked = kernel.parse_header(parts[1]).msg_type not in self._untracked
        if busy or is_tracked or header.msg_type not in self._untracked:
            self._active = True
        if is_status:
            self._on_status(str(kernel.parse_content(parts).get("execution_state")), is_tracked)

    def _on_status(self, state: str, is_tracked: bool) -> None:
        if is_tracked:
            self._kernel.execution_state = state
        elif self._kernel.execution_state == "starting" and state != "starting":
            # The kernel answered an untracked request, which is no activity.
            self._kernel.execution_state = "idle"

    def report(self) -> None:
        """Report the activity since the last call to the host."""
        if self._active:
            self._active = False
            now = datetime.now(timezone.utc)
            self._manager.last_kernel_activity = self._kernel.last_activity = now
