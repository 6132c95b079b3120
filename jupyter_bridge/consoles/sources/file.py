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


class FileSource(Source):
    """Reports changes of a FileLog; it takes no input."""

    kind = "file"

    def __init__(self, log: FileLog, title: str) -> None:
        self.log = log
        self.title = title
        self.is_missing = log.is_missing
        self._closed = False
        self._moved = asyncio.Event()  # ends the present watch
        self._tasks: list[asyncio.Task[None]] = []
        self._on_output: Callable[[bytes], None] = lambda data: None

    @classmethod
    async def find(
        cls, root: Path, path: str, *, allow_hidden: bool, wait: bool = False
    ) -> FileSource:
        """Return the source for a path below `root`; raises NotFound or BadRequest.

        With `wait` the file may come later.
        """
        worker = SerialWorker()  # its own from the first check: the file system may hang
        place = FilePlace(root, path, allow_hidden)
        return cls(await in_worker(worker, lambda: FileLog(place, worker, wait=wait)), path)

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        self._on_output = on_output
        self._tasks = [asyncio.ensure_future(self._watch()), asyncio.ensure_future(self._poll())]

    async def _watch(self) -> None:
        await imported("watchfiles")
        try:
            while not self._closed:
                self._moved.clear()
                await self._watch_folders()
                await asyncio.sleep(STEP_MILLISECONDS / 1000)
        except (OSError, RuntimeError):
            pass  # no watches left, or a folder is gone: _poll continues

    async def _watch_folders(self) -> None:
        """Watch until the file may come from other folders."""
        import watchfiles

        folders = self.log.folders
        async for _ in watchfiles.awatch(
            *folders,
            stop_event=self._moved,
            step=STEP_MILLISECONDS,
            debounce=STEP_MILLISECONDS,
            recursive=False,
            watch_filter=None,
            rust_timeout=1000,
        ):
            await self._look()
            if self.log.folders != folders:
                self._moved.set()

    async def _poll(self) -> None:
        while not self._closed:
            folders = self.log.folders
            await self._look()
            if self.log.folders != folders:
                self._moved.set()
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        if await in_worker(self.log.worker, self.log.refresh):
            self.is_missing = self.log.is_missing
            self._on_output(b"")  # wakes the readers; the log has the bytes already

    async def write(self, data: bytes) -> None:
        raise Unsupported("A file takes no input.")

    async def close(self) -> None:
        self._closed = True
        self._moved.set()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # If the file system does not answer now, the thread closes the file later.
        closing = asyncio.ensure_future(in_worker(self.log.worker, self.log.close))
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
