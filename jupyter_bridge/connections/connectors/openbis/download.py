"""Downloads from openBIS: the fast download in parallel streams, or file by file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any
from urllib.parse import quote

from jupyter_bridge.aio.gather import each, gather
from jupyter_bridge.connections.connectors.openbis.api import Api
from jupyter_bridge.connections.connectors.openbis.models import FastSession
from jupyter_bridge.connections.roles import Sink, Span, pour
from jupyter_bridge.connections.transfers.ranges import ByteRanges
from jupyter_bridge.problems import RemoteFailed, Unavailable
from jupyter_bridge.transport.answers import LISTS, RemoteAnswer
from jupyter_bridge.transport.http import arriving
from jupyter_bridge.wire.openbis import fast_download, rpc
from jupyter_bridge.wire.openbis.fast_download import CameChunk, ChunkError, ServerError

# As in openBIS's own clients; a server gives 5 to 10 to all downloads of a user.
STREAMS = 4
# Chunks in one request: each request costs a round trip.
CHUNKS_A_REQUEST = 16
# The size of openBIS's chunks; if a file has another number of them, request them all.
CHUNK = 1 << 20
# A file in smaller chunks than this is refused, bytes. And the most chunks queued in one round,
# 256 GiB of files: each number takes 100 bytes of memory.
SMALLEST_CHUNK = 16 << 10
MAX_QUEUED = 1 << 18
# Files in one download session, which one request lists.
FILES_A_SESSION = 2000
# Rounds without new bytes before the download fails; each waits twice as long.
IDLE_ROUNDS = 5
FIRST_PAUSE = 0.05


async def read_file(
    api: Api, store: str, perm_id: str, path: str, start: int, stop: int | None
) -> AsyncIterator[bytes]:
    """Yield the bytes of one file, as every version of openBIS can send them."""
    if stop is not None and start >= stop:
        return
    url = f"{store}{rpc.FILES}/{quote(perm_id)}/{quote(path)}?sessionID={quote(api.held)}"
    headers = {}
    if start or stop is not None:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    async with api.outbound.stream("GET", url, headers=headers) as response:
        if response.status not in (200, 206):
            raise await api.judge(
                RemoteAnswer(response.status, response.headers, b""), f"file {path}"
            )
        at = start if response.status == 206 else 0  # an old server sends the whole file
        async for data in arriving(response):
            # Skip the bytes before `start` and after `stop`.
            piece = data[max(0, start - at) :]
            at += len(data)
            if stop is not None and at > stop:
                piece = piece[: len(piece) - (at - stop)]
            if piece:
                yield piece
            if stop is not None and at >= stop:
                return
    if stop is not None:
        raise Unavailable(f"The file {path} ends too early.")


async def fetch_each(api: Api, store: str, perm_id: str, spans: Sequence[Span], sink: Sink) -> None:
    """Fetch file by file, some at the same time."""

    async def bring(span: Span) -> None:
        pieces = read_file(api, store, perm_id, span.path, span.start, span.stop)
        await pour(pieces, span, sink)

    await each(bring, spans, STREAMS)


async def fetch_fast(
    api: Api,
    store: str,
    perm_id: str,
    spans: Sequence[Span],
    sizes: Mapping[str, int],
    sink: Sink,
) -> None:
    """Fetch by the fast download, some thousand files at a time; `sizes` are the files'."""
    by_path: dict[str, list[Span]] = {}
    for span in spans:
        by_path.setdefault(span.path, []).append(span)
    if api.version <= (3, 6):
        # Their list of files is separated by commas, so a name cannot have a comma.
        plain = [span for path, some in by_path.items() if "," in path for span in some]
        by_path = {path: some for path, some in by_path.items() if "," not in path}
        await fetch_each(api, store, perm_id, plain, sink)
    paths = list(by_path)
    for first in range(0, len(paths), FILES_A_SESSION):
        files = {path: by_path[path] for path in paths[first : first + FILES_A_SESSION]}
        await FastDownload(api, store, perm_id, files, sizes, sink).run()


@dataclass
class _File:
    """One file of a session: its size, its chunks, the wanted spans, the bytes that came."""

    path: str
    size: int
    chunks: range
    spans: list[Span]
    came: ByteRanges = field(default_factory=ByteRanges)
    # Whether to request all chunks, as it is unknown which bytes are in which chunk.
    whole: bool = False

    def __post_init__(self) -> None:
        if len(self.chunks) != max(1, -(-self.size // CHUNK)):
            self.ask_whole()

    def ask_whole(self) -> None:
        """Request all chunks from now on, if a round can have as many."""
        self.whole = len(self.chunks) <= MAX_QUEUED

    def missing(self) -> list[tuple[int, int]]:
        return [gap for span in self.spans for gap in self.came.missing(span.start, span.stop)]

    def wanted(self) -> Iterator[int]:
        """Yield the numbers of the chunks that should have the missing bytes; some twice."""
        missing, chunks = self.missing(), self.chunks
        if self.whole and missing:
            yield from chunks
            return
        for start, stop in missing:
            yield from chunks[start // CHUNK : -(-stop // CHUNK)]


def _most_chunks(size: int) -> int:
    """Return how many chunks a file of this size can have; more than MAX_QUEUED are of 1 MiB."""
    if size < 0:  # unknown
        return MAX_QUEUED
    return max(1, min(-(-size // SMALLEST_CHUNK), max(MAX_QUEUED, -(-size // CHUNK))))


class FastDownload:
    """One download session: a queue on the server, emptied by several streams."""

    def __init__(
        self,
        api: Api,
        store: str,
        perm_id: str,
        files: dict[str, list[Span]],
        sizes: Mapping[str, int],
        sink: Sink,
    ) -> None:
        self._api = api
        self._store = store
        self._perm_id = perm_id
        self._spans = files
        self._sizes = sizes
        self._sink = sink
        self._url = ""
        self._session = ""
        self._files: dict[str, _File] = {}  # by item
        self._pending: set[int] = set()
        self._unsound = 0

    async def run(self) -> None:
        """Fetch all spans into the sink; re-raises an error that stopped it."""
        streams = await self._start()
        try:
            await self._rounds(streams)
        finally:
            # In the background, so that a cancel returns at once. Without it, the server ends the
            # session after some time.
            body = self._body("finishDownloadSession", downloadSessionId=self._session)
            self._api.later(lambda outbound: outbound.ask("POST", self._url, body=body))

    async def _start(self) -> list[str]:
        ids = [rpc.file_id(self._perm_id, path) for path in self._spans]
        options = {
            "@type": "dss.dto.datasetfile.fastdownload.FastDownloadSessionOptions",
            "wishedNumberOfStreams": STREAMS,
        }
        made = await self._api.ask_store(
            FastSession,
            "createFastDownloadSession",
            ids,
            options,
            store=self._store,
            limit=LISTS,  # the answer repeats the files
        )
        self._url = made.downloadUrl
        items = [f"{self._perm_id}/{path}" for path in self._spans]
        body = await self._ask(
            "startDownloadSession",
            userSessionId=made.fileTransferUserSessionId,
            downloadItemIds=items,
            wishedNumberOfStreams=str(STREAMS),
        )
        try:
            session = fast_download.parse_session(body)
        except (ServerError, ChunkError) as error:
            raise await self._failed(error) from None
        self._session = session.download_session_id
        for item, (path, spans) in zip(items, self._spans.items(), strict=True):
            if item not in session.ranges:
                raise RemoteFailed(f"openBIS offers no chunks of {path}.", path=path)
            size = self._sizes.get(path, -1)
            try:
                chunks = fast_download.parse_range(session.ranges[item], _most_chunks(size))
            except ChunkError as error:
                raise RemoteFailed(f"openBIS offers no chunks of {path}: {error}.") from None
            self._files[item] = _File(path, size, chunks, spans)
        if not session.stream_ids:
            raise Unavailable("openBIS has no free stream for a download now.")
        return session.stream_ids[:STREAMS]

    async def _rounds(self, streams: list[str]) -> None:
        """Queue the missing chunks and empty the queue, until none is missing."""
        idle = 0
        while pending := self._wanted():
            self._pending = pending
            before = self._arrived()
            ranges = fast_download.build_ranges(pending)
            await self._ask("queue", downloadSessionId=self._session, ranges=ranges)
            await gather([self._drain(stream) for stream in streams])
            if self._arrived() > before:
                idle = 0
                continue
            idle += 1
            if idle >= IDLE_ROUNDS:
                raise RemoteFailed(
                    f"openBIS does not send {len(pending)} chunks of {self._perm_id}"
                    f"{', or sends them damaged' if self._unsound else ''}."
                )
            for file in self._files.values():
                file.ask_whole()
            await asyncio.sleep(FIRST_PAUSE * 2**idle)

    def _wanted(self) -> set[int]:
        numbers = chain.from_iterable(file.wanted() for file in self._files.values())
        return set(islice(numbers, MAX_QUEUED))

    def _arrived(self) -> int:
        return sum(file.came.total for file in self._files.values())

    async def _drain(self, stream: str) -> None:
        """Take chunks off the queue until it is empty, or none is needed."""
        body = self._body(
            "download",
            downloadSessionId=self._session,
            downloadStreamId=stream,
            numberOfChunks=str(CHUNKS_A_REQUEST),
        )
        while self._pending:
            reader, found = fast_download.ChunkReader(), 0
            async with self._api.outbound.stream("POST", self._url, body=body) as response:
                if response.status != 200:
                    answer = RemoteAnswer(response.status, response.headers, b"")
                    raise await self._api.judge(answer, f"chunk of {self._perm_id}")
                try:
                    async for piece in arriving(response):
                        for chunk in reader.feed(piece):
                            found += 1
                            await self._take(chunk)
                    reader.end()
                except (ServerError, ChunkError) as error:
                    raise await self._failed(error) from None
            if not found:
                return

    async def _take(self, chunk: CameChunk) -> None:
        file = self._files.get(chunk.item)
        if file is None or chunk.number not in file.chunks or chunk.path != file.path:
            # Never write to a path of the server's choice.
            raise RemoteFailed(
                f"openBIS sends {chunk.path[:200]!r}, which was not requested.",
                path=chunk.path[:200],
            )
        if chunk.directory:
            raise RemoteFailed(f"openBIS sends {file.path!r} as a folder.", path=file.path)
        if not await self._sink.write_checked(file.path, chunk.offset, chunk.parts, chunk.check):
            self._unsound += 1
            return  # still pending: it will be queued again
        file.came.add(chunk.offset, chunk.offset + chunk.size)
        self._pending.discard(chunk.number)

    async def _ask(self, method: str, **values: Any) -> bytes:
        answer = await self._api.outbound.ask(
            "POST", self._url, body=self._body(method, **values), limit=fast_download.MAX_SESSION
        )
        if answer.status != 200:
            raise await self._api.judge(answer, f"download of {self._perm_id}")
        try:
            fast_download.raise_error(answer.body)
        except ServerError as error:
            raise await self._failed(error) from None
        return answer.body

    def _body(self, method: str, **values: Any) -> bytes:
        return fast_download.build_request(method, self._api.version, **values)

    async def _failed(self, error: ValueError) -> Exception:
        """Return the Problem of an error within the session."""
        problem = await self._api.judge(RemoteAnswer(200, {}, b""), f"download of {self._perm_id}")
        if not isinstance(problem, RemoteFailed):
            return problem
        if isinstance(error, ChunkError) or (isinstance(error, ServerError) and error.retriable):
            return Unavailable(f"The download from openBIS broke off: {str(error)[:200]}")
        return RemoteFailed(f"openBIS refuses the download: {str(error)[:200]}")
