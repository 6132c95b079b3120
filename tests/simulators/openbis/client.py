"""The openBIS connector with the simulator, for tests."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Context
from jupyter_bridge.connections.connectors.openbis.connector import OpenBis, OpenBisFields
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.net.tls import TLSSettings
from jupyter_bridge.connections.roles import Span
from jupyter_bridge.models.datasets import File


@asynccontextmanager
async def connection(
    url: str, folder: Path, *, trust: TLSSettings | None = None, **fields: Any
) -> AsyncIterator[Connection]:
    """A connection to the openBIS at `url`, as user ada unless `fields` change that."""
    if "token" not in fields:
        fields = {"username": "ada", "password": "secret", **fields}
    outbound = Outbound(AddressPolicy(allow_loopback=True), trust)
    context = Context("bis", outbound, folder, folder, logging.getLogger("openbis"))
    made = Connection("bis", OpenBis(OpenBisFields(url=url, **fields), context))
    try:
        yield made
    finally:
        await made.close()
        await asyncio.sleep(0.02)  # the loop releases aborted connections one turn later


class MemorySink:
    """Stores a download in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}

    async def write(self, path: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        file = self.files.setdefault(path, bytearray())
        file.extend(bytes(max(0, offset + len(data) - len(file))))
        file[offset : offset + len(data)] = data

    async def write_checked(
        self, path: str, offset: int, parts: Sequence[memoryview | bytearray], crc32: int
    ) -> bool:
        data = b"".join(parts)
        if zlib.crc32(data) != crc32:
            return False
        await self.write(path, offset, data)
        return True

    def inline(self) -> AbstractContextManager[MemorySink]:
        return nullcontext(self)


class MemorySupply:
    """Supplies an upload from memory, and records what the remote has received."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self.has: list[Span] = []

    def file(self, path: str) -> File:
        return File(path, len(self._files[path]))

    async def take(self, span: Span) -> bytes:
        return b"".join(self.pieces(span))

    def pieces(self, span: Span) -> Iterator[bytes]:
        for start in range(span.start, span.stop, 100_000):
            yield self._files[span.path][start : min(start + 100_000, span.stop)]

    def sent(self, span: Span) -> None:
        self.has.append(span)

    def inline(self) -> AbstractContextManager[MemorySupply]:
        return nullcontext(self)
