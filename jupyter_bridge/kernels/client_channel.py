"""ClientChannel: one client's seat on a Relay.

A seat has a cursor into the kernel's ring and takes from there at the pace of its own socket. What
it is owed while it does not take costs nothing; if the ring has moved on meanwhile, the first thing
it gets is an iopub message `bridge_gap` that says how much it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from typing import Any, Protocol

import msgspec

from jupyter_bridge.kernels.ring import Ring, RingEntry
from jupyter_bridge.kernels.routing import Requester
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import BadRequest, Denied, Problem
from jupyter_bridge.wire import kernel, websocket
from jupyter_bridge.wire.json_errors import JSON_ERRORS
from jupyter_bridge.wire.large_json import as_utf8

SHELL, IOPUB, STDIN, CONTROL = "shell", "iopub", "stdin", "control"
ALL = frozenset({SHELL, IOPUB, STDIN, CONTROL})
# What a route or a namespace may be called, and the channels a seat there has.
CHANNELS_BY_ROUTE = {
    "channels": ALL,
    SHELL: frozenset({SHELL}),
    IOPUB: frozenset({IOPUB}),
    STDIN: frozenset({STDIN}),
    "stdio": frozenset({STDIN}),
    CONTROL: frozenset({CONTROL}),
}
# Bytes that one write takes at most: enough to be cheap, little enough that a hundred clients who
# do not read hold little.
BATCH = 512 << 10

Encoder = Callable[[RingEntry], bytes]


def encode_v1(entry: RingEntry) -> bytes:
    """The websocket frame of `v1.kernel.websocket.jupyter.org`."""
    return websocket.build_frame(entry.frame)


def encode_default(entry: RingEntry) -> bytes:
    """The websocket frame of the default protocol."""
    return websocket.build_frame(default_frame(entry))


def default_frame(entry: RingEntry) -> str | bytes:
    """The message in the default protocol; where it is not JSON, that it is missing."""
    try:
        return kernel.build_default(entry.channel, entry.parts)
    except kernel.FrameError:
        return kernel.build_default(IOPUB, gap(1, entry.header.session))


def large_v1(entry: RingEntry) -> list[bytes]:
    """The websocket frame of a large message in pieces, its parts as they are."""
    return websocket.frame_pieces([entry.frame, *entry.parts], text=False)


def large_default(entry: RingEntry) -> list[bytes]:
    """The same in the default protocol; looks through the message, so call it in a thread."""
    try:
        pieces = kernel.default_pieces(entry.channel, entry.parts)
    except kernel.FrameError:
        return [encode_default(entry)]
    text = len(entry.parts) == kernel.JSON_PARTS
    if text:
        pieces = [piece for part in pieces for piece in as_utf8(part)]
    return websocket.frame_pieces(pieces, text=text)


def gap(lost: int, session: str, *, exact: bool = True) -> list[bytes]:
    """The message `bridge_gap`: so many messages are missing here."""
    return kernel.build_message("bridge_gap", {"lost": lost, "exact": exact}, session)


class Feed(Protocol):
    """What a channel takes from and sends to: the `Relay` of its kernel."""

    ring: Ring
    session: str
    batches: dict[Any, tuple[int, int, bytes]]

    def send(self, sender: Requester, channel: str, parts: Sequence[bytes]) -> None:
        """Send a message to the kernel."""

    def leave(self, channel: ClientChannel) -> None:
        """The channel was closed."""


class ClientChannel:
    """A seat: `send`, take or iterate what the kernel says, `close`.

    `on_ready` is called on the event loop when there may be something to take again, and once more
    when the seat has ended; it must not block.
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
        # Why nothing more will come; None while the kernel's line is open.
        self.ended: Problem | None = None
        self.closed = False
        # Whether the last `take` left something for the next.
        self.behind = False
        # The next sequence number to look at, and how many messages for everybody lie before it.
        self._cursor = relay.ring.end
        self._seen = relay.ring.count
        self._notices: list[RingEntry] = []

    def start(self, after: str | None) -> None:
        """Stand behind the iopub message `after`, or at the present if that is None."""
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
            # Nobody knows how long ago that was; what is known is how many there may have been.
            self._tell_gap(max(1, ring.forgotten), exact=False)
        elif number < ring.forgotten:
            self._tell_gap(ring.forgotten - number, exact=True)

    def _tell_gap(self, lost: int, *, exact: bool) -> None:
        """Put a `bridge_gap` before whatever comes next."""
        if IOPUB in self.names:
            parts = gap(lost, self.relay.session, exact=exact)
            header = kernel.parse_header(parts[0])
            frame = kernel.build_v1(IOPUB, parts)
            self._notices.append(RingEntry(0, 0, IOPUB, header, frame, self.client))
            metrics.GAPS.inc()

    def check_may_send(self) -> None:
        """Denied on a seat that may only watch, whatever is sent on it."""
        if not self.may_send:
            raise Denied("You may watch this kernel, and not send to it.")

    def send(self, channel: str | None, parts: Sequence[bytes]) -> None:
        """Pass one message on to the kernel, or raise the Problem that ends this seat."""
        self.check_may_send()
        if channel is None:
            # As the host does for clients that name no channel; a seat of one channel means that.
            channel = next(iter(self.names)) if len(self.names) == 1 else SHELL
        if channel not in ALL:
            raise BadRequest(
                f"There is no channel {channel!r}; there are {', '.join(sorted(ALL))}."
            )
        if channel not in self.names or channel == IOPUB:
            raise BadRequest(f"Nothing can be sent on {channel} from here.", channel=channel)
        self.relay.send(self.client, channel, parts)

    def take(self, limit: int = BATCH, *, merge: bool = False) -> list[RingEntry]:
        """What is ready, in order, up to about `limit` bytes; empty if nothing is.

        A large message comes alone.
        With `merge`, stream messages that follow each other become one (the last one's id), which
        is how a client that lags catches up.
        """
        entries = self._take_notices()
        size = 0
        self.behind = False
        for entry in self.relay.ring.since(self._cursor):
            mine = entry.channel in self.names and (entry.to is None or entry.to is self.client)
            if size >= limit or (mine and entries and entry.large is not None):
                self.behind = True
                break
            self._cursor, self._seen = entry.seq + 1, entry.number
            if mine:
                entries.append(entry)
                size += entry.size
        return _merge_streams(entries) if merge else entries

    def take_frames(self, encode: Encoder, *, merge: bool = False) -> bytes | RingEntry:
        """The same as ready-made websocket frames, or one large message.

        They are built once for all seats that stand together.
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
                self._tell_gap(lost, exact=True)
        notices, self._notices = self._notices, []
        return notices

    async def messages(self) -> AsyncIterator[RingEntry]:
        """Every message for this seat as it comes; raises the Problem when the line ends."""
        ready = asyncio.Event()
        self.on_ready = ready.set
        while True:
            ready.clear()
            for entry in self.take(merge=self.behind):
                yield entry
            if not self.exhausted:
                continue
            if self.ended is not None:
                raise self.ended
            if self.closed:
                return
            await ready.wait()

    @property
    def exhausted(self) -> bool:
        """Whether everything that was said has been taken."""
        return self._cursor >= self.relay.ring.end and not self._notices

    def end(self, problem: Problem) -> None:
        """The line has ended; what is still held can be taken."""
        if self.ended is None and not self.closed:
            self.ended = problem
            self.on_ready()

    def close(self) -> None:
        """Leave the seat; closing twice is fine."""
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
    """Adjacent streams of one name and one parent as one message; everything else as it is."""
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
        return None  # not ours to mend: it goes on as it came


def _join(run: list[tuple[RingEntry, _Stream, bytes]]) -> RingEntry:
    last, stream, parent = run[-1]
    if len(run) == 1:
        return last
    parts = last.parts
    text = "".join(piece.text for _, piece, _ in run)
    content = msgspec.json.encode({"name": stream.name, "text": text})
    frame = kernel.build_v1(IOPUB, [parts[0], parent, parts[2], content, *parts[4:]])
    return RingEntry(last.seq, last.number, IOPUB, last.header, frame, last.to)
