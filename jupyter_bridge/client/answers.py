"""Result: one execution, its outputs as text, and a sentence about its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_bridge.models.executions import ExecutionModel

FINISHED = frozenset({"ok", "error", "aborted", "timeout", "died"})


class ExecutionFailed(Exception):
    """The code failed; `result` has its outputs and its error."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


class Result(ExecutionModel):
    """One execution: its status and its outputs."""

    @property
    def ok(self) -> bool:
        """Whether the code ran to its end without an error."""
        return self.status == "ok"

    @property
    def finished(self) -> bool:
        """Whether the execution has ended."""
        return self.status in FINISHED

    @property
    def stdout(self) -> str:
        """The text that the code wrote to stdout."""
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        """The text that the code wrote to stderr."""
        return self._stream("stderr")

    @property
    def text(self) -> str:
        """The outputs as a terminal shows them: printed text and values, without errors."""
        return "".join(text_of(output) for output in self.outputs)

    @property
    def value(self) -> str | None:
        """The value of the last expression as text; None if there is none."""
        for output in reversed(self.outputs):
            if output.get("output_type") == "execute_result":
                return _joined(output.get("data", {}).get("text/plain", ""))
        return None

    def raise_for_status(self) -> Result:
        """Return this result if it is ok; raise ExecutionFailed otherwise."""
        if self.ok:
            return self
        raise ExecutionFailed(self.sentence, self)

    @property
    def sentence(self) -> str:
        """A readable sentence about how the execution ended."""
        if self.status == "error" and self.error is not None:
            return f"{self.error.ename}: {self.error.evalue}"
        if self.status == "died" and self.exit_code is not None:
            how = "exit code" if self.exit_code >= 0 else "signal"
            return f"the kernel died ({how} {abs(self.exit_code)})"
        return {
            "ok": "the code ran",
            "error": "the code raised an error",
            "aborted": "the kernel did not run the code because earlier code failed",
            "timeout": "the code did not end within the time allowed",
            "died": "the kernel died",
        }.get(self.status, f"the code has not ended; its status is {self.status}")

    def _stream(self, name: str) -> str:
        parts = (out for out in self.outputs if out.get("output_type") == "stream")
        return "".join(_joined(out.get("text", "")) for out in parts if out.get("name") == name)


def text_of(output: dict[str, Any]) -> str:
    """Return one nbformat output as a terminal shows it: a value is a line, an error is empty."""
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
