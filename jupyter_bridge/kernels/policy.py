"""KernelPolicy: the rules of the host's kernel manager for all access to kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.json_errors import JSON_ERRORS


@dataclass(frozen=True)
class KernelPolicy:
    """The host's traits: which messages may be sent, and whether errors are shown."""

    allowed_message_types: frozenset[str] = frozenset()
    allow_tracebacks: bool = True
    traceback_replacement: str = ""

    def allows(self, msg_type: str) -> bool:
        return not self.allowed_message_types or msg_type in self.allowed_message_types

    def hide_errors(self, parts: list[bytes]) -> None:
        """Hide every error in a message, in place, if tracebacks are not allowed."""
        if not self.allow_tracebacks and b'"ename"' in bytes(parts[3]):
            try:
                content = msgspec.json.decode(kernel.as_json(parts[3]))
            except (kernel.FrameError, *JSON_ERRORS):
                content = {}
            parts[3] = msgspec.json.encode(_hidden(content, self.traceback_replacement))


def _hidden(value: Any, replacement: str) -> Any:
    """Return `value` with every error hidden, also those of user_expressions."""
    if isinstance(value, list):
        return [_hidden(item, replacement) for item in value]
    if not isinstance(value, dict):
        return value
    if "ename" in value:
        return {
            **value,
            "ename": "ExecutionError",
            "evalue": "Execution error",
            "traceback": [replacement],
        }
    return {name: _hidden(item, replacement) for name, item in value.items()}
