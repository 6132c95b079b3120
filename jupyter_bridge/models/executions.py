"""Executions: the bodies to run code in a kernel, and the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from jupyter_bridge.models.common import Answer, Body, one_of
from jupyter_bridge.problems import BadRequest


class ExecuteBody(Body):
    """The code to run, and its options.

    `inputs` answer the code's input requests in turn; a request without an input interrupts the
    code, unless `allow_stdin` is true: then it waits for `POST …/input`. `timeout` is in seconds
    from now; on a timeout the code is interrupted, or left running.
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
        """The approximate size in bytes."""
        named = (*self.user_expressions, *self.user_expressions.values())
        return sum(map(len, (self.code, *self.inputs, *named)))

    def emptied(self) -> ExecuteBody:
        """Return a copy without the code and the inputs, to keep after the end."""
        return msgspec.structs.replace(self, code="", inputs=[], user_expressions={})

    def check(self) -> None:
        """Raise BadRequest if two fields contradict each other."""
        if self.inputs and self.allow_stdin is False:
            raise BadRequest(
                "inputs: cannot be given while allow_stdin is false.", field="allow_stdin"
            )


class InputBody(Body):
    """The user's input, without the newline."""

    value: str


class ErrorModel(Answer):
    """The exception that ended the code."""

    ename: str
    evalue: str
    traceback: list[str]


class InputModel(Answer):
    """The code's input request; do not show a `password` while it is typed."""

    prompt: str
    password: bool


class ExecutionModel(Answer):
    """An execution; `outputs` are in the form of nbformat 4.

    `status` is `running` until the end. `exit_code` is that of a kernel that died (negative: a
    signal), if known; `input_request` the request that the code waits for; `truncated` tells that
    the outputs exceeded the server's limit.
    """

    execution: str
    kernel: str
    status: Annotated[str, one_of("running", "ok", "error", "aborted", "timeout", "died")]
    execution_count: int | None
    outputs: list[dict[str, Any]]
    user_expressions: dict[str, Any]
    started: datetime
    seconds: float
    error: ErrorModel | None = None
    exit_code: int | None = None
    input_request: InputModel | None = None
    truncated: bool = False
