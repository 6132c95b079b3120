"""The possible faults, one knob each; tests set them while the simulator runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Knobs:
    """All faults, off at first; each occurrence reduces a count by one."""

    # 3.5 has only per-file downloads, 3.6 the first fast download, 3.7 the second.
    api: str = "3.7"
    # The delay of every answer, seconds.
    latency: float = 0.0
    # A download's answer is cut after so many bytes, `drops` times.
    drop_after: int | None = None
    drops: int = 1
    # The k-th upload (or fast-download) request, from 1, gets this status.
    upload_faults: dict[int, int] = field(default_factory=dict)
    download_faults: dict[int, int] = field(default_factory=dict)
    # So many chunks are sent with a payload that does not match their CRC32.
    bad_chunks: int = 0
    # So many download requests get an empty answer, as if the queue were not filled yet.
    empty_chunks: int = 0
    # Files whose content does not match their listed CRC32, in valid chunks.
    rotten: set[str] = field(default_factory=set)
    # The lifetime of a session, seconds; running requests continue.
    session_seconds: float | None = None
    # Every answer is a redirect to this address.
    redirect: str | None = None
    # Additional entries of `searchFiles`, and other names of files in chunks.
    hostile_listing: list[str] = field(default_factory=list)
    hostile_chunks: dict[str, str] = field(default_factory=dict)
    # Whether a repeated object is written as its number.
    references: bool = True
    # Random bytes added to every answer of a call.
    padding: int = 0
    # The size of a chunk of the fast download, bytes; 1 MiB in openBIS.
    chunk_bytes: int = 1 << 20
    # The server trusts a range only if it supports ranges; old data store servers do not.
    ranges: bool = True

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def use_up(self, name: str) -> bool:
        """Tell whether the count is above zero, and reduce it by one."""
        with self._lock:
            left = getattr(self, name)
            if left <= 0:
                return False
            setattr(self, name, left - 1)
            return True
