"""Ring: what a kernel said lately, numbered, bounded in bytes.

Every entry has a sequence number that rises by one. Readers keep a cursor into it, and so cost
nothing while they are slow; what is thrown away at the old end is counted, so that a reader who
was too slow can be told how much it missed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.large_json import LARGE

# What one entry costs beside its bytes: the object, its header, its place in the list (measured).
ENTRY_COST = 512
# How many ids of messages no longer held are remembered, so that a gap can be told exactly.
FORGOTTEN_IDS = 10_000
# The old end of the list is cut off when this many dead places have gathered there.
_COMPACT_AT = 4096


class RingEntry(msgspec.Struct, eq=False):
    """One message on one channel.

    `to` is who may see it (None: everybody). `number` counts the messages for everybody so far,
    this one included. The parts are kept joined, as one v1 frame, which is also what most clients
    are sent. Of a large message `frame` is the head alone, and `large` the parts as they came.

    A Struct and no plain object, because the garbage collector tracks a Struct only when it refers
    to something that it tracks (here: a client). Going through the rings again and again was a
    third of the relay's time.
    """

    seq: int
    number: int
    channel: str
    header: kernel.Header
    frame: bytes
    to: object | None
    large: list[bytes] | None = None

    @property
    def parts(self) -> list[bytes]:
        return kernel.parse_v1(self.frame)[1] if self.large is None else self.large

    @property
    def size(self) -> int:
        return len(self.frame) + sum(map(len, self.large or ())) + ENTRY_COST


class Ring:
    """The newest entries of one kernel, at most `limit` bytes of them (one entry always fits)."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        # The next sequence number, and how many messages for everybody have been appended.
        self.end = 1
        self.count = 0
        # How many messages for everybody are no longer held.
        self.forgotten = 0
        self._entries: list[RingEntry | None] = []
        self._head = 0
        self._forgotten_ids: OrderedDict[str, int] = OrderedDict()

    @property
    def first(self) -> int:
        """The sequence number of the oldest entry held; `end` if there is none."""
        return self.end - (len(self._entries) - self._head)

    def append(
        self, channel: str, header: kernel.Header, parts: list[bytes], to: object | None = None
    ) -> RingEntry:
        """Add one message, and let go of the oldest until the rest fits."""
        if to is None:
            self.count += 1
        if sum(map(len, parts)) > LARGE:
            frame, large = kernel.v1_head(channel, parts), parts
        else:
            frame, large = kernel.build_v1(channel, parts), None
        entry = RingEntry(self.end, self.count, channel, header, frame, to, large)
        self._entries.append(entry)
        self.end += 1
        self.bytes += entry.size
        while self.bytes > self.limit and len(self._entries) - self._head > 1:
            self._forget_oldest()
        return entry

    def _forget_oldest(self) -> None:
        entry = self._entries[self._head]
        assert entry is not None
        self._entries[self._head] = None
        self._head += 1
        self.bytes -= entry.size
        if entry.to is None:
            self.forgotten = entry.number
            self._forgotten_ids[entry.header.msg_id] = entry.number
            if len(self._forgotten_ids) > FORGOTTEN_IDS:
                self._forgotten_ids.popitem(last=False)
        if self._head >= _COMPACT_AT and self._head * 2 >= len(self._entries):
            del self._entries[: self._head]
            self._head = 0

    def since(self, seq: int) -> Iterator[RingEntry]:
        """The entries held from `seq` on, oldest first."""
        index = max(seq - self.first, 0) + self._head
        while index < len(self._entries):
            entry = self._entries[index]
            assert entry is not None
            yield entry
            index += 1

    def find(self, msg_id: str) -> RingEntry | None:
        """The entry for everybody with this message id, if it is held (the newest, if several)."""
        for index in range(len(self._entries) - 1, self._head - 1, -1):
            entry = self._entries[index]
            assert entry is not None
            if entry.to is None and entry.header.msg_id == msg_id:
                return entry
        return None

    def number_of_forgotten(self, msg_id: str) -> int | None:
        """The number of a message that is no longer held, while it is remembered."""
        return self._forgotten_ids.get(msg_id)
