"""Log: where the bytes of a console are read."""

from __future__ import annotations

from typing import Protocol

from jupyter_bridge.aio.serial_worker import SerialWorker


class Log(Protocol):
    """A console's bytes by absolute offset: a Journal, or a followed file itself."""

    @property
    def worker(self) -> SerialWorker | None:
        """The worker for its blocking calls; None for a log on the server's own disk."""

    @property
    def epoch(self) -> str:
        """Changes when offsets restart, so that an old offset is never misread."""

    @property
    def first_offset(self) -> int:
        """The offset of the oldest byte held."""

    @property
    def end_offset(self) -> int:
        """One past the newest byte."""

    def held(self, offset: int) -> int:
        """Return the first offset held at or after `offset`, or the end."""

    def near(self, offset: int) -> bool:
        """Tell whether `offset` can be read without the disk."""

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes` from `offset`, up to a gap; none at the end or in a gap."""

    def recent(self, max_bytes: int) -> bytes:
        """Return at most `max_bytes` of the last bytes, from memory only."""

    def tail(self, lines: int) -> int:
        """Return the offset at which the last `lines` lines begin."""

    def since(self, when: float) -> int:
        """Return the offset of the first byte since this Unix time, to the index's precision."""

    def times(self, start: int, end: int) -> list[tuple[int, float]]:
        """Return the known (offset, Unix time) pairs from `start` to `end`, ascending."""

    def time_of(self, offset: int) -> float | None:
        """Return the Unix time when the byte at `offset` came; None if unknown. Reads the disk."""

    def sizes(self, start: int, end: int) -> list[tuple[int, float, int, int]]:
        """Return (offset, Unix time, rows, columns) of the size at `start` and of later ones."""

    def modes_at(self, offset: int) -> bytes:
        """Return the escape sequences that set the terminal's modes of this offset."""
