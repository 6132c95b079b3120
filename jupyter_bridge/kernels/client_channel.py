"""ClientChannel: one client's place on a Relay.

A client channel has a cursor into the kernel's ring and reads at the pace of its own socket. Unread
messages cost nothing; if the ring has discarded some of them, the client first gets an iopub
message `bridge_gap` with their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from typing import Any, Protocol

import msgspec

from jupyter_bridge.aio.news import News
from jupyter_bridge.kernels.ring import Ring, RingEntry
from jupyter_bridge.kernels.routing import Requester
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import BadRequest, Denied, Problem
from jupyter_bridge.wire import kernel, websocket
from jupyter_bridge.wire.json_errors import JSON_ERRORS
from jupyter_bridge.wire.large_json import as_utf8

SHELL, IOPUB, STDIN, CONTROL = "shell", "iopub", "stdin", "control"
ALL = frozenset({SHELL, IOPUB, STDIN, CONTROL})
# The channels of each route and namespace.
CHANNELS_BY_ROUTE = {
    "channels": ALL,
    SHELL: frozenset({SHELL}),
    IOPUB: frozenset({IOPUB}),
    STDIN: frozenset({STDIN}),
    "stdio": frozenset({STDIN}),
    CONTROL: frozenset({CONTROL}),
}
# The most bytes of one write: large enough to be cheap, small enough that a hundred clients that
# do not read hold little memory.
BATCH = 512 << 10
# The most messages that one `take` looks at, most of them perhaps for others: this takes 0.3 ms.
LOOK = 2000

Encoder = Callable[[RingEntry], bytes]


def encode_v1(entry: RingEntry) -> bytes:
    """Return the websocket frame of `v1.kernel.websocket.jupyter.org`."""
    return websocket.build_frame(entry.frame)


def encode_default(entry: RingEntry) -> bytes:
    """Return the websocket frame of the default protocol."""
    return websocket.build_frame(default_frame(entry))


def default_frame(entry: RingEntry) -> str | bytes:
    """Return the message in the default protocol, or a gap if the message is not JSON."""
    try:
        return kernel.build_default(entry.channel, entry.parts)
    except kernel.FrameError:
        return kernel.build_default(IOPUB, gap(1, entry.header.session))


def large_v1(entry: RingEntry) -> list[bytes]:
    """Return the websocket frame of a large message in pieces, without copying its parts."""
    return websocket.frame_pieces([entry.frame, *entry.parts], text=False)


def large_default(entry: RingEntry) -> list[bytes]:
    """The same in the default protocol; scans the message, so call it in a thread."""
    try:
        pieces = kernel.default_pieces(entry.channel, entry.parts)
    except kernel.FrameError:
        return [encode_default(entry)]
    text = len(entry.parts) == kernel.JSON_PARTS
    if text:
        pieces = [piece for part in pieces for piece in as_utf8(part)]
    return websocket.frame_pieces(pieces, text=text)


def gap(lost: int, session: str, *, exact: bool = True) -> list[bytes]:
    """Return the message `bridge_gap`: `lost` messages are missing here."""
    return kernel.build_message("bridge_gap", {"lost": lost, "exact": exact}, session)


class Feed(Protocol):
    """The part of `Relay` that a client channel uses."""

    ring: Ring
    session: str
    batches: dict[Any, tuple[int, int, bytes]]

    def send(self, sender: Requester, channel: str, parts: Sequence[bytes]) -> None:
        """Send a message to the kernel."""

    def leave(self, channel: ClientChannel) -> None:
        """Remove a closed channel."""


class ClientChannel:
    """One client's place: `send`, `take` or iterate the kernel's messages, `close`.

    `on_ready` is called on the event loop when there may be new messages, and once more when the
    channel has ended; it must not block.
    """

    def __init__(
        self,
        relay: Feed,
        client: Requester,
        names: frozenset[str],
        *,
        may_send: bool,
        on_ready: Callable[[], None],
    ) -> None:
        self.relay = relay
        self.client = client
        self.names = names
        self.may_send = may_send
        self.on_ready = on_ready
        # The reason of the end; None while the relay is open.
        self.ended: Problem | None = None
        self.closed = False
        # Whether the last `take` left messages for the next.
        self.behind = False
        # The next sequence number to read, and the number of messages for all clients before it.
        self._cursor = relay.ring.end
        self._seen = relay.ring.count
        self._notices: list[RingEntry] = []

    def start(self, after: str | None) -> None:
        """Move the cursor behind the iopub message `after`, or to the present if None."""
        if after is None:
            return
        ring = self.relay.ring
        found = ring.find(after)
        if found is not None:
            self._cursor, self._seen = found.seq + 1, found.number
            return
        number = ring.number_of_forgotten(after)
        self._cursor, self._seen = ring.first, ring.forgotten
        if number is None:
            # The position of `after` is unknown; all forgotten messages may be missing.
            self._add_gap(max(1, ring.forgotten), exact=False)
        elif number < ring.forgotten:
            self._add_gap(ring.forgotten - number, exact=True)

    def _add_gap(self, lost: int, *, exact: bool) -> None:
        """Put a `bridge_gap` before the next message."""
        if IOPUB in self.names:
            parts = gap(lost, self.relay.session, exact=exact)
            header = kernel.parse_header(parts[0])
            frame = kernel.build_v1(IOPUB, parts)
            self._notices.append(RingEntry(0, 0, IOPUB, header, frame, self.client))
            metrics.GAPS.inc()

    def check_may_send(self) -> None:
        """Raise Denied if the client may only watch."""
        if not self.may_send:
            raise Denied("You may watch this kernel, but not send to it.")

    def send(self, channel: str | None, parts: Sequence[bytes]) -> None:
        """Send one message to the kernel; a Problem raised here ends this channel."""
        self.check_may_send()
        if channel is None:
            # As the host does for a message without a channel, unless there is only one channel.
            channel = next(iter(self.names)) if len(self.names) == 1 else SHELL
        if channel not in ALL:
            raise BadRequest(f"No channel named {channel!r}. Available: {', '.join(sorted(ALL))}.")
        if channel not in self.names or channel == IOPUB:
            raise BadRequest(f"You cannot send on {channel} here.", channel=channel)
        self.relay.send(self.client, channel, parts)

    def take(self, limit: int = BATCH, *, merge: bool = False) -> list[RingEntry]:
        """Return the waiting messages in order, up to about `limit` bytes; a large message alone.

        None of the first LOOK waiting messages may be for this client; `behind` tells of others.
        With `merge`, consecutive stream messages become one (with the last id), so that a slow
        client catches up.
        """
        entries = self._take_notices()
        size = 0
        self.behind = False
        end = self._cursor + LOOK
        for entry in self.relay.ring.since(self._cursor):
            mine = entry.channel in self.names and (entry.to is None or entry.to is self.client)
            if entry.seq >= end or size >= limit or (mine and entries and entry.large is not None):
                self.behind = True
                break
            self._cursor, self._seen = entry.seq + 1, entry.number
            if mine:
                entries.append(entry)
                size += entry.size
        return _merge_streams(entries) if merge else entries

    def take_frames(self, encode: Encoder, *, merge: bool = False) -> bytes | RingEntry:
        """The same as encoded websocket frames, or one large message.

        Frames are built once for all channels at the same position.
        """
        ring = self.relay.ring
        if merge or self._notices or self._cursor < ring.first:
            return _frames(encode, self.take(merge=merge))
        if self._cursor == ring.end:
            return b""
        key = (self._cursor, self.names, encode)
        batch = self.relay.batches.get(key)
        if batch is not None:
            self._cursor, self._seen, frames = batch
            return frames
        start = self._cursor
        taken_frames = _frames(encode, self.take())
        if isinstance(taken_frames, RingEntry):
            return taken_frames
        frames = taken_frames
        taken = islice(ring.since(start), self._cursor - start)
        if all(entry.to is None for entry in taken):
            self.relay.batches[key] = (self._cursor, self._seen, frames)
        return frames

    def _take_notices(self) -> list[RingEntry]:
        ring = self.relay.ring
        if self._cursor < ring.first:
            lost = ring.forgotten - self._seen
            self._cursor, self._seen = ring.first, ring.forgotten
            if lost > 0:
                self._add_gap(lost, exact=True)
        notices, self._notices = self._notices, []
        return notices

    async def messages(self) -> AsyncIterator[RingEntry]:
        """Yield every message as it comes; raise the Problem when the relay ends."""
        news = News()
        self.on_ready = news.tell
        while True:
            more = news.next
            for entry in self.take(merge=self.behind):
                yield entry
            if not self.exhausted:
                await asyncio.sleep(0)
                continue
            if self.ended is not None:
                raise self.ended
            if self.closed:
                return
            await more.wait()

    @property
    def exhausted(self) -> bool:
        """Whether no messages wait."""
        return self._cursor >= self.relay.ring.end and not self._notices

    def end(self, problem: Problem) -> None:
        """End with `problem`; messages in the ring can still be taken."""
        if self.ended is None and not self.closed:
            self.ended = problem
            self.on_ready()

    def close(self) -> None:
        """Leave the relay; closing twice is fine."""
        if not self.closed:
            self.closed = True
            self.relay.leave(self)
            self.on_ready()


def _frames(encode: Encoder, entries: list[RingEntry]) -> bytes | RingEntry:
    if entries and entries[-1].large is not None:
        return entries[-1]
    return b"".join(map(encode, entries))


class _Stream(msgspec.Struct):
    name: str
    text: str


_decode_stream = msgspec.json.Decoder(_Stream).decode


def _merge_streams(entries: list[RingEntry]) -> list[RingEntry]:
    """Merge adjacent streams of one name and parent into one message; keep all others."""
    merged: list[RingEntry] = []
    run: list[tuple[RingEntry, _Stream, bytes]] = []
    for entry in entries:
        stream = _stream_in(entry)
        if run and not (stream and (stream[1].name, stream[2]) == (run[0][1].name, run[0][2])):
            merged.append(_join(run))
            run = []
        if stream:
            run.append(stream)
        else:
            merged.append(entry)
    if run:
        merged.append(_join(run))
    return merged


def _stream_in(entry: RingEntry) -> tuple[RingEntry, _Stream, bytes] | None:
    if entry.channel != IOPUB or entry.header.msg_type != "stream" or entry.large is not None:
        return None
    parts = entry.parts
    try:
        return entry, _decode_stream(parts[3]), parts[1]
    except JSON_ERRORS:
        return None  # malformed: pass it on unchanged


def _join(run: list[tuple[RingEntry, _Stream, bytes]]) -> RingEntry:
    last, stream, parent = run[-1]
    if len(run) == 1:
        return last
    parts = last.parts
    text = "".join(piece.text for _, piece, _ in run)
    content = msgspec.json.encode({"name": stream.name, "text": text})
    frame = kernel.build_v1(IOPUB, [parts[0], parent, parts[2], content, *parts[4:]])
    return RingEntry(last.seq, last.number, IOPUB, last.header, frame, last.to)
