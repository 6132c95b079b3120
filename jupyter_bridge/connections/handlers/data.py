"""Data sets and their files: lists, and the bytes themselves."""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.handlers.conns import ConnectionHandler
from jupyter_bridge.connections.roles import CanRead, HasObjects
from jupyter_bridge.connections.transfers.byte_range import parse_range, read
from jupyter_bridge.models.datasets import Dataset, File, TypesModel
from jupyter_bridge.problems import BadRequest, Problem
from jupyter_bridge.web import verb


class PageQuery(msgspec.Struct):
    """A page of data sets: `count` of them from `start_with` on."""

    start_with: Annotated[int, msgspec.Meta(ge=0)] = 0
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 10


class DatasetHandler(ConnectionHandler):
    @verb("read", "Show a data set and its files", reply=Dataset)
    async def get(self, conn: str, perm_id: str) -> None:
        connection = await self.find(conn)
        await self.answer_listing(
            await connection.use(CanRead, lambda connector: connector.dataset(perm_id))
        )


class DatasetTypesHandler(ConnectionHandler):
    @verb("read", "List the types of data sets", reply=TypesModel)
    async def get(self, conn: str) -> TypesModel:
        connection = await self.find(conn)
        types = await connection.use(HasObjects, lambda connector: connector.dataset_types())
        return TypesModel(types)


class SampleHandler(ConnectionHandler):
    @verb("read", "List the data sets of a sample or experiment", query=PageQuery)
    async def get(self, conn: str, identifier: str | None, query: PageQuery) -> dict[str, Any]:
        if not identifier:
            raise BadRequest("Name a sample or an experiment.")
        connection = await self.find(conn)
        page = await connection.use(
            HasObjects,
            lambda connector: connector.datasets_of(identifier, query.start_with, query.count),
        )
        # Strings, as jupyter-openbis-server's front ends expect them.
        asked = {"start_with": str(query.start_with), "count": str(query.count)}
        return {"cwd": self.root_dir, **page, **asked}


class ContentHandler(ConnectionHandler):
    @verb("read", "Download one file, or a Range of it", kinds=("*/*",), also=(206, 416))
    async def get(self, conn: str, perm_id: str, file: str | None = None) -> None:
        connection = await self.find(conn)
        path = file or ""
        known = await connection.use(CanRead, lambda connector: connector.file(perm_id, path))
        start, stop = 0, known.size
        self.set_file_headers(known, path or perm_id)
        asked = self.asked_range()
        if asked is not None:
            try:
                part = parse_range(asked, known.size)
            except ValueError:
                self.set_header("Content-Range", f"bytes */{known.size}")
                self.answer_nothing(416)
                return
            if part is not None:
                start, stop = part
                self.set_status(206)
                self.set_header("Content-Range", f"bytes {start}-{stop - 1}/{known.size}")
        self.set_header("Content-Length", str(stop - start))
        await self.send(connection, perm_id, path, start, stop)

    def asked_range(self) -> str | None:
        """Return the Range, unless the client has another version of the file."""
        unless = self.request.headers.get("If-Range")
        if unless is not None and unless != self._headers.get("Etag"):
            return None
        return self.request.headers.get("Range")

    def set_file_headers(self, known: File, path: str) -> None:
        name = path.rstrip("/").rpartition("/")[2]
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name)}")
        # A remote's file must not run as a page of this server.
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Accept-Ranges", "bytes")
        checksum = known.sha256 or (known.crc32 is not None and f"{known.crc32:08x}")
        if checksum:
            self.set_header("Etag", f'"{checksum}-{known.size}"')

    async def send(
        self, connection: Connection, perm_id: str, path: str, start: int, stop: int
    ) -> None:
        pieces = read(connection, perm_id, path, start, stop)
        sent = 0
        try:
            async for piece in pieces:
                self.write(piece)
                sent += len(piece)
                await self.flush()
            if sent != stop - start:
                self.cut(f"{sent} of {stop - start} bytes came")
                return
            if not self._headers_written:
                await self.flush()
            self.finish()
        except Problem as problem:
            if not self._headers_written:
                self.clear()
                raise
            self.cut(problem.message)
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]
