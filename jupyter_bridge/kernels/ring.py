"""Ring: a kernel's latest messages, numbered, bounded in bytes; large ones are not copied.

Every entry has a sequence number that rises by one. A reader keeps a cursor into the ring, and so
costs nothing while it is slow. Discarded entries are counted, so that a slow reader learns how many
it missed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.large_json import LARGE

# The memory of one entry besides its bytes: the object, its header, its list slot (measured).
ENTRY_COST = 512
# The number of ids kept of discarded messages, so that the size of a gap is exact.
FORGOTTEN_IDS = 10_000
# The start of the list is cut off when it has this many empty slots.
_COMPACT_AT = 4096


class RingEntry(msgspec.Struct, eq=False):
    """One message on one channel.

    `to` is the only client that sees the message (None: all). `number` counts the messages for all
    clients, including this one. The parts are kept joined as a v1 frame, the form that most clients
    get. Of a large message `frame` is only the head, and `large` the received parts.

    A Struct, because the garbage collector tracks a Struct only if it refers to a tracked object
    (here: a client). Collecting plain objects took a third of the relay's time.
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
    """The newest entries of one kernel, at most `limit` bytes (one entry always fits)."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        # The next sequence number, and the number of messages for all clients so far.
        self.end = 1
        self.count = 0
        # The number of discarded messages for all clients.
        self.forgotten = 0
        self._entries: list[RingEntry | None] = []
        self._head = 0
        self._forgotten_ids: OrderedDict[str, int] = OrderedDict()
        # The sequence number of each held message for all clients; the newest of its id.
        self._seqs: dict[str, int] = {}

    @property
    def first(self) -> int:
        """The sequence number of the oldest entry; `end` if the ring is empty."""
        return self.end - (len(self._entries) - self._head)

    def append(
        self, channel: str, header: kernel.Header, parts: list[bytes], to: object | None = None
    ) -> RingEntry:
        """Add one message, and discard the oldest until the rest fits."""
        if to is None:
            self.count += 1
            self._seqs[header.msg_id] = self.end
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
            msg_id = entry.header.msg_id
            self._forgotten_ids[msg_id] = entry.number
            if self._seqs[msg_id] == entry.seq:
                del self._seqs[msg_id]
            if len(self._forgotten_ids) > FORGOTTEN_IDS:
                self._forgotten_ids.popitem(last=False)
        if self._head >= _COMPACT_AT and self._head * 2 >= len(self._entries):
            del self._entries[: self._head]
            self._head = 0

    def since(self, seq: int) -> Iterator[RingEntry]:
        """Iterate the entries from `seq` on, oldest first."""
        index = max(seq - self.first, 0) + self._head
        while index < len(self._entries):
            entry = self._entries[index]
            assert entry is not None
            yield entry
            index += 1

    def find(self, msg_id: str) -> RingEntry | None:
        """Return the newest entry for all clients with this message id, if any."""
        seq = self._seqs.get(msg_id)
        return None if seq is None else self._entries[seq - self.first + self._head]

    def number_of_forgotten(self, msg_id: str) -> int | None:
        """Return the number of a discarded message, if its id is still known."""
        return self._forgotten_ids.get(msg_id)
