"""Result: an execution, and what it says to a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_bridge.models.executions import ExecutionModel

FINISHED = frozenset({"ok", "error", "aborted", "timeout", "died"})


class ExecutionFailed(Exception):
    """The code did not end well; `result` tells everything."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


class Result(ExecutionModel):
    """One run of code: how it stands, and its outputs."""

    @property
    def ok(self) -> bool:
        """Whether the code ran to its end without an error."""
        return self.status == "ok"

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.status in FINISHED

    @property
    def stdout(self) -> str:
        """What the code printed."""
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        """What the code wrote to its error stream."""
        return self._stream("stderr")

    @property
    def text(self) -> str:
        """What a terminal would show of it: printed text and values, without errors."""
        return "".join(text_of(output) for output in self.outputs)

    @property
    def value(self) -> str | None:
        """The value of the last expression as text; None where it had none."""
        for output in reversed(self.outputs):
            if output.get("output_type") == "execute_result":
                return _joined(output.get("data", {}).get("text/plain", ""))
        return None

    def raise_for_status(self) -> Result:
        """This very result where it is good; ExecutionFailed with a sentence where it is not."""
        if self.ok:
            return self
        raise ExecutionFailed(self.sentence, self)

    @property
    def sentence(self) -> str:
        """How it ended, for a person."""
        if self.status == "error" and self.error is not None:
            return f"{self.error.ename}: {self.error.evalue}"
        if self.status == "died" and self.exit_code is not None:
            how = "exit code" if self.exit_code >= 0 else "signal"
            return f"the kernel died ({how} {abs(self.exit_code)})"
        return {
            "ok": "the code ran",
            "error": "the code raised an error",
            "aborted": "the kernel did not run the code: something before it failed",
            "timeout": "the code did not end within the time allowed",
            "died": "the kernel died",
        }.get(self.status, f"the code has not ended: it is {self.status}")

    def _stream(self, name: str) -> str:
        parts = (out for out in self.outputs if out.get("output_type") == "stream")
        return "".join(_joined(out.get("text", "")) for out in parts if out.get("name") == name)


def text_of(output: dict[str, Any]) -> str:
    """What a terminal would show of one nbformat output: a value is a line; an error is nothing."""
    kind = output.get("output_type")
    if kind == "stream":
        return _joined(output.get("text", ""))
    if kind in ("execute_result", "display_data"):
        plain = _joined(output.get("data", {}).get("text/plain", ""))
        return f"{plain}\n" if plain else ""
    return ""


def _joined(text: str | Iterable[str]) -> str:
    # nbformat writes text as one string or as a list of lines.
    return text if isinstance(text, str) else "".join(text)
