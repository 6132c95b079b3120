"""HostEvents: the host's event for every action on a kernel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

_SCHEMA = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"

Listener = Callable[[Any, str, dict[str, Any]], Awaitable[None]]


class HostEvents:
    """Calls `listener` with each action, between `start` and `stop`.

    `event_logger` is the host's; without it, or without this event, there are no calls.
    """

    def __init__(self, event_logger: Any, listener: Listener) -> None:
        self._logger = event_logger
        self._how = {"schema_id": _SCHEMA, "listener": listener}
        self._is_enabled = event_logger is not None and _SCHEMA in event_logger.schemas

    def start(self) -> None:
        if self._is_enabled:
            self._logger.add_listener(**self._how)

    def stop(self) -> None:
        if self._is_enabled:
            self._logger.remove_listener(**self._how)
