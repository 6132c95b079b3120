"""Transfer: an upload or a download of one data set.

    queued ──▶ running ──▶ done
                 │  ▲  └──▶ failed ──resume──▶ queued
                 ▼  │
               paused (by a user, or until a login, or by the end of this server)

From every state but `done` it can be cancelled.

Its folder has the job in `transfer.json` and its progress in `pieces` (progress_log.py), so that it
resumes after this server was killed, and repeats only the chunks that were under way. Temporary
failures of a network or a server are retried; others end the transfer with their Problem, and
`resume` tries again from there.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path

import anyio

from jupyter_bridge.aio.loop_thread import to_its_end
from jupyter_bridge.aio.news import News
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.transfers.disk_problems import translated
from jupyter_bridge.connections.transfers.job import Job, JobFile, Sizes, kept
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.staging import Damaged
from jupyter_bridge.models.transfers import TransferModel
from jupyter_bridge.problems import (
    Conflict,
    NeedsLogin,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
)
from jupyter_bridge.wire.any_text import readable

# How often progress is reported, per second.
TELL_HZ = 4.0
# The time over which the rate is averaged: shorter varies too much, longer is out of date.
RATE_SECONDS = 5.0
# Seconds between tries without new bytes; after the last one the transfer fails.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

FINAL = frozenset({"done", "failed", "cancelled"})


class Transfer(ABC):
    """One download or upload of a TransferStore; `on_change(transfer, before)` reports states."""

    def __init__(
        self,
        job: Job,
        folder: Path,
        connection: Callable[[str], Connection],
        *,
        on_change: Callable[[Transfer, str], None] | None = None,
        pauses: tuple[float, ...] = PAUSES,
        places: Places | None = None,
    ) -> None:
        self.job = job
        self.places = places
        self.folder = folder
        self.pieces = ProgressLog(folder / "pieces")
        self._saved = JobFile(folder / "transfer.json")
        self.file: str | None = None
        self._find = connection
        self._on_change = on_change
        self._pauses = pauses
        self._done = 0
        self.sizes = Sizes.of(job)
        self._samples: deque[tuple[float, int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._news = News()
        # Set while the transfer is ended or paused.
        self.answered = asyncio.Event()
        if not self._is_under_way:
            self.answered.set()
        self._saving = asyncio.Lock()
        # The commit is under way: the outcome of an interrupted one would be unknown.
        self._completing = False

    @property
    def id(self) -> str:
        return self.job.transfer

    @property
    def size(self) -> int:
        """Bytes held in memory: almost none, as its data are on the disk."""
        return 0

    @property
    def state(self) -> str:
        return self.job.state

    @property
    def _is_under_way(self) -> bool:
        return self.state not in FINAL and self.state != "paused"

    @property
    def connection(self) -> Connection:
        return self._find(self.job.connection)

    def model(self) -> TransferModel:
        """Return the present state."""
        rate = self._rate() if self.state == "running" else 0.0
        sizes = self.sizes
        return TransferModel(
            transfer=self.id,
            connection=self.job.connection,
            direction=self.job.direction,
            permId=self.job.permId and readable(self.job.permId),
            path=readable(self.job.path),
            state=self.state,
            done=min(self._done, sizes.total),
            total=sizes.total,
            rate=round(rate, 1),
            eta=round((sizes.total - self._done) / rate, 1) if rate > 0 else None,
            file=readable(self.file) if self.file and self.state == "running" else None,
            files=sizes.files,
            created=self.job.created,
            problem=self.job.problem,
            skipped=sizes.skipped,
            skippedMore=sizes.more_skipped,
        )

    async def events(self, after: int = 0) -> AsyncGenerator[tuple[int, str, TransferModel], None]:
        """Yield the state, now and after changes, at most 4 times a second, to the end.

        As (number, `progress` or `done`, model). Past events are not repeated, whatever `after`.
        """
        reported: TransferModel | None = None
        count = 0
        while True:
            changed = self._news.next
            now = self.model()
            is_over = not self._is_under_way
            if now != reported:
                reported, count = now, count + 1
                yield count, "done" if is_over else "progress", now
            if is_over:
                return
            with anyio.move_on_after(1 / TELL_HZ):
                await changed.wait()

    async def wait(self) -> TransferModel:
        """Wait for the end (done, failed, cancelled, or paused); return the state."""
        while self._is_under_way:
            await self.answered.wait()
        return self.model()

    # -- for TransferStore ---------------------------------------------------------------------

    async def load(self) -> None:
        """Load the progress of an earlier process."""
        await asyncio.to_thread(self.pieces.load)
        self._done = self.pieces.done
        self.rest()

    def rest(self) -> None:
        """Keep the lists on the disk only, once the job is saved."""
        self.job = self.job.resting()
        self.pieces.rest()

    def start(self, place: asyncio.Semaphore) -> None:
        """Start or resume as soon as there is a `place`."""
        if self._task is not None:
            raise Conflict(f"The transfer {self.id} is under way.", state=self.state)
        self.job.problem, self.job.held = None, False
        self._enter("queued")
        self._task = asyncio.ensure_future(self._run(place))

    async def cancel(self) -> None:
        """Cancel now; unfinished data is deleted in the background."""
        if self.state in ("done", "cancelled"):
            return
        await self._halt("cancelled")
        with suppress(Problem):  # without its lists nothing of it can be found
            await self._wake()
        await self.discard()
        await asyncio.to_thread(self.pieces.close)
        self.rest()

    async def pause(self) -> None:
        """Stop because this server ends; the next one resumes it."""
        if self._is_under_way:
            await self._halt("paused")
        await asyncio.to_thread(self.pieces.close)

    async def hold(self) -> None:
        """Stop until a user resumes it; its progress is kept.

        Raises Conflict unless it is queued or running, or if an upload is just being completed.
        """
        if self.state not in ("queued", "running"):
            raise Conflict(f"The transfer {self.id} is {self.state}.", state=self.state)
        if self._completing:
            raise Conflict(f"The transfer {self.id} is just being completed.", state=self.state)
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        # It stays active until all has stopped, so that it is not resumed before.
        await self._stopped()
        await asyncio.to_thread(self.pieces.close)
        if self._task not in (None, task) or not self._is_under_way:  # another call was faster
            raise Conflict(f"The transfer {self.id} is {self.state}.", state=self.state)
        self._task = None  # a task cancelled before its first step keeps it
        self.job.held = True
        self._enter("paused")
        await self._settle()

    @abstractmethod
    async def discard(self) -> None:
        """Delete unfinished data."""

    # -- for Download and Upload ---------------------------------------------------------------

    @abstractmethod
    async def _work(self) -> None:
        """Transfer the missing bytes, and complete the data set."""

    @abstractmethod
    async def _stopped(self) -> None:
        """After `_work` was stopped, wait until all its threads have ended."""

    def _on_bytes(self, count: int, path: str) -> None:
        """Count finished bytes; called by any thread."""
        self._done += count
        self.file = path
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] > 0.1:
            self._samples.append((now, self._done))
            while now - self._samples[0][0] > RATE_SECONDS:
                self._samples.popleft()

    def _recount(self) -> None:
        """Count the finished bytes again, after some were discarded."""
        self._done = self.pieces.done

    async def save(self) -> None:
        """Write the job to disk, for the next process."""
        async with self._saving:
            job = self.job
            with translated():
                # The next save must not write the same file meanwhile.
                await to_its_end(lambda: self._saved.write(job))

    # -- below ---------------------------------------------------------------------------------

    async def _run(self, place: asyncio.Semaphore) -> None:
        state, problem = "done", None
        try:
            async with place:
                self._enter("running")
                await self._wake()
                await self.save()
                await self._tries()
        except asyncio.CancelledError:
            self._task = None
            raise
        except NeedsLogin as error:
            state, problem = "paused", kept(error)
        except Problem as error:
            state, problem = "failed", kept(error)
        except Exception as error:
            self.connection.connector.context.log.exception("The transfer %s failed", self.id)
            failure = RemoteFailed(f"The transfer failed ({type(error).__name__}).")
            state, problem = "failed", failure.to_json()
        # Before the end is reported, as it may be resumed at once.
        await asyncio.to_thread(self.pieces.close)
        self._task = None
        self.job.problem = problem
        self._enter(state)
        await self._settle()

    async def _wake(self) -> None:
        """Read the lists again, if they are on the disk only."""
        if not self.job.at_rest:
            return
        with translated():
            saved = await asyncio.to_thread(self._saved.read)
            await asyncio.to_thread(self.pieces.load)
        self.job = self.job.with_lists(saved)

    async def _settle(self) -> None:
        """Save the job and let it rest, unless it was resumed meanwhile."""
        await self.save()
        if not self._is_under_way:
            self.rest()

    async def _tries(self) -> None:
        """Work, and retry after a pause, as long as new bytes arrive."""
        idle = 0
        while True:
            before = self._done
            try:
                return await self._work()
            except (Unavailable, Timeout, RemoteFailed) as problem:
                if not _may_pass(problem):
                    raise
                idle = 0 if self._done > before else idle + 1
                if idle > len(self._pauses):
                    raise
                self.job.problem = kept(problem)
                await self._stopped()
                await asyncio.sleep(self._pauses[max(0, idle - 1)])
                self.job.problem = None

    async def _halt(self, state: str) -> None:
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            self._task = None
        self._enter(state)
        await self._stopped()
        await self.save()

    def _enter(self, state: str) -> None:
        before, self.job.state = self.job.state, state
        self._samples.clear()
        self._samples.append((time.monotonic(), self._done))
        if self._is_under_way:
            self.answered.clear()
        else:
            self.answered.set()
        self._news.tell()
        if before != state and self._on_change is not None:
            self._on_change(self, before)

    def _rate(self) -> float:
        start, at_start = self._samples[0]
        passed = time.monotonic() - start
        return (self._done - at_start) / passed if passed > 0 else 0.0


def _may_pass(problem: Problem) -> bool:
    """Tell whether a retry may succeed."""
    if isinstance(problem, (Unavailable, Timeout, Damaged)):
        return True
    return int(problem.details.get("remote_status") or 0) >= 500
