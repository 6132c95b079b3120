"""The bytes of the data store server: fast download, per-file download, upload."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from jupyter_bridge.wire.openbis import fast_download
from jupyter_bridge.wire.openbis.fast_download import Chunk
from tests.simulators.openbis.calls import Calls
from tests.simulators.openbis.store import Refusal, Store

# The size of a write, as in openBIS's own servlet.
PIECE = 256 << 10


@dataclass
class Download:
    """One session of the fast download."""

    token: str
    chunks: list[tuple[str, str, Path, int, int]]  # item, path, file, offset, size
    queue: deque[int] = field(default_factory=deque)
    streams: list[str] = field(default_factory=list)


class Files:
    """The handlers; the store's knobs say which faults occur."""

    def __init__(self, store: Store, calls: Calls) -> None:
        self.store = store
        self.calls = calls
        self.downloads: dict[str, Download] = {}
        self.uploads = 0  # upload requests so far
        self.requests = 0  # fast-download requests so far
        self.sent = 0  # bytes of files sent
        self.received = 0  # bytes of files received

    # -- fast download -------------------------------------------------------------------------

    async def on_transfer(self, request: web.Request) -> web.StreamResponse:
        values = {key: value[0] for key, value in json.loads(await request.read()).items()}
        self.requests += 1
        fault = self.store.knobs.download_faults.pop(self.requests, None)
        if fault is not None:
            return web.Response(status=fault, text="fault")
        if (values.get("version") == "2") is not (self.store.knobs.api >= "3.7"):
            return _error("The version does not fit.", retriable=False)
        method = values.get("method")
        try:
            if method == "startDownloadSession":
                return self._start(values)
            if method == "finishDownloadSession":
                self.downloads.pop(values["downloadSessionId"], None)
                return web.Response()
            download = self.downloads[values["downloadSessionId"]]
            if method == "queue":
                for part in values["ranges"].split(","):
                    download.queue.extend(fast_download.parse_range(part.strip()))
                return web.Response()
            return await self._send_chunks(request, download, values)
        except KeyError as error:
            return _error(f"Unknown {error}", retriable=False)

    def _start(self, values: dict[str, str]) -> web.Response:
        token = self.calls.user_sessions[values["userSessionId"]]
        if self.store.token(token) is None:
            return _error("The user session is not valid.", retriable=False)
        items = values["downloadItemIds"]
        names = (
            json.loads(items)
            if self.store.knobs.api >= "3.7"
            else [item.strip() for item in items.split(",")]
        )
        session, download = secrets.token_hex(8), Download(token, [])
        ranges = {}
        for name in names:
            perm_id, _, inside = name.partition("/")
            path = self.store.data_sets[perm_id].folder / inside
            if not path.is_file():
                return _error(f"Chunks for item ids: {name} were null or empty.", retriable=False)
            first = len(download.chunks)
            step = self.store.knobs.chunk_bytes
            size = path.stat().st_size
            for offset in range(0, max(size, 1), step):
                length = min(step, size - offset)
                download.chunks.append((name, inside, path, offset, length))
            ranges[name] = f"{first}:{len(download.chunks) - 1}"
        wished = int(values["wishedNumberOfStreams"])
        download.streams = [secrets.token_hex(4) for _ in range(min(wished, 5))]
        self.downloads[session] = download
        return web.json_response(
            {"downloadSessionId": session, "ranges": ranges, "streamIds": download.streams}
        )

    async def _send_chunks(
        self, request: web.Request, download: Download, values: dict[str, str]
    ) -> web.StreamResponse:
        if values["downloadStreamId"] not in download.streams:
            return _error("Unknown stream", retriable=False)
        if self.store.knobs.use_up("empty_chunks"):
            return web.Response()
        return await self._send(
            request, self._chunks(download, int(values["numberOfChunks"])), web.StreamResponse()
        )

    async def _chunks(self, download: Download, count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            if not download.queue:
                return
            number = download.queue.popleft()
            item, name, path, offset, length = download.chunks[number]
            payload = await asyncio.to_thread(_read, path, offset, length)
            if name in self.store.knobs.rotten:
                payload = bytes(byte ^ 1 for byte in payload)
            sound = not self.store.knobs.use_up("bad_chunks")
            called = self.store.knobs.hostile_chunks.get(name, name)
            self.sent += length
            yield fast_download.build_chunk(
                Chunk(number, item, called, offset, payload, sound=sound)
            )

    # -- per file ------------------------------------------------------------------------------

    async def on_file(self, request: web.Request) -> web.StreamResponse:
        if self.store.token(request.query.get("sessionID")) is None:
            return web.Response(status=401, text="Session is not valid")
        data_set = self.store.data_sets.get(request.match_info["perm_id"])
        name = request.match_info["path"]
        path = data_set.folder / name if data_set else None
        if path is None or not path.is_file():
            return web.Response(status=404)
        size = path.stat().st_size
        wanted = request.http_range if self.store.knobs.ranges else slice(None)
        start, stop = wanted.start or 0, min(wanted.stop or size, size)
        partial = wanted.start is not None or wanted.stop is not None
        answer = web.StreamResponse(status=206 if partial else 200)
        answer.content_length = stop - start
        if partial:
            answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        flip = name in self.store.knobs.rotten

        async def pieces() -> AsyncIterator[bytes]:
            for offset in range(start, stop, 1 << 20):
                piece = await asyncio.to_thread(_read, path, offset, min(1 << 20, stop - offset))
                self.sent += len(piece)
                yield bytes(byte ^ 1 for byte in piece) if flip else piece

        return await self._send(request, pieces(), answer)

    # -- upload --------------------------------------------------------------------------------

    async def on_upload(self, request: web.Request) -> web.Response:
        query = request.query
        self.uploads += 1
        fault = self.store.knobs.upload_faults.pop(self.uploads, None)
        if fault is not None:
            return web.Response(status=fault, text="<html>fault</html>")
        try:
            token = self.store.check(query["sessionID"]).name
        except Refusal as error:
            return web.Response(status=500, text=str(error))
        name = query["filename"]
        if ".." in name.split("/") or name.startswith("/"):
            return web.Response(status=400, text="A file name must not leave the workspace")
        path = self.store.workspace(token) / name
        if query.get("emptyFolder") == "True":
            path.mkdir(parents=True, exist_ok=True)
            return self._took(query, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        offset = start = int(query["startByte"])
        with path.open("r+b") as target:
            target.seek(offset)
            async for piece in request.content.iter_any():
                if self._drops(offset - start + len(piece)):
                    _abort(request)
                await asyncio.to_thread(target.write, piece)
                offset += len(piece)
                self.received += len(piece)
        return self._took(query, offset - start)

    def _took(self, query: Any, size: int) -> web.Response:
        answer = {
            "id": int(query["id"]),
            "startByte": int(query["startByte"]),
            "endByte": int(query["endByte"]),
            "filename": query["filename"],
            "size": size,
            "status": "ok",
        }
        return web.Response(text=json.dumps(answer), content_type="text/json")

    # -- below ---------------------------------------------------------------------------------

    async def _send(
        self, request: web.Request, pieces: AsyncIterator[bytes], answer: web.StreamResponse
    ) -> web.StreamResponse:
        answer.content_type = "application/octet-stream"
        await answer.prepare(request)
        sent = 0
        async for whole in pieces:
            for piece in _cut(whole, PIECE):
                if self._drops(sent + len(piece)):
                    limit = self.store.knobs.drop_after or 0
                    await answer.write(piece[: max(0, limit - sent)])
                    _abort(request)
                await answer.write(piece)
                sent += len(piece)
        await answer.write_eof()
        return answer

    def _drops(self, total: int) -> bool:
        limit = self.store.knobs.drop_after
        return limit is not None and total > limit and self.store.knobs.use_up("drops")


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("the simulator drops the line")


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb", buffering=0) as source:
        source.seek(offset)
        return source.read(length)


def _cut(data: bytes, size: int) -> Iterable[bytes]:
    view = memoryview(data)
    return (view[start : start + size] for start in range(0, len(data), size))


def _error(message: str, *, retriable: bool) -> web.Response:
    return web.json_response({"error": message, "retriable": retriable})
