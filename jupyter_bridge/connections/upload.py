"""Upload: files of this host as a new data set of a remote."""

from __future__ import annotations

import asyncio
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_bridge.connections import checksums
from jupyter_bridge.connections.diskproblems import translated
from jupyter_bridge.connections.roles import CanRead, CanWrite, File, NewDataset
from jupyter_bridge.connections.together import together
from jupyter_bridge.connections.transfer import Transfer
from jupyter_bridge.problems import BadRequest, Conflict, Denied, Gone, Problem, RemoteFailed

# A remote that forgets an upload this often has no use for another.
MAX_BEGUN = 3
# A remote that is told to throw an upload away has this long to answer, in seconds.
ABORT_SECONDS = 10.0


class Upload(Transfer):
    """Sends what the remote has not acknowledged, some chunks at a time, then registers it."""

    _begun = 0
    _abort: asyncio.Task[None] | None = None

    async def discard(self) -> None:
        upload = self.job.upload
        if upload is None:
            return

        async def abort(connector: CanWrite) -> None:
            await connector.abort(upload)

        async def tell() -> None:
            try:
                await asyncio.wait_for(self.connection.use(CanWrite, abort), ABORT_SECONDS)
            except (Problem, asyncio.TimeoutError):
                pass  # the remote clears up by itself, sooner or later

        # Not waited for: a remote may be slow, and who cancels is answered at once.
        self._abort = asyncio.ensure_future(tell())

    async def _work(self) -> None:
        if self.job.permId is not None:
            return  # it was stopped just when the remote had made it
        try:
            connector = await self.connection.ready(CanWrite)
            if self.job.upload is None:
                await self._begin()
            await self._held()
            await self._send(connector)
            await self._commit()
        except Gone:
            # What was sent is no longer there: from the beginning, without telling anybody.
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
        """Believe the remote more than the own notes, where it says what it has."""
        upload = self.job.upload or ""
        for index, file in enumerate(self.job.files or []):
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

    async def _send(self, connector: CanWrite) -> None:
        left = deque(self._missing(connector.chunk_bytes))
        count = max(1, min(connector.streams, len(left)))
        await together([self._stream(left) for _ in range(count)])

    async def _stream(self, left: deque[tuple[int, int, int]]) -> None:
        """One chunk after the other, as long as there are some."""
        upload = self.job.upload or ""
        acknowledged: _Chunk | None = None
        try:
            while left:
                chunk = _Chunk(*left.popleft())
                acknowledged, last = None, acknowledged
                await self._turn(last, chunk)
                file = (self.job.files or [])[chunk.index]

                async def append(
                    connector: CanWrite, file: File = file, chunk: _Chunk = chunk
                ) -> None:
                    await connector.append(upload, file, chunk.start, chunk.data)

                await self.connection.use(CanWrite, append)
                acknowledged = chunk
        finally:
            # Also where the stream is stopped: what the remote has need not be sent again.
            if acknowledged is not None:
                await self._turn(acknowledged, None)

    async def _turn(self, last: _Chunk | None, next_one: _Chunk | None) -> None:
        """Write down that one chunk is done and read another, in one hop to a thread."""
        work = asyncio.ensure_future(asyncio.to_thread(self._note_and_read, last, next_one))
        try:
            new = await asyncio.shield(work)
        except asyncio.CancelledError:
            # Not beyond the end of the stream: the notes are closed then.
            await asyncio.wait({work})
            work.exception()  # whatever it is: the stream ends for another reason
            raise
        if last is not None:
            self._on_bytes(new, (self.job.files or [])[last.index].path)

    def _note_and_read(self, last: _Chunk | None, next_one: _Chunk | None) -> int:
        new = 0
        if last is not None:
            new = self.pieces.add(last.index, last.start, last.stop, last.check)
            if last.start == last.stop:
                self.pieces.set_checked(last.index, 0)
            last.data = b""
        if next_one is not None and next_one.start < next_one.stop:
            next_one.read(*self.job.sources[next_one.index])
        return new

    def _missing(self, step: int) -> Iterator[tuple[int, int, int]]:
        for index, file in enumerate(self.job.files or []):
            if self.pieces.is_checked(index):
                continue
            if file.size == 0:
                yield index, 0, 0
            extents = self.pieces.of(index).extents
            for start in range(0, file.size, step):
                stop = min(start + step, file.size)
                if extents.missing(start, stop):
                    yield index, start, stop

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
        """Compare checksums with those that the remote has taken, where it offers any."""
        connector = self.connection.connector
        if not isinstance(connector, CanRead) or set(CanRead.words) & connector.cannot:
            return
        try:
            found = await self.connection.use(CanRead, lambda c: c.dataset(perm_id))
        except Problem:
            return  # it is registered: that it cannot be looked at now does not undo it
        for index, file in enumerate(self.job.files or []):
            check = self.pieces.of(index).crc32(file.size)
            told = _find(found.files, file)
            if told is not None and told.size != file.size:
                raise RemoteFailed(f"The remote has {told.size} bytes of {file.path}.")
            if told and None not in (check, told.crc32) and check != told.crc32:
                raise RemoteFailed(f"The remote has other bytes of {file.path} than were sent.")

    async def _stopped(self) -> None:
        """Reading ends with its chunk; nothing is left over."""


def _find(files: Sequence[File], file: File) -> File | None:
    """The file as the remote calls it, which may put folders of its own around."""
    found = [one for one in files if f"/{one.path}".endswith(f"/{file.path}")]
    return found[0] if len(found) == 1 else None


@dataclass
class _Chunk:
    """Bytes of the file `index`, and their CRC32 once they are read."""

    index: int
    start: int
    stop: int
    data: bytes = b""
    check: int = 0

    def read(self, path: str, changed: int) -> None:
        """Read them; Conflict if the file is not the one of the beginning any more."""
        with translated():
            line = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self.data = os.pread(line, self.stop - self.start, self.start)
                now = os.fstat(line).st_mtime_ns
            finally:
                os.close(line)
        if now != changed or len(self.data) != self.stop - self.start:
            raise Conflict(f"{path} changed while it was uploaded.", path=path)
        self.check = checksums.crc32(self.data)


def gather(paths: Sequence[Path]) -> tuple[list[File], list[tuple[str, int]]]:
    """The files at `paths`, folders with all in them, and where each is; blocks.

    Links are not followed: what they show may be anywhere.
    """
    files: list[File] = []
    sources: list[tuple[str, int]] = []

    def take(path: Path, name: str) -> None:
        known = path.lstat()
        if stat.S_ISDIR(known.st_mode):
            names = sorted(os.listdir(path))
            for inner in names:
                take(path / inner, f"{name}/{inner}")
            if not names:
                files.append(File(name, directory=True))
                sources.append((str(path), 0))
        elif stat.S_ISREG(known.st_mode):
            files.append(File(name, known.st_size))
            sources.append((str(path), known.st_mtime_ns))
        elif stat.S_ISLNK(known.st_mode) and path in paths:
            raise Denied(f"{path} is a link; name the file itself.", path=str(path))

    with translated():
        for path in paths:
            take(path, path.name)
    if len({file.path for file in files}) != len(files):
        raise BadRequest("files: two of them have the same name.", field="files")
    if not files:
        raise BadRequest("files: there is nothing to upload.", field="files")
    return files, sources
