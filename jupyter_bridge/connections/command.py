"""Command: a shell command that a remote runs by itself, and its events, typed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec

from jupyter_bridge.wire.console import MAX_OFFSET
from jupyter_bridge.wire.shell.any_bytes import to_text


class RemoteBegan(msgspec.Struct):
    """The remote has begun the command."""


class RemoteGap(msgspec.Struct):
    """Some of the command's output is lost."""


class RemoteOutput(msgspec.Struct):
    """Output of the command: a text, or the exact bytes of one that is not UTF-8."""

    text: str = ""
    base64: bytes | None = None
    stream: Literal["output", "stdout", "stderr"] = "output"

    @property
    def data(self) -> bytes:
        """The exact bytes."""
        return self.text.encode() if self.base64 is None else self.base64


_Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]


class RemoteDone(msgspec.Struct):
    """The command's end, as in `models.runs.RunModel`; the offsets are the remote console's."""

    status: str
    exit_code: Annotated[int, msgspec.Meta(ge=-(2**32), le=2**32)] | None = None
    signal: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    cwd: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    # The exact bytes of a `cwd` that is not UTF-8.
    cwd_base64: Annotated[bytes, msgspec.Meta(max_length=4096)] | None = None
    shell: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    truncated: bool = False
    start_offset: _Offset | None = None
    end_offset: _Offset | None = None

    @property
    def folder(self) -> str | None:
        """The folder that the command ended in, as a text of any bytes."""
        return self.cwd if self.cwd_base64 is None else to_text(self.cwd_base64)


RemoteEvent = RemoteBegan | RemoteGap | RemoteOutput | RemoteDone


class Command(ABC):
    """One shell command that the remote runs; it starts when `events` is read."""

    @abstractmethod
    def events(self) -> AsyncIterator[RemoteEvent]:
        """Yield the events of the command, in order; the last is RemoteDone.

        Raises the Problem if the command does not begin, or is lost.
        """

    @abstractmethod
    async def stop(self) -> None:
        """End the command, gently first; `done` follows."""

    @abstractmethod
    async def send_input(self, data: bytes) -> None:
        """Type `data` into the command."""

    @abstractmethod
    async def send_stdin(self, data: bytes, offset: int, *, end: bool) -> int:
        """Write to the command's stdin, as `POST …/input` with `offset`; return what it took."""
