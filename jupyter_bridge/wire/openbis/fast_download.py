"""openBIS's fast download as bytes: the file server's requests and its stream of chunks.

After `createFastDownloadSession` on the DSS, all is POSTed to the `downloadUrl` that it gave, with
a JSON object whose values are lists of one string:

    startDownloadSession  userSessionId, downloadItemIds, wishedNumberOfStreams
        -> {"downloadSessionId", "ranges": {"<item>": "<first>:<last chunk>"}, "streamIds": […]}
    queue                 downloadSessionId, ranges "0:0, 1:4"          -> empty
    download              downloadSessionId, downloadStreamId, numberOfChunks -> chunks
    finishDownloadSession downloadSessionId                              -> empty

Any stream takes the next chunks from the session's only queue. An empty answer means that the queue
is empty (or not filled yet). `downloadItemIds` are
separated by commas up to API 3.6; from 3.7 on they are a JSON list, and `version` is "2".

A chunk is big-endian:

    number u32 | item length u16 | directory u8 | path length u16 | offset u64 | payload length u32
    item | path | CRC32 of all this, u64 | payload | CRC32 of the payload, u64

The path is relative to the data set. In place of a chunk there may be JSON,
`{"error": …, "retriable": bool}`: no chunk number is so large that it begins with a brace.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# openBIS cuts files into chunks of 1 MiB; a larger chunk than this is refused, bytes.
MAX_PAYLOAD = 32 << 20
# Smaller pieces of a payload are joined: a view of a few bytes takes more memory than the bytes.
SMALL_PART = 64 << 10
# An error text is a sentence, or a Java stack trace.
MAX_ERROR = 1 << 20
# A session of 2,000 files names each of them, bytes.
MAX_SESSION = 8 << 20
_HEAD = struct.Struct(">IHBHQI")
_SUM = struct.Struct(">Q")


class ChunkError(ValueError):
    """The stream is damaged: the rest of it cannot be read."""


class ServerError(ValueError):
    """The file server sent an error instead of a chunk; `retriable` is its own claim."""

    def __init__(self, message: str, retriable: bool) -> None:
        super().__init__(message)
        self.retriable = retriable


@dataclass(frozen=True)
class Chunk:
    """One piece of one file. `sound` is False if the payload does not match its CRC32."""

    number: int
    item: str
    path: str
    offset: int
    payload: bytes
    directory: bool = False
    sound: bool = True


@dataclass
class CameChunk:
    """A received chunk: the payload in the network's pieces, not yet checked.

    The writer of the payload reads it anyway, and compares its CRC32 with `check`.
    """

    number: int
    item: str
    path: str
    offset: int
    size: int
    directory: bool
    parts: list[memoryview | bytearray] = field(default_factory=list)
    check: int = 0

    def to_chunk(self) -> Chunk:
        """Return the chunk in one piece, and checked."""
        payload = b"".join(self.parts)
        return Chunk(
            *(self.number, self.item, self.path, self.offset, payload),
            directory=self.directory,
            sound=crc32(payload) == self.check,
        )


class DownloadSession(msgspec.Struct, rename="camel"):
    """The answer of `startDownloadSession`; `ranges` has first and last chunk of each item."""

    download_session_id: str
    ranges: dict[str, str]
    stream_ids: list[str]


class _Reason(msgspec.Struct):
    message: str | None = None


class _ErrorReply(msgspec.Struct):
    error: _Reason | str | None = None
    retriable: bool | None = None


def build_request(method: str, api: tuple[int, int], **values: str | Sequence[str]) -> bytes:
    """Return the body of one request to the file server; `api` is the AS's API version."""
    body = {"version": ["2"]} if api > (3, 6) else {}
    body["method"] = [method]
    for name, value in values.items():
        if isinstance(value, str):
            body[name] = [value]
        elif api > (3, 6):
            body[name] = [msgspec.json.encode(list(value)).decode()]
        else:
            body[name] = [", ".join(value)]
    return msgspec.json.encode(body)


def parse_session(body: bytes) -> DownloadSession:
    """Return the started session; raises ServerError or ChunkError."""
    raise_error(body)
    try:
        return bounded.decode(body, DownloadSession, MAX_SESSION)
    except JSON_ERRORS as error:
        raise ChunkError(f"the answer is not a download session: {error}") from None


def parse_range(text: str, most: int = 1 << 32) -> range:
    """Parse a range of at most `most` chunk numbers, as "3:7"; ChunkError for any other text."""
    first, _, last = text.partition(":")
    try:
        start, stop = int(first), int(last or first) + 1
    except ValueError:
        raise ChunkError(f"{text[:40]!r} is not a range of chunks") from None
    if not 0 <= start < stop <= 1 << 32:
        raise ChunkError(f"{text[:40]!r} is not a range of chunks")
    if stop - start > most:
        raise ChunkError(f"{text[:40]!r} has more chunks than the file can have")
    return range(start, stop)


def build_ranges(numbers: Iterable[int]) -> str:
    """Return the ranges of exactly these chunk numbers, in order."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}:{last}" for first, last in runs)


def raise_error(body: bytes) -> None:
    """Raise ServerError if `body` is an error."""
    if body[:1] != b"{":
        return
    try:
        reply = bounded.decode(body, _ErrorReply, MAX_ERROR)
    except JSON_ERRORS:
        return
    error = reply.error.message if isinstance(reply.error, _Reason) else reply.error
    if reply.error:
        raise ServerError(error or "an error without a message", reply.retriable is not False)


def build_chunk(chunk: Chunk) -> bytes:
    """Encode one chunk (with a wrong CRC32 if it is not `sound`)."""
    item, path = chunk.item.encode(), chunk.path.encode()
    fixed = _HEAD.pack(
        *(chunk.number, len(item), chunk.directory, len(path)),
        *(chunk.offset, len(chunk.payload)),
    )
    head = fixed + item + path
    check = crc32(chunk.payload) ^ (not chunk.sound)
    return b"".join((head, _SUM.pack(crc32(head)), chunk.payload, _SUM.pack(check)))


class ChunkReader:
    """Cuts a stream of bytes, in pieces of any size, into chunks.

    Large pieces are not copied: a chunk's parts are views of the fed bytes. At most one chunk is
    held. A wrong header ends the stream with ChunkError; payloads are not checked.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._error: bytearray | None = None
        self._chunk: CameChunk | None = None
        self._missing = 0
        self._tail = b""

    def feed(self, data: bytes | memoryview) -> list[CameChunk]:
        """Return the chunks that `data` completes."""
        done: list[CameChunk] = []
        view = memoryview(data)
        while view:
            if self._error is not None:
                self._error += view
                if len(self._error) > MAX_ERROR:
                    raise ChunkError("an error without an end")
                break
            if self._chunk is None:
                view = self._feed_head(view)
                continue
            view = self._feed_payload(self._chunk, view)
            if len(self._tail) == _SUM.size:
                (self._chunk.check,) = _SUM.unpack(self._tail)
                done.append(self._chunk)
                self._chunk = None
        return done

    def end(self) -> None:
        """End the stream; raises if it ended within a chunk, or was an error."""
        if self._error is not None:
            raise_error(bytes(self._error))
            raise ChunkError("text instead of chunks")
        if self._head or self._chunk is not None:
            raise ChunkError("the stream broke off within a chunk")

    def _feed_head(self, view: memoryview) -> memoryview:
        if not self._head and view[0] == 0x7B:
            self._error = bytearray()
            return view
        missing = self._head_size() - len(self._head)
        self._head += view[:missing]
        if len(self._head) == self._head_size() and len(self._head) > _HEAD.size:
            self._open()
        return view[missing:]

    def _head_size(self) -> int:
        """Return the header's length, as far as it is known."""
        if len(self._head) < _HEAD.size:
            return _HEAD.size
        _, item, _, path, _, _ = _HEAD.unpack_from(self._head)
        return _HEAD.size + int(item) + int(path) + _SUM.size

    def _open(self) -> None:
        end = len(self._head) - _SUM.size
        (check,) = _SUM.unpack_from(self._head, end)
        number, item, directory, path, offset, size = _HEAD.unpack_from(self._head)
        if check != crc32(memoryview(self._head)[:end]):
            raise ChunkError("a chunk's header does not match its checksum")
        if size > MAX_PAYLOAD:
            raise ChunkError(f"a chunk of {size} bytes")
        names = self._head[_HEAD.size : end]
        try:
            item_name, path_name = names[:item].decode(), names[item : item + path].decode()
        except UnicodeDecodeError:
            raise ChunkError("the name in a chunk is not UTF-8") from None
        self._chunk = CameChunk(number, item_name, path_name, offset, size, bool(directory))
        self._head.clear()
        self._missing = size
        self._tail = b""

    def _feed_payload(self, chunk: CameChunk, view: memoryview) -> memoryview:
        if self._missing:
            piece = view[: self._missing]
            if len(piece) >= SMALL_PART:
                chunk.parts.append(piece)
            elif chunk.parts and isinstance(chunk.parts[-1], bytearray):
                chunk.parts[-1] += piece
            else:
                chunk.parts.append(bytearray(piece))
            self._missing -= len(piece)
            view = view[len(piece) :]
        if not self._missing:
            wanted = _SUM.size - len(self._tail)
            self._tail += bytes(view[:wanted])
            view = view[wanted:]
        return view
