"""Archive: the journals of all consoles on disk; one thread writes them and deletes old output.

    <root>/<quoted name>~<epoch>/meta.json   {name, kind, title, epoch, started, ended?, exit?}
                                 lock        held by the server whose console is live
                                 *.log *.idx the Journal
                                 screen.jsonl the sizes and modes of its terminal

Folders are 0700, files 0600. Two servers of one user may share the root: a live console belongs to
the server that holds its lock; any server may read an ended one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_bridge.consoles.journal.about import read_about
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.private_files import open_private, private_folder

# How long an append waits for its write: a burst becomes one write, and a crash loses no more.
WRITE_SECONDS = 0.05
# From this backlog on, data is written at once, long before the producer is paused.
HURRY_BYTES = 2 * 1024 * 1024
# How often old journals are deleted, by age and by total size.
SWEEP_SECONDS = 60.0
# How long a journal is written before the others have their turn. A segment takes 1 ms.
SLICE_SECONDS = 0.05
# How long a stop waits for the disk: what stops the server kills it soon after.
STOP_SECONDS = 20.0
_LOG = logging.getLogger(__name__)
_NAME_BYTES = 180  # a file name has at most 255 bytes; the epoch needs some


class ConsoleRecord:
    """One console's folder: its `meta.json`, and the lock while the console is live."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder = folder
        self.about = about
        self.deleted = False
        self._lock = -1

    def prepare(self) -> None:
        """Create the folder, take the lock, write `meta.json`. Raises OSError."""
        if self._lock >= 0:
            return
        private_folder(self.folder)
        self._lock = _locked(self.folder)
        self.save()

    def save(self) -> None:
        """Write `meta.json` atomically; does nothing if there is no folder."""
        if not self.folder.exists():
            return
        # As ASCII: a remote's text may have a surrogate, which is no UTF-8.
        content = json.dumps(self.about).encode()
        temporary = self.folder / "meta.json.new"
        with open(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            file.write(content)
        temporary.replace(self.folder / "meta.json")

    def release(self) -> None:
        """Release the lock; twice is fine."""
        number, self._lock = self._lock, -1
        if number >= 0:
            os.close(number)

    def delete(self) -> None:
        """Delete the folder."""
        self.deleted = True
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)


class Archive:
    """All records below a root, and the thread that writes; without a root, memory only."""

    def __init__(
        self,
        root: Path | None,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        total_bytes: int = 1024 * 1024 * 1024,
        max_age: float = 7 * 24 * 3600.0,
        on_trouble: Callable[[OSError], None] | None = None,
        log: logging.Logger | logging.LoggerAdapter[Any] = _LOG,
    ) -> None:
        """`on_trouble` is called once if the disk fails."""
        self.root = root
        self._log = log
        self._max_bytes = max_bytes
        self._total_bytes = total_bytes
        self._max_age = max_age
        self._on_trouble = on_trouble
        self._has_reported = False
        self._journals: dict[Journal, ConsoleRecord] = {}
        self._errands: deque[Callable[[], bool]] = deque()
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._swept = time.monotonic()

    def load(self) -> list[tuple[ConsoleRecord, Journal]]:
        """Return every console that no running server holds, oldest first. Reads the disk.

        What cannot be read is named in the log, and left as it is.
        """
        if self.root is None or not self.root.is_dir():
            return []
        found = []
        for path in self.root.iterdir():
            try:
                record = ConsoleRecord(path, read_about(path / "meta.json"))
                os.close(_locked(path))
                found.append((record, self._journal(record)))
            except (FileNotFoundError, NotADirectoryError, BlockingIOError):  # noqa: PERF203
                continue  # incomplete, another program's, or held by another server
            except Exception as error:
                self._log.warning("The console in %s cannot be read: %s", path, _reason(error))
        found.sort(key=lambda pair: str(pair[0].about["started"]))
        self._journals |= {journal: record for record, journal in found}
        return found

    def create(self, about: dict[str, Any]) -> tuple[ConsoleRecord, Journal]:
        """Return a new journal for this `{name, epoch, …}`; the first write makes its folder."""
        folder = (self.root or Path()) / f"{_folder_name(about['name'])}~{about['epoch']}"
        record = ConsoleRecord(folder, about)
        journal = self._journal(record)
        self._journals[journal] = record
        return record, journal

    def _journal(self, record: ConsoleRecord) -> Journal:
        return Journal(
            record.folder if self.root is not None else None,
            str(record.about["epoch"]),
            max_bytes=self._max_bytes,
            prepare=record.prepare,
            on_trouble=lambda error: self._trouble(record, error),
        )

    def _trouble(self, record: ConsoleRecord, error: Exception) -> None:
        """Report a failure: of the disk once, any other for each console."""
        if not isinstance(error, OSError):
            # Not its text, which may quote what the console says.
            kind, name = type(error).__name__, record.about["name"]
            self._log.error("The journal of %s failed, and continues in memory: %s", name, kind)
        elif not self._has_reported and self._on_trouble is not None:
            self._has_reported = True
            self._on_trouble(error)

    def poke(self, backlog: int = 0) -> None:
        """Have appended bytes written soon, or at once if the backlog is large. Cheap."""
        if backlog > HURRY_BYTES:
            self._hurry.set()
        if self.root is not None and not self._work.is_set():
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="bridge-journal", daemon=True
                )
                self._thread.start()
            self._work.set()

    def end(self, record: ConsoleRecord, journal: Journal) -> None:
        """End a console: write all, close the files, save `meta.json`, release the lock."""

        def close() -> bool:
            if not journal.write_pending(SLICE_SECONDS):
                return False
            try:
                journal.close()
                if journal.folder is not None:
                    record.save()
            finally:
                record.release()
            return True

        self._errand(record, close)

    def save(self, record: ConsoleRecord) -> None:
        """Write a record's `meta.json` again, if it has a folder."""

        def save() -> bool:
            record.save()
            return True

        self._errand(record, save)

    def forget(self, record: ConsoleRecord, journal: Journal) -> None:
        """Delete a journal."""
        self._journals.pop(journal, None)

        def delete() -> bool:
            journal.abandon()
            record.delete()
            return True

        self._errand(record, delete)

    def _errand(self, record: ConsoleRecord, work: Callable[[], bool]) -> None:
        """Have the thread call `work` until it returns True."""

        def errand() -> bool:
            try:
                return work()
            except Exception as error:  # the others must still be done
                self._trouble(record, error)
                return True

        if self.root is not None:
            self._errands.append(errand)
            self.poke()

    def stop(self) -> None:
        """Write everything and end the thread. Blocks for STOP_SECONDS at most; twice is fine.

        What a disk does not take in this time is lost; the log says so.
        """
        self._stopped.set()
        self._work.set()
        self._hurry.set()
        if self._thread is None:
            self._finish()
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():  # a daemon: it does not keep the process
            self._log.error("The disk did not take the output of consoles in %g s.", STOP_SECONDS)
        else:
            self._thread = None

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._work.wait(SWEEP_SECONDS)
            self._hurry.wait(WRITE_SECONDS)
            self._work.clear()
            self._hurry.clear()
            if not self._write():
                self._work.set()
                self._hurry.set()
            if time.monotonic() - self._swept > SWEEP_SECONDS:
                try:
                    self.sweep()
                except Exception as error:  # the thread must go on
                    self._log.error("Old output cannot be deleted: %s", _reason(error))
        self._finish()

    def _write(self) -> bool:
        """Give each journal and each errand a turn; tell whether all is written."""
        done = True
        for journal in list(self._journals):
            if journal.has_unwritten:  # thousands have ended, and have nothing to write
                done = journal.write_pending(SLICE_SECONDS) and done
        for _ in range(len(self._errands)):
            errand = self._errands.popleft()
            if not errand():
                self._errands.append(errand)
                done = False
        return done

    def _finish(self) -> None:
        """Write everything and close the files."""
        until = time.monotonic() + STOP_SECONDS
        while not self._write() and time.monotonic() < until:
            pass
        for journal, record in list(self._journals.items()):
            try:
                journal.close(SLICE_SECONDS)
            except Exception as error:
                self._trouble(record, error)
            record.release()

    def sweep(self) -> None:
        """Delete segments that are too old, then the oldest ones until the total fits."""
        self._swept = time.monotonic()
        limit = time.time_ns() - int(self._max_age * 1e9)
        total = sum(journal.disk_bytes for journal in list(self._journals))
        while True:
            ages = [
                (age, id(j), j) for j in list(self._journals) if (age := j.oldest()) is not None
            ]
            if not ages:
                return
            age, _, journal = min(ages)
            if age >= limit and total <= self._total_bytes:
                return
            total -= journal.drop_oldest()
            record = self._journals.get(journal)  # None if it was forgotten meanwhile
            if record is None:
                continue
            if "ended" in record.about and journal.first_offset == journal.end_offset:
                self._journals.pop(journal, None)
                record.delete()


def _reason(error: Exception) -> str:
    """Return what the log may say of an error: no content of a file."""
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _folder_name(name: str) -> str:
    quoted = quote(name, safe="", errors="replace").replace("~", "%7E").replace(".", "%2E")
    if len(quoted) > _NAME_BYTES:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:16]
        return f"{quoted[: _NAME_BYTES - 17]}-{digest}"
    return quoted


def _locked(folder: Path) -> int:
    """Lock this folder; return the open lock file. BlockingIOError if another server has it."""
    number = open_private(folder / "lock", os.O_RDWR)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        raise
    except OSError:
        pass  # a file system without locks: only one server of a user may use it
    return number
