"""ScreenRecord: a console's sizes over time, and its terminal's modes at some offsets.

    screen.jsonl   {"offset": 0, "time": 1700000000000000000, "size": [24, 80]}
                   {"offset": 8388608, "modes": "<escape sequences>"}

It stands beside the segments, and is small: a size for each change, modes where retention has
deleted what had set them. An unreadable line is skipped. Anything but such a file in its place is
left as it is; then the record is in memory only. Thread-safe; `write` has one caller.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from bisect import bisect_right
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_bridge.private_files import open_private, read_regular
from jupyter_bridge.wire.console import MAX_OFFSET

FILE_NAME = "screen.jsonl"
# The most sizes kept of a console, the newest: a window that is dragged has 60 a second.
MAX_SIZES = 10_000
# The size of the file, bytes; a longer one is not ours.
MAX_FILE_BYTES = 4 << 20


class Size(NamedTuple):
    """The screen's size from this offset and time (nanoseconds) on."""

    offset: int
    nanoseconds: int
    rows: int
    cols: int


class ModesAt(NamedTuple):
    """Output that sets the modes of this offset."""

    offset: int
    data: bytes
    is_kept: bool = False


class ScreenRecord:
    """Sizes and modes by offset, both ascending."""

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._sizes: list[Size] = []
        self._modes: list[ModesAt] = []
        self._written = 0  # sizes that are in the file
        self._is_outdated = False  # whether the file has more than is kept, or less
        self._is_ours = True
        if folder is not None:
            self._load(folder / FILE_NAME)

    @property
    def has_unwritten(self) -> bool:
        """Whether the file is not up to date."""
        return self._is_ours and (self._is_outdated or self._written < len(self._sizes))

    def note_size(self, size: Size) -> None:
        """Note the size from now on; does nothing if it is the present one."""
        with self._lock:
            if self._sizes and self._sizes[-1][2:] == size[2:]:
                return
            if self._sizes and self._sizes[-1].offset == size.offset:
                self._sizes.pop()  # nothing was drawn with it
                self._is_outdated = self._is_outdated or self._written > len(self._sizes)
            self._sizes.append(size)
            if len(self._sizes) > MAX_SIZES:
                del self._sizes[: MAX_SIZES // 10]
                self._is_outdated = True

    def sizes(self, start: int, end: int) -> list[Size]:
        """Return the size at `start`, if known, and those up to `end`."""
        with self._lock:
            first = max(0, bisect_right(self._sizes, start, key=lambda size: size.offset) - 1)
            return [size for size in self._sizes[first:] if size.offset < max(end, start + 1)]

    def note_modes(self, modes: ModesAt) -> None:
        """Note the modes at an offset; they stay in memory unless `is_kept`."""
        with self._lock:
            at = bisect_right(self._modes, modes.offset, key=lambda one: one.offset)
            if at and self._modes[at - 1].offset == modes.offset:
                at -= 1
                del self._modes[at]
            self._modes.insert(at, modes)
            self._is_outdated = self._is_outdated or modes.is_kept

    def modes_before(self, offset: int) -> ModesAt:
        """Return the last known modes at or before this offset."""
        with self._lock:
            at = bisect_right(self._modes, offset, key=lambda one: one.offset)
            return self._modes[at - 1] if at else ModesAt(0, b"")

    def drop(self, floor: int) -> None:
        """Forget what is before this offset, except what is needed there."""
        with self._lock:
            sizes = max(0, bisect_right(self._sizes, floor, key=lambda size: size.offset) - 1)
            modes = max(0, bisect_right(self._modes, floor, key=lambda one: one.offset) - 1)
            del self._sizes[:sizes], self._modes[:modes]
            self._is_outdated = self._is_outdated or bool(sizes or modes)

    def write(self, folder: Path) -> None:
        """Bring the file up to date. Raises OSError."""
        with self._lock:
            lines: list[dict[str, Any]] = [
                {"offset": size.offset, "time": size.nanoseconds, "size": [size.rows, size.cols]}
                for size in self._sizes[0 if self._is_outdated else self._written :]
            ]
            is_whole, self._is_outdated = self._is_outdated, False
            if is_whole:
                lines += [
                    {"offset": modes.offset, "modes": modes.data.decode("latin-1")}
                    for modes in self._modes
                    if modes.is_kept
                ]
            self._written = len(self._sizes)
        path = folder / FILE_NAME
        target = path.with_suffix(".new") if is_whole else path
        flags = os.O_WRONLY | (os.O_TRUNC if is_whole else os.O_APPEND)
        with os.fdopen(open_private(target, flags), "w", encoding="ascii") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        if is_whole:
            target.replace(path)

    def _load(self, path: Path) -> None:
        try:
            lines = read_regular(path, MAX_FILE_BYTES).splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            self._is_ours = False
            logging.getLogger(__name__).warning("%s cannot be read: %s", path, error.strerror)
            return
        for line in lines:
            try:
                found = json.loads(line)
                offset = int(found["offset"])
                if not 0 <= offset <= MAX_OFFSET:
                    continue
                if "size" in found:
                    rows, cols = map(int, found["size"])
                    self._sizes.append(Size(offset, int(found["time"]), rows, cols))
                else:
                    data = str(found["modes"]).encode("latin-1")
                    self._modes.append(ModesAt(offset, data, is_kept=True))
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
                continue  # cut by a crash, or not ours
        self._sizes.sort()
        self._modes.sort()
        self._written = len(self._sizes)
