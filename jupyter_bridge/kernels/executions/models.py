"""What the execute routes take and show, as msgspec checks and describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from jupyter_bridge.problems import BadRequest


class ExecuteBody(msgspec.Struct, forbid_unknown_fields=True):
    """What to run, and how.

    `inputs` answer the code's input requests in turn; when they run out the code is interrupted,
    unless `allow_stdin` is true: then it waits for `POST …/input`. `timeout` is in seconds from
    now; on a timeout the code is interrupted, or left running.
    """

    code: str
    silent: bool = False
    store_history: bool = True
    allow_stdin: bool | None = None
    inputs: list[str] = []
    stop_on_error: bool = True
    user_expressions: dict[str, str] = {}
    timeout: Annotated[float, msgspec.Meta(gt=0)] | None = None
    on_timeout: Literal["interrupt", "leave"] = "interrupt"

    @property
    def size(self) -> int:
        """About what it holds, bytes."""
        named = (*self.user_expressions, *self.user_expressions.values())
        return sum(map(len, (self.code, *self.inputs, *named)))

    def emptied(self) -> ExecuteBody:
        """What is needed of it at the end: neither the code nor the inputs."""
        return msgspec.structs.replace(self, code="", inputs=[], user_expressions={})

    def check(self) -> None:
        """Raise BadRequest where two fields contradict each other."""
        if self.inputs and self.allow_stdin is False:
            raise BadRequest(
                "inputs: cannot be given while allow_stdin is false.", field="allow_stdin"
            )


class ErrorModel(msgspec.Struct):
    """The exception that ended the code."""

    ename: str
    evalue: str
    traceback: list[str]


class InputModel(msgspec.Struct):
    """What the code is asking for."""

    prompt: str
    password: bool


class ExecutionModel(msgspec.Struct):
    """An execution as the routes show it; `outputs` as nbformat 4 holds them.

    `status` is `running` until it is one of ok, error, aborted, timeout, died.
    """

    execution: str
    kernel: str
    status: Literal["running", "ok", "error", "aborted", "timeout", "died"]
    execution_count: int | None
    outputs: list[dict[str, Any]]
    user_expressions: dict[str, Any]
    started: str
    seconds: float
    error: ErrorModel | UnsetType = UNSET
    exit_code: int | UnsetType | None = UNSET
    input_request: InputModel | UnsetType = UNSET
    truncated: bool | UnsetType = UNSET
