"""CurrentExecution: what a kernel runs now, as it tells on iopub."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.times import now

# How much of the code that runs is shown in lists, characters.
CODE_SHOWN = 200


class CurrentExecution:
    """From an `execute_input` to the status `idle` of the same request; `since` when, if known."""

    def __init__(self) -> None:
        self.since: datetime.datetime | None = None
        self._input: Sequence[bytes] | None = None

    def begin(self, parts: Sequence[bytes]) -> None:
        """The kernel told with this execute_input what it begins to run."""
        self._input, self.since = parts, now()

    def end(self, request: str) -> None:
        """The kernel is done with what the message `request` asked for."""
        if self._input is not None and kernel.parse_header(self._input[1]).msg_id == request:
            self.forget()

    def forget(self) -> None:
        """Nothing runs any more: the kernel is another one."""
        self._input = self.since = None

    def code(self) -> str | None:
        """The first 200 characters of the code; None where none is known to run."""
        if self._input is None:
            return None
        code = kernel.parse_content(self._input).get("code")
        return code[:CODE_SHOWN] if isinstance(code, str) else None
