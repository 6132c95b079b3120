"""What can go wrong, one knob each; tests turn them while the simulator runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Knobs:
    """All off; a count is used up by happening."""

    # 3.5 has per-file downloads only, 3.6 the first fast download, 3.7 the second.
    api: str = "3.7"
    # Seconds before anything is answered.
    latency: float = 0.0
    # Bytes after which a download's answer breaks off, `drops` times.
    drop_after: int | None = None
    drops: int = 1
    # The k-th upload (or fast-download) request, from 1, is answered with this status.
    upload_faults: dict[int, int] = field(default_factory=dict)
    download_faults: dict[int, int] = field(default_factory=dict)
    # As many chunks are sent with a payload that their CRC32 denies.
    bad_chunks: int = 0
    # As many download requests are answered with nothing, as when the queue is not filled yet.
    empty_chunks: int = 0
    # Files whose bytes are another's than their listed CRC32, in sound chunks.
    rotten: set[str] = field(default_factory=set)
    # Seconds that a session lives; what runs at the moment goes on.
    session_seconds: float | None = None
    # Every answer is a redirect to this address.
    redirect: str | None = None
    # What `searchFiles` lists in addition, and what chunks call a file.
    hostile_listing: list[str] = field(default_factory=list)
    hostile_chunks: dict[str, str] = field(default_factory=dict)
    # Whether a repeated object is written as its number.
    references: bool = True
    # Bytes of nonsense in every answer of a call.
    padding: int = 0
    # The size of a chunk of the fast download; openBIS has 1 MiB.
    chunk_bytes: int = 1 << 20
    # The server trusts a range only if it supports ranges; old data store servers do not.
    ranges: bool = True

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def use_up(self, name: str) -> bool:
        """Whether this count was not yet used up; one less is left."""
        with self._lock:
            left = getattr(self, name)
            if left <= 0:
                return False
            setattr(self, name, left - 1)
            return True
