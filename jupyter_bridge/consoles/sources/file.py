"""A growing file as a console's Source, followed like `tail -F`.

It reports the changes of a FileLog, which has the file's bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from jupyter_bridge.aio.first_use import imported
from jupyter_bridge.aio.serial_worker import SerialWorker, in_worker
from jupyter_bridge.consoles.sources.file_log import FileLog, FilePlace
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import Unsupported

# How often the file is checked if the system reports no changes (network file systems).
POLL_SECONDS = 1.0
# How fast changes are reported, milliseconds.
STEP_MILLISECONDS = 20
# How long closing waits for a file system that does not answer.
CLOSE_SECONDS = 1.0
# How long the thread of an idle file waits for more work, seconds: many files may be read in turn.
WORKER_SECONDS = 0.5


class FileSource(Source):
    """Reports changes of a FileLog; it takes no input."""

    kind = "file"

    def __init__(self, log: FileLog, title: str) -> None:
        self.log = log
        self.title = title
        self.is_missing = log.is_missing
        self._closed = False
        self._stop = asyncio.Event()
        self._watched: set[Path] = set()
        self._moved = asyncio.Event()  # ends the watch of these folders
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: list[asyncio.Task[None]] = []  # cancelled
        self._on_output: Callable[[bytes], None] = lambda data: None

    @classmethod
    async def find(
        cls, root: Path, path: str, *, allow_hidden: bool, wait: bool = False
    ) -> FileSource:
        """Return the source for a path below `root`; raises NotFound or BadRequest.

        With `wait` the file may come later.
        """
        # Its own from the first check: the file system may hang.
        worker = SerialWorker(WORKER_SECONDS)
        place = FilePlace(root, path, allow_hidden)
        return cls(await in_worker(worker, lambda: FileLog(place, worker, wait=wait)), path)

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        self._on_output = on_output

    def follow(self) -> None:
        """Watch the file until `rest`."""
        if not self._tasks and not self._closed:
            self._stop = stop = asyncio.Event()
            watching = (self._watch(stop), self._poll(stop))
            self._tasks = [asyncio.ensure_future(each) for each in watching]

    def rest(self) -> None:
        """Watch the file no longer: nobody waits for more of it."""
        self._stop.set()
        self._moved.set()
        for task in self._tasks:
            task.cancel()
        self._ending = [task for task in (*self._ending, *self._tasks) if not task.done()]
        self._tasks = []

    async def _watch(self, stop: asyncio.Event) -> None:
        await imported("watchfiles")
        try:
            while not stop.is_set():
                self._moved, self._watched = asyncio.Event(), self.log.folders
                await self._watch_folders(self._watched, self._moved)
                await asyncio.sleep(STEP_MILLISECONDS / 1000)
        except (OSError, RuntimeError):
            pass  # no watches left, or a folder is gone: _poll continues

    async def _watch_folders(self, folders: set[Path], moved: asyncio.Event) -> None:
        """Watch until the file may come from other folders."""
        import watchfiles

        async for _ in watchfiles.awatch(
            *folders,
            stop_event=moved,
            step=STEP_MILLISECONDS,
            debounce=STEP_MILLISECONDS,
            recursive=False,
            watch_filter=None,
            rust_timeout=1000,
        ):
            await self.look()

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.look()
            await asyncio.sleep(POLL_SECONDS)

    async def look(self) -> None:
        """Check the file once."""
        if await in_worker(self.log.worker, self.log.refresh):
            self.is_missing = self.log.is_missing
            self._on_output(b"")  # wakes the readers; the log has the bytes already
        if self.log.folders != self._watched:
            self._moved.set()

    async def write(self, data: bytes) -> None:
        raise Unsupported("A file takes no input.")

    async def close(self) -> None:
        self._closed = True
        self.rest()
        await asyncio.gather(*self._ending, return_exceptions=True)
        # If the file system does not answer now, the thread closes the file later.
        closing = asyncio.ensure_future(in_worker(self.log.worker, self.log.close))
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
