"""Download: a transfer of a data set to a folder of this host."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.roles import CanRead, Span
from jupyter_bridge.connections.transfers.job import Sizes, beside
from jupyter_bridge.connections.transfers.staging import Damaged, Staging, judge_names, place_of
from jupyter_bridge.connections.transfers.transfer import Transfer
from jupyter_bridge.models.datasets import Dataset, File
from jupyter_bridge.problems import BadRequest, Conflict, NotFound, RemoteFailed

# How often files may arrive damaged.
MAX_DAMAGED = 2
# Checks at the same time, which a disk and two cores can do.
CHECKS = 2
# So many wait for their turn.
WAITING_CHECKS = 100


class Download(Transfer):
    """Fetches the missing bytes, checks each complete file, and moves all to their place."""

    _target: Staging | None = None
    _damaged = 0

    @property
    def place(self) -> Path:
        """The final path of the data set, below the folder `job.path`."""
        return place_of(Path(self.job.path), self.job.permId or "", self.job.files or [])

    @property
    def staging(self) -> Path:
        place = self.place
        if place == Path(self.job.path):  # one file; the folder's own parent may be off limits
            return place / f".{self.id}.part"
        return place.parent / f".{place.name}.{self.id}.part"

    async def discard(self) -> None:
        if self.job.files is not None:
            target = self._target or await self._make()
            await target.remove()

    async def _work(self) -> None:
        await self._ask()
        await asyncio.to_thread(judge_place, self.places, self.place)
        files = self.job.files or []
        self._target = target = await self._make()
        await target.prepare()
        self._recount()
        checks = _Checks(target)
        target.on_whole = checks.add
        try:
            spans = await beside(len(files), self._missing)
            while spans:
                await self.connection.use(CanRead, lambda c: self._fetch(c, target))
                before, spans = spans, await beside(len(files), self._missing)
                if spans == before:
                    # A damaged file is missing again: report that, if so.
                    await checks.finish()
                    raise RemoteFailed(f"The remote does not send all of {spans[0].path}.")
            await checks.all()
            await checks.finish()
        except Damaged:
            self._recount()
            self._damaged += 1
            if self._damaged >= MAX_DAMAGED:
                problem = RemoteFailed("Files arrive damaged: their checksums do not match.")
                raise problem from None
            raise
        finally:
            await checks.close()
        await target.place()

    async def _fetch(self, connector: CanRead, target: Staging) -> None:
        try:
            missing = await beside(self.sizes.files, self._missing)
            await connector.fetch(self.job.permId or "", missing, target)
        finally:
            # Keep the received bytes, even after a lost connection.
            await target.flush()

    async def _ask(self) -> None:
        """Read the list of files; begin again if it has changed."""
        perm_id = self.job.permId or ""
        found: Dataset = await self.connection.use(CanRead, lambda c: c.dataset(perm_id))
        files = found.files
        if self.job.only is not None:
            wanted = set(self.job.only)
            files = [file for file in files if file.path in wanted]
            if len(files) != len(wanted):
                missing = sorted(wanted - {file.path for file in files})
                raise NotFound(f"The data set has no file {missing[0]}.", missing=missing)
        await beside(len(files), judge_names, files)
        if self.job.files is not None and files != self.job.files:
            await asyncio.to_thread(self.pieces.clear)
            await self.discard()
            self._recount()
        if files != self.job.files:
            self.job.files = files
            self.sizes = await beside(len(files), Sizes.of, self.job)
            await self.save()

    async def _make(self) -> Staging:
        files = self.job.files or []
        return await beside(len(files), self._new, files)

    def _new(self, files: list[File]) -> Staging:
        return Staging(self.place, self.staging, files, self.pieces, self._on_bytes)

    def _missing(self) -> list[Span]:
        spans = []
        for index, file in enumerate(self.job.files or []):
            if not self.pieces.is_checked(index):
                gaps = self.pieces.of(index).extents.missing(0, file.size)
                spans += [Span(file.path, start, stop) for start, stop in gaps]
        return spans

    async def _stopped(self) -> None:
        if self._target is not None:
            self._target.drop()
            await self._target.settle()


class _Checks:
    """Checks each file in the background, as soon as it is complete."""

    def __init__(self, target: Staging) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: set[int] = set()
        self._places = asyncio.Semaphore(CHECKS)

    def add(self, index: int) -> None:
        # Once only: a second check would find no pieces, and read the file.
        if self._target.files[index].directory or index in self._under_way:
            return
        self._under_way.add(index)
        task = asyncio.ensure_future(self._check(index))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    async def all(self) -> None:
        """Add all that are not checked yet, a few at a time."""
        target = self._target
        for index in range(len(target.files)):
            if not target.pieces.is_checked(index):
                self.add(index)
            if len(self._tasks) >= WAITING_CHECKS:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            elif index % WAITING_CHECKS == 0:
                await asyncio.sleep(0)
            if target.failed is not None:
                return

    async def finish(self) -> None:
        """Wait for all checks; re-raise the first failure."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._target.failed is not None:
            raise self._target.failed

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _check(self, index: int) -> None:
        try:
            async with self._places:
                await self._target.check(index)
        finally:
            self._under_way.discard(index)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and not self._target.failed:
            self._target.failed = task.exception()


def judge_place(places: Places | None, place: Path) -> None:
    """Raise Denied if a link in a permId leads `place` elsewhere, or if it is hidden; blocks."""
    if places is not None:
        places.judge(place.parent.resolve() / place.name)


def check_folder(path: str) -> Path:
    """Return the folder of a download; BadRequest or Conflict if it cannot be one."""
    folder = Path(path)
    if not folder.is_absolute() or "\0" in path:
        raise BadRequest("path: must be an absolute path on the Jupyter host.", field="path")
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return folder
    except OSError as error:  # its name is too long
        raise BadRequest(f"path: {error.strerror}.", field="path") from error
    if not is_folder:
        raise Conflict(f"{folder} exists already and is not a folder.", path=path)
    return folder
