"""TransferStore: all transfers, whether active or ended, also of an earlier process."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from jupyter_bridge.aio.news import News
from jupyter_bridge.aio.result_store import Limits, ResultStore
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.roles import CanRead, CanWrite
from jupyter_bridge.connections.transfers.download import Download, check_folder, judge_place
from jupyter_bridge.connections.transfers.job import Job, JobFile
from jupyter_bridge.connections.transfers.staging import place_of
from jupyter_bridge.connections.transfers.transfer import FINAL, PAUSES, TELL_HZ, Transfer
from jupyter_bridge.connections.transfers.upload import Upload, gather
from jupyter_bridge.models.transfers import TransferModel
from jupyter_bridge.private_files import private_folder
from jupyter_bridge.problems import Busy, Conflict, Problem

# Transfers that run at the same time; each has several streams.
MAX_RUNNING = 4
# How long an ended transfer stays listed, in seconds, and how many at most.
KEEP_SECONDS = 7 * 24 * 3600.0
KEEP_ENDED = 200
# How many may run, wait, or be resumable: those are never dropped automatically.
MAX_OPEN = 1_000
# A failed transfer is not ended: it can be resumed.
ENDED = ("done", "cancelled")
_KINDS: dict[str, type[Transfer]] = {"download": Download, "upload": Upload}


class TransferStore(ResultStore[Transfer]):
    """All transfers; `connection(name)` returns a connection, or raises NotFound.

    `places` checks the paths on this host, again whenever a transfer resumes.
    """

    def __init__(
        self,
        folder: Path,
        connection: Callable[[str], Connection],
        *,
        log: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        on_change: Callable[[Transfer, str], None] | None = None,
        max_running: int = MAX_RUNNING,
        pauses: tuple[float, ...] = PAUSES,
        places: Places | None = None,
    ) -> None:
        super().__init__("transfer", KEEP_SECONDS, Limits(0, 0, KEEP_ENDED, 0))
        self._places = places
        self._folder = folder
        self._connection = connection
        self._log = log or logging.getLogger(__name__)
        self._on_change = on_change
        self._pauses = pauses
        self._place = asyncio.Semaphore(max_running)
        self._closed = False
        self._news = News()

    # -- lists ---------------------------------------------------------------------------------

    def all(self) -> list[Transfer]:
        """Return all transfers, the newest first."""
        return sorted(self, key=lambda one: one.job.created, reverse=True)

    async def watch(self) -> AsyncGenerator[list[TransferModel] | TransferModel, None]:
        """Yield all transfers, then each new or changed one, at most 4 times a second each.

        A change of state is yielded at once. Ends with this server.
        """
        reported = {one.id: one.model() for one in self.all()}
        yield list(reported.values())
        while not self._closed:
            changed, moving = self._news.next, False
            for one in self.all():
                before = reported.get(one.id)
                moving = moving or one.state == "running"
                if before is not None and _is_settled(one, before):
                    continue
                now = one.model()
                if now != before:
                    reported[one.id] = now
                    yield now
            for name in reported.keys() - self._all.keys():
                del reported[name]
            with anyio.move_on_after(1 / TELL_HZ if moving else None):
                await changed.wait()

    def _on_state(self, transfer: Transfer, before: str) -> None:
        if transfer.state in ENDED:
            self.end(transfer)
        self._news.tell()
        if self._on_change is not None:
            self._on_change(transfer, before)

    async def start(self) -> None:
        """Load the transfers of an earlier process, and resume those that were running."""
        for path in await asyncio.to_thread(self._find):
            try:
                job = await asyncio.to_thread(JobFile(path).read)
                transfer = self._make(job)
                await transfer.load()
            except (OSError, KeyError, ValueError) as error:
                self._log.warning("The transfer in %s cannot be read: %s", path.parent, error)
                continue
            self.add(transfer)
            if job.state not in FINAL and not (job.held and job.state == "paused"):
                self._go_on(transfer)
        for one in reversed(self.all()):
            if one.state in ENDED:
                self.end(one, time.time() - one.job.created)
        self._news.tell()

    async def close(self) -> None:
        """Pause all; the next server resumes them."""
        self._closed = True
        self._news.tell()
        await super().close()
        await asyncio.gather(*(one.pause() for one in self))

    # -- actions -------------------------------------------------------------------------------

    async def download(
        self, connection: str, perm_id: str, path: str, only: Sequence[str] | None = None
    ) -> Transfer:
        """Download the data set to `path`/`perm_id`, or `only` some of its files."""
        self._connection(connection)
        folder = await asyncio.to_thread(check_folder, path)
        place = place_of(folder, perm_id, [])
        await asyncio.to_thread(judge_place, self._places, place)
        job = Job(
            transfer=uuid.uuid4().hex,
            connection=connection,
            direction="download",
            permId=perm_id,
            path=str(folder),
            only=None if only is None else sorted(set(only)),
        )
        return await self._add(job, CanRead)

    async def upload(
        self,
        connection: str,
        paths: Sequence[Path],
        entity: str,
        *,
        type: str | None = None,  # noqa: A002
        parents: Sequence[str] = (),
        props: Mapping[str, Any] | None = None,
    ) -> Transfer:
        """Upload `paths` (absolute and checked before) as a data set of `entity`."""
        self._connection(connection)
        gathered = await asyncio.to_thread(gather, list(paths), self._places)
        job = Job(
            transfer=uuid.uuid4().hex,
            connection=connection,
            direction="upload",
            path=str(paths[0]) if len(paths) == 1 else str(paths[0].parent),
            files=gathered.files,
            sources=gathered.sources,
            skipped=gathered.skipped,
            entity=entity,
            type=type,
            parents=list(parents),
            props=dict(props or {}),
        )
        return await self._add(job, CanWrite)

    async def cancel(self, name: str) -> Transfer:
        """Cancel a transfer; it stays listed."""
        transfer = self.get(name)
        await transfer.cancel()
        return transfer

    async def pause(self, name: str) -> Transfer:
        """Pause a transfer until it is resumed; Conflict if it is not active."""
        transfer = self.get(name)
        await transfer.hold()
        return transfer

    async def resume(self, name: str) -> Transfer:
        """Resume a failed or paused transfer."""
        transfer = self.get(name)
        if transfer.state not in ("failed", "paused"):
            raise Conflict(f"The transfer {name} is {transfer.state}.", state=transfer.state)
        transfer.start(self._place)
        return transfer

    # -- below ---------------------------------------------------------------------------------

    async def _add(self, job: Job, role: type[CanRead] | type[CanWrite]) -> Transfer:
        if self._closed:
            raise Conflict("This server is stopping.")
        if sum(one.state not in ENDED for one in self.all()) >= MAX_OPEN:
            raise Busy(f"{MAX_OPEN} transfers wait, or can be resumed. Cancel some first.")
        # Before the job exists, so that an impossible one fails at once.
        await self._connection(job.connection).ready(role)
        transfer = self._make(job)
        await asyncio.to_thread(private_folder, transfer.folder)
        await transfer.save()
        if self._place.locked():
            transfer.rest()
        self.add(transfer)
        transfer.start(self._place)
        self._news.tell()
        return transfer

    def _make(self, job: Job) -> Transfer:
        return _KINDS[job.direction](
            job,
            self._folder / job.transfer,
            self._connection,
            on_change=self._on_state,
            pauses=self._pauses,
            places=self._places,
        )

    def _go_on(self, transfer: Transfer) -> None:
        try:
            transfer.connection  # noqa: B018
        except Problem as problem:
            transfer.job.state, transfer.job.problem = "paused", problem.to_json()
            transfer.answered.set()
            return
        transfer.start(self._place)

    def _find(self) -> list[Path]:
        private_folder(self._folder)
        return sorted(self._folder.glob("*/transfer.json"))

    def _release(self, result: Transfer) -> None:
        shutil.rmtree(result.folder, ignore_errors=True)


def _is_settled(transfer: Transfer, reported: TransferModel) -> bool:
    """Tell whether the model is up to date, without adding up the sizes of a million files."""
    job = transfer.job
    return (
        job.state == reported.state
        and job.state not in ("queued", "running")
        and job.problem is reported.problem
    )
