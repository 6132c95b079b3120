"""Job: the description of one transfer, and JobFile, its `transfer.json`.

A job may name a million files. Its lists are in memory only while the transfer runs: many may wait,
be paused, have failed or ended.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from jupyter_bridge.models.datasets import File
from jupyter_bridge.private_files import open_private, read_json
from jupyter_bridge.problems import Problem
from jupyter_bridge.wire.any_text import escaped, readable, unescaped
from jupyter_bridge.wire.visible import short

# The largest transfer.json that is read: it may name a million files. Bytes.
MAX_STATE = 256 << 20
# So many names of skipped files are shown, and of each list in a Problem.
MAX_SHOWN = 100
# So many files are looked through at once on the event loop: 100,000 take a second.
FEW = 1000
# The longest text in a Problem that is kept, characters.
MAX_TEXT = 1000

T = TypeVar("T")


class Job(msgspec.Struct, kw_only=True):
    """The description of a transfer, sufficient to resume it."""

    transfer: str
    connection: str
    direction: str
    permId: str | None = None  # noqa: N815
    path: str
    state: str = "queued"
    created: float = msgspec.field(default_factory=time.time)
    # The files of the data set; None: not known yet.
    files: list[File] | None = None
    # The requested files of a download; None: all.
    only: list[str] | None = None
    # Of an upload: the path and mtime (ns) of each file, and the data set to create.
    sources: list[tuple[str, int]] = []
    entity: str = ""
    type: str | None = None
    parents: list[str] = []
    props: dict[str, Any] = {}
    skipped: list[str] = []
    upload: str | None = None
    # Paused by a user: not resumed automatically, not even by the next server.
    held: bool = False
    problem: dict[str, Any] | None = None
    # Whether names that are not UTF-8 are escaped, as only on the disk.
    escaped: bool = False
    # Whether the lists are only on the disk, as only in memory.
    at_rest: bool = False

    def resting(self) -> Job:
        """Return the job without what grows with the data set, or with the request."""
        nothing: dict[str, Any] = {
            **dict.fromkeys(("files", "only", "type")),
            **{name: [] for name in ("sources", "parents", "skipped")},
            "props": {},
            "entity": "",
        }
        return msgspec.structs.replace(self, at_rest=True, **nothing)

    def with_lists(self, saved: Job) -> Job:
        """Return the job with the lists of its file; its state is its own."""
        own = {name: getattr(self, name) for name in ("state", "held", "problem")}
        return msgspec.structs.replace(saved, **own)

    def to_bytes(self) -> bytes:
        """Return the job as its file has it."""
        try:
            return msgspec.json.encode(self)
        except UnicodeEncodeError:
            return msgspec.json.encode(self._with_names(escaped, True))

    @classmethod
    def from_bytes(cls, data: bytes) -> Job:
        """Read a job from its file; raises MsgspecError or ValueError."""
        return msgspec.json.decode(data, type=cls).named()

    def named(self) -> Job:
        """Return a job that was read from its file with the names as they are; or ValueError."""
        return self._with_names(unescaped, False) if self.escaped else self

    def _with_names(self, change: Callable[[str], str], marked: bool) -> Job:
        def file(one: File) -> File:
            path = change(one.path)
            return one if path == one.path else msgspec.structs.replace(one, path=path)

        return msgspec.structs.replace(
            self,
            escaped=marked,
            permId=None if self.permId is None else change(self.permId),
            path=change(self.path),
            files=None if self.files is None else [file(one) for one in self.files],
            only=None if self.only is None else [change(name) for name in self.only],
            sources=[(change(path), changed) for path, changed in self.sources],
            entity=change(self.entity),
            skipped=[change(name) for name in self.skipped],
            upload=None if self.upload is None else change(self.upload),
        )


async def beside(count: int, work: Callable[..., T], *arguments: Any) -> T:
    """Call `work` for so many files: in a thread if that takes long."""
    if count <= FEW:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


class Sizes(NamedTuple):
    """How much a job's lists hold, and what is shown of them."""

    files: int
    total: int
    skipped: list[str]
    more_skipped: int

    @classmethod
    def of(cls, job: Job) -> Sizes:
        files = job.files or []
        return cls(
            len(files),
            sum(file.size for file in files),
            [readable(name) for name in job.skipped[:MAX_SHOWN]],
            max(0, len(job.skipped) - MAX_SHOWN),
        )


def kept(problem: Problem) -> dict[str, Any]:
    """Return the Problem as JSON, with the beginnings of long texts and lists."""

    def cut(value: Any) -> Any:
        if isinstance(value, list):
            return [cut(item) for item in value[:MAX_SHOWN]]
        return short(value, MAX_TEXT) if isinstance(value, str) else value

    return {name: cut(value) for name, value in problem.to_json().items()}


class JobFile:
    """The file of one job. All methods block for the disk and raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Job:
        """Return the job; raises OSError if the file cannot be read or is damaged."""
        try:
            return read_json(self.path, Job, MAX_STATE).named()
        except ValueError as error:
            raise OSError(errno.EINVAL, "it is damaged", str(self.path)) from error

    def write(self, job: Job) -> None:
        """Replace the file. The lists of a job at rest are kept as they are in the file."""
        if job.at_rest:
            try:
                job = job.with_lists(self.read())
            except OSError:
                return  # it was deleted or damaged: there is nothing to resume
        temporary = self.path.with_suffix(".new")
        with open(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            file.write(job.to_bytes())
        os.replace(temporary, self.path)
