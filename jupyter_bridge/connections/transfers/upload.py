"""Upload: a transfer of files of this host to a new data set of a remote."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.listing import Count
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.roles import CanRead, CanWrite, NewDataset, Span
from jupyter_bridge.connections.transfers.disk_problems import translated
from jupyter_bridge.connections.transfers.job import FEW, beside
from jupyter_bridge.connections.transfers.transfer import Transfer
from jupyter_bridge.connections.transfers.upload_source import SyncUploadSource, UploadSource
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import (
    BadRequest,
    Denied,
    Gone,
    Problem,
    RemoteFailed,
    TooLarge,
)

# How often a remote may lose an upload.
MAX_BEGUN = 3
# How long an abort may take, seconds.
ABORT_SECONDS = 10.0


class Upload(Transfer):
    """Sends the chunks that the remote has not acknowledged, then registers the data set."""

    _begun = 0
    _abort: asyncio.Task[None] | None = None

    async def discard(self) -> None:
        upload = self.job.upload
        if upload is None:
            return

        async def abort(connector: CanWrite) -> None:
            await connector.abort(upload)

        async def abort_quietly() -> None:
            try:
                await within(ABORT_SECONDS, self.connection.use(CanWrite, abort))
            except (Problem, asyncio.TimeoutError):
                pass  # the remote deletes it some time later

        # In the background: a remote may be slow, and a cancel returns at once.
        self._abort = asyncio.ensure_future(abort_quietly())

    async def _work(self) -> None:
        if self.job.permId is not None:
            return  # stopped just after the remote had registered it
        await asyncio.to_thread(_check_sources, self.job.sources)
        try:
            if self.job.upload is None:
                await self._begin()
            await self._held()
            await self._send()
            await self._commit()
        except Gone:
            # The remote has lost the upload: begin again.
            self._begun += 1
            self.job.upload = None
            await asyncio.to_thread(self.pieces.clear)
            self._recount()
            await self.save()
            if self._begun >= MAX_BEGUN:
                raise
            await self._work()

    def _new(self) -> NewDataset:
        job = self.job
        files = list(job.files or [])
        return NewDataset(job.entity, files, job.type, list(job.parents), dict(job.props))

    async def _begin(self) -> None:
        async def begin(connector: CanWrite) -> str:
            return await connector.begin(self._new())

        self.job.upload = await self.connection.use(CanWrite, begin)
        await self.save()

    async def _held(self) -> None:
        """Trust the remote's state over the local log, if the remote reports it."""
        upload = self.job.upload or ""
        for index, file in enumerate(self.job.files or []):
            if index % FEW == 0:
                await asyncio.sleep(0)
            known = self.pieces.of(index)
            if not known.extents.total:
                continue

            async def ask(connector: CanWrite, file: File = file) -> int | None:
                return await connector.held(upload, file)

            held = await self.connection.use(CanWrite, ask)
            if held is not None and known.extents.missing(0, min(held, file.size)) == []:
                continue
            if held is not None and held < known.extents.total:
                await asyncio.to_thread(self.pieces.forget, index)
        self._recount()

    async def _send(self) -> None:
        upload, job = self.job.upload or "", self.job
        files = job.files or []
        count = len(files)
        supply = UploadSource(
            await beside(count, SyncUploadSource, files, job.sources, self.pieces, self._on_bytes)
        )

        async def send(connector: CanWrite) -> None:
            try:
                await connector.send(upload, await beside(count, self._missing), supply)
            finally:
                # Even if stopped: acknowledged chunks are not sent again.
                await supply.flush()

        spans = await beside(count, self._missing)
        while spans:
            await self.connection.use(CanWrite, send)
            before, spans = spans, await beside(count, self._missing)
            if spans == before:
                raise RemoteFailed(f"The remote does not accept all of {spans[0].path}.")

    def _missing(self) -> list[Span]:
        spans = []
        for index, file in enumerate(self.job.files or []):
            if self.pieces.is_checked(index):
                continue
            if file.size == 0:
                spans.append(Span(file.path, 0, 0))
            gaps = self.pieces.of(index).extents.missing(0, file.size)
            spans += [Span(file.path, start, stop) for start, stop in gaps]
        return spans

    async def _commit(self) -> None:
        upload, new = self.job.upload or "", self._new()

        async def commit(connector: CanWrite) -> str:
            return await connector.commit(upload, new)

        self._completing = True
        try:
            made = await self.connection.use(CanWrite, commit)
            self.job.permId = made
            await self.save()
            await self._compare(made)
        finally:
            self._completing = False

    async def _compare(self, perm_id: str) -> None:
        """Compare sizes and checksums with those of the remote, if it has any."""
        connector = self.connection.connector
        if not isinstance(connector, CanRead) or set(CanRead.words) & connector.cannot:
            return
        try:
            found = await self.connection.use(CanRead, lambda c: c.dataset(perm_id))
        except Problem:
            return  # it is registered, even if it cannot be read now
        for index, file in enumerate(self.job.files or []):
            check = self.pieces.of(index).crc32(file.size)
            stored = _find(found.files, file)
            if stored is not None and stored.size != file.size:
                raise RemoteFailed(f"The remote has {stored.size} bytes of {file.path}.")
            if stored and None not in (check, stored.crc32) and check != stored.crc32:
                raise RemoteFailed(f"The remote has other bytes of {file.path} than were sent.")

    async def _stopped(self) -> None:
        """Do nothing: a thread that reads ends with its chunk."""


def _find(files: Sequence[File], file: File) -> File | None:
    """Return the remote's file for `file`; the remote may add folders around it."""
    found = [one for one in files if f"/{one.path}".endswith(f"/{file.path}")]
    return found[0] if len(found) == 1 else None


def _check_sources(sources: Sequence[tuple[str, int]]) -> None:
    """Raise Denied if a link was put into a path since it was checked; blocks."""
    for folder in {os.path.dirname(path) for path, _ in sources}:
        if os.path.realpath(folder) != folder:
            raise Denied(f"{folder} leads elsewhere now; start another upload.", path=folder)


class Gathered(NamedTuple):
    """Files to upload; the path and mtime (ns) of each; names that are skipped."""

    files: list[File]
    sources: list[tuple[str, int]]
    skipped: list[str]


def gather(paths: Sequence[Path], places: Places | None = None) -> Gathered:
    """Return the files at `paths`, folders with their contents; blocks.

    Links are not followed, as they may lead anywhere. Files that `places` hides are reported as
    skipped. TooLarge if there are too many, or if they are nested too deeply.
    """
    found = _Gathering(paths, places)
    with translated():
        for path in paths:
            found.take(path, path.name)
    files = found.files
    if len({file.path for file in files}) != len(files):
        raise BadRequest("files: two of them have the same name.", field="files")
    if not files:
        raise BadRequest("files: there is nothing to upload.", field="files")
    return Gathered(files, found.sources, found.skipped)


class _Gathering:
    """The files found so far. No closure: one that calls itself lives until a collection."""

    def __init__(self, paths: Sequence[Path], places: Places | None) -> None:
        self.files: list[File] = []
        self.sources: list[tuple[str, int]] = []
        self.skipped: list[str] = []
        self._paths = paths
        self._places = places
        self._count = Count.of_tree(paths[0].name if paths else "", TooLarge)

    def take(self, path: Path, name: str) -> None:
        """Add a file, or all that is in a folder."""
        known = path.lstat()
        self._count.add(name)
        places = self._places
        if places is not None and path not in self._paths:
            is_folder = stat.S_ISDIR(known.st_mode)
            if places.hides(path.name) or (is_folder and places.is_private(path)):
                self.skipped.append(name)
                return
        if stat.S_ISDIR(known.st_mode):
            names = sorted(os.listdir(path))
            for inner in names:
                self.take(path / inner, f"{name}/{inner}")
            if not names:
                self.files.append(File(name, directory=True))
                self.sources.append((str(path), 0))
        elif stat.S_ISREG(known.st_mode):
            self.files.append(File(name, known.st_size))
            self.sources.append((str(path), known.st_mtime_ns))
        elif stat.S_ISLNK(known.st_mode) and path in self._paths:
            raise Denied(f"{path} is a link; name the file itself.", path=str(path))
