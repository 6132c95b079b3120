"""Job: the description of one transfer, as its file `transfer.json` has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from jupyter_bridge.models.datasets import File
from jupyter_bridge.wire.any_text import escaped, unescaped


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
