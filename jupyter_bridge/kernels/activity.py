"""Activity: what the host believes of a kernel (is it busy, since when), told by its relay.

The host reads every kernel's iopub for this alone, and that takes it several times as long as
relaying does. A relay reads the same messages, and loses none: while it stands it takes this work
over, by the host's own rules (`MappingKernelManager.start_watching_activity`), and hands it back
when it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

from jupyter_bridge.wire import kernel

# Where a site's manager has its own idea of any of these, it keeps its own reading.
_RULES = ("start_watching_activity", "stop_watching_activity", "track_message_type")


def can_be_told(manager: Any) -> bool:
    """Whether `manager` watches activity by the rules that are followed here."""
    return all(
        getattr(type(manager), rule, None) is getattr(MappingKernelManager, rule, rule)
        for rule in _RULES
    )


class Activity:
    """One kernel's activity. `take` it over, `note` each iopub message, `tell` after each batch."""

    def __init__(self, manager: Any, kernel_id: str) -> None:
        self._manager = manager
        self._kernel_id = kernel_id
        self._kernel = manager.get_kernel(kernel_id)
        self._untracked = frozenset(manager.untracked_message_types)
        self._active = False

    def take(self) -> None:
        """Stop the host's own reading, if it reads; a restart begins it anew, so call again."""
        reads = getattr(self._kernel, "_activity_stream", None) is not None
        # Stopping would also give up a restart that the host has under way.
        restarts = getattr(self._kernel, "_pending_restart_cleanup", None) is not None
        if reads and not restarts:
            self._manager.stop_watching_activity(self._kernel_id)

    def give_back(self) -> None:
        """Let the host read for itself again; the time of the last activity stays what it is."""
        kernel = self._kernel
        if self._kernel_id not in self._manager or kernel._activity_stream is not None:
            return
        known = kernel.last_activity, kernel.reason
        self._manager.start_watching_activity(self._kernel_id)
        kernel.last_activity, kernel.reason = known

    def note(self, header: kernel.Header, parts: Sequence[bytes]) -> None:
        """Take account of one message."""
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
            # It has answered somebody's question, whichever: that is not work.
            self._kernel.execution_state = "idle"

    def tell(self) -> None:
        """Tell the host when there was activity, once for all that was noted."""
        if self._active:
            self._active = False
            now = datetime.now(timezone.utc)
            self._manager.last_kernel_activity = self._kernel.last_activity = now
