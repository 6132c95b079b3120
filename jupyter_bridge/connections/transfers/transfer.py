"""Transfer: one data set on its way, in either direction.

    queued ──▶ running ──▶ done
                 │  ▲  └──▶ failed ──resume──▶ queued
                 ▼  │
               paused (by somebody, or a person has to log in, or this server ended)

From everywhere but `done` it can be cancelled.

What it is about is in `transfer.json`, what of it is done in `pieces` (pieces.py), both in a folder
of its own, so that it goes on after this server was killed and asks again for no more than what was
under way. Whatever a line or a server does for a while is waited out; what will not get better ends
the transfer with its Problem, and `resume` tries again from there.
"""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec

from jupyter_bridge.aio.loop_thread import to_its_end
from jupyter_bridge.aio.news import News
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.transfers.disk_problems import translated
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.staging import Damaged
from jupyter_bridge.models.datasets import File
from jupyter_bridge.models.transfers import TransferModel
from jupyter_bridge.private_files import open_private
from jupyter_bridge.problems import (
    Conflict,
    NeedsLogin,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
)

# How often a reader is told of progress, per second.
TELL_HZ = 4.0
# The time over which the rate is taken: shorter jumps about, longer is of yesterday.
RATE_SECONDS = 5.0
# Seconds between tries while nothing new arrives; after the last one it has failed.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

FINAL = frozenset({"done", "failed", "cancelled"})


class Job(msgspec.Struct, kw_only=True):
    """What a transfer is about; all that has to be known to go on with it."""

    transfer: str
    connection: str
    direction: str
    permId: str | None = None  # noqa: N815
    path: str
    state: str = "queued"
    created: float = msgspec.field(default_factory=time.time)
    # Of a data set: what it consists of. None: not asked for yet.
    files: list[File] | None = None
    # Only these of a download's files; None: all.
    only: list[str] | None = None
    # Of an upload: where the bytes of each file are (with their time of change), what it becomes.
    sources: list[tuple[str, int]] = []
    entity: str = ""
    type: str | None = None
    parents: list[str] = []
    props: dict[str, Any] = {}
    skipped: list[str] = []
    upload: str | None = None
    # Somebody paused it: it does not go on by itself, also not in another process.
    held: bool = False
    problem: dict[str, Any] | None = None


class Transfer(ABC):
    """One download or upload. Made by Transfers; `on_change(transfer, before)` tells of states."""

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
        self.file: str | None = None
        self._find = connection
        self._on_change = on_change
        self._pauses = pauses
        self._done = 0
        self._samples: deque[tuple[float, int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._news = News()
        # Set while nothing is under way: it has ended, or was paused.
        self.answered = asyncio.Event()
        if not self._is_under_way:
            self.answered.set()
        self._saving = asyncio.Lock()
        # The remote is told that all is there; nobody knows what it makes of a half-told one.
        self._completing = False

    @property
    def id(self) -> str:
        return self.job.transfer

    @property
    def size(self) -> int:
        """Bytes held in memory: next to none, its data are on the disk."""
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

    @property
    def total(self) -> int:
        return sum(file.size for file in self.job.files or ())

    def model(self) -> TransferModel:
        """How it stands now."""
        rate = self._rate() if self.state == "running" else 0.0
        total = self.total
        return TransferModel(
            transfer=self.id,
            connection=self.job.connection,
            direction=self.job.direction,
            permId=self.job.permId,
            path=self.job.path,
            state=self.state,
            done=min(self._done, total),
            total=total,
            rate=round(rate, 1),
            eta=round((total - self._done) / rate, 1) if rate > 0 else None,
            file=self.file if self.state == "running" else None,
            files=len(self.job.files or ()),
            created=self.job.created,
            problem=self.job.problem,
            skipped=self.job.skipped,
        )

    async def events(self, after: int = 0) -> AsyncGenerator[tuple[int, str, TransferModel], None]:
        """How it stands, now and whenever that changes, at most 4 times a second, to its end.

        As (number, `progress` or `done`, model): what is past is not told again, whatever `after`.
        """
        told: TransferModel | None = None
        count = 0
        while True:
            changed = self._news.next
            now = self.model()
            is_over = not self._is_under_way
            if now != told:
                told, count = now, count + 1
                yield count, "done" if is_over else "progress", now
            if is_over:
                return
            with anyio.move_on_after(1 / TELL_HZ):
                await changed.wait()

    async def wait(self) -> TransferModel:
        """How it ended (done, failed, cancelled, or paused)."""
        while self._is_under_way:
            await self.answered.wait()
        return self.model()

    # -- what Transfers calls ------------------------------------------------------------------

    async def load(self) -> None:
        """Know again what an earlier process has done."""
        await asyncio.to_thread(self.pieces.load)
        self._done = self.pieces.done

    def start(self, place: asyncio.Semaphore) -> None:
        """Go on as soon as there is a `place`."""
        if self._task is not None:
            raise Conflict(f"The transfer {self.id} is under way.", state=self.state)
        self.job.problem, self.job.held = None, False
        self._enter("queued")
        self._task = asyncio.ensure_future(self._run(place))

    async def cancel(self) -> None:
        """End it now; what was brought so far is thrown away beside."""
        if self.state in ("done", "cancelled"):
            return
        await self._halt("cancelled")
        await self.discard()

    async def pause(self) -> None:
        """Stop, to go on another time (as when this server ends)."""
        if self.state not in FINAL:
            await self._halt("paused")
        await asyncio.to_thread(self.pieces.close)

    async def hold(self) -> None:
        """Stop until somebody resumes it; what came is kept. Conflict where that is not possible.

        Only what is queued or running can be held, and no upload that is just being completed.
        """
        if self.state not in ("queued", "running"):
            raise Conflict(f"The transfer {self.id} is {self.state}.", state=self.state)
        if self._completing:
            raise Conflict(f"The transfer {self.id} is just being completed.", state=self.state)
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        # Until all of it has stopped it is under way, so that nobody resumes it before.
        await self._stopped()
        await asyncio.to_thread(self.pieces.close)
        if self.state in FINAL:
            raise Conflict(f"The transfer {self.id} is {self.state}.", state=self.state)
        self._task = None  # one that was stopped before its first step could not say so
        self.job.held = True
        self._enter("paused")
        await self.save()

    @abstractmethod
    async def discard(self) -> None:
        """Throw away what is not in its place."""

    # -- what the directions do ----------------------------------------------------------------

    @abstractmethod
    async def _work(self) -> None:
        """Go on from what is done until nothing is missing."""

    @abstractmethod
    async def _stopped(self) -> None:
        """The work was stopped; wait until nothing of it is under way."""

    def _on_bytes(self, count: int, path: str) -> None:
        """As many bytes more are done; called by whichever thread brought them."""
        self._done += count
        self.file = path
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] > 0.1:
            self._samples.append((now, self._done))
            while now - self._samples[0][0] > RATE_SECONDS:
                self._samples.popleft()

    def _recount(self) -> None:
        """Something that was done is not."""
        self._done = self.pieces.done

    async def save(self) -> None:
        """Write down what it is about, for another process."""
        async with self._saving:
            data = msgspec.json.encode(self.job)
            path = self.folder / "transfer.json"
            with translated():
                # Whoever saves next must not meet this one at the same file.
                await to_its_end(lambda: _write(path, data))

    # -- below ---------------------------------------------------------------------------------

    async def _run(self, place: asyncio.Semaphore) -> None:
        state, problem = "done", None
        try:
            async with place:
                self._enter("running")
                await self.save()
                await self._tries()
        except asyncio.CancelledError:
            self._task = None
            raise
        except NeedsLogin as error:
            state, problem = "paused", error.to_json()
        except Problem as error:
            state, problem = "failed", error.to_json()
        except Exception as error:
            self.connection.connector.context.log.exception("The transfer %s failed", self.id)
            told = RemoteFailed(f"The transfer failed ({type(error).__name__}).")
            state, problem = "failed", told.to_json()
        # Before anybody hears of the end, who may begin it anew at once.
        await asyncio.to_thread(self.pieces.close)
        self._task = None
        self.job.problem = problem
        self._enter(state)
        await self.save()

    async def _tries(self) -> None:
        """Work, and again after a while, as long as something new comes of it."""
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
                self.job.problem = problem.to_json()
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
    """Whether another try may go better."""
    if isinstance(problem, (Unavailable, Timeout, Damaged)):
        return True
    return int(problem.details.get("remote_status") or 0) >= 500


def _write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    with open(open_private(beside, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(data)
    os.replace(beside, path)
