"""The roles of connectors besides logging in; `can` in the API is a list of their words.

Paths are POSIX, relative, without a leading slash; "" is the top. Sizes and offsets are bytes.
Every method may raise `Expired` (it is then called again after a new login), NotFound, Denied,
Unavailable, Timeout, RemoteFailed. A connector lists in `cannot` what its remote does not allow.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import msgspec

from jupyter_bridge.aio.gather import each
from jupyter_bridge.connections.command import Command
from jupyter_bridge.interfaces import Source, Upstream
from jupyter_bridge.models.datasets import Dataset, DatasetType, File, Item
from jupyter_bridge.problems import NotFound, Unsupported


class NewDataset(msgspec.Struct):
    """A data set to create: its files (path within the data set, size) and its owner.

    `entity` is the object that it belongs to; for a data store without objects, the folder.
    """

    entity: str
    files: list[File]
    type: str | None = None
    parents: list[str] = []
    props: dict[str, Any] = {}


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `stop` (exclusive) of one file that a transfer still lacks."""

    path: str
    start: int
    stop: int


class Sink(Protocol):
    """The destination of a download's bytes: the transfer's end of `fetch`."""

    async def write(self, path: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write `data` to `path` at `offset`, in any order; waits if the disk is slower."""

    async def write_checked(
        self, path: str, offset: int, parts: Sequence[memoryview | bytearray], crc32: int
    ) -> bool:
        """Write `parts`, one after the other, if together they have this CRC32.

        Otherwise nothing is kept, and the result is False. For remotes that send a checksum with
        each piece: every byte is read only once. Pieces should have 100 KiB, or end the file.
        """

    def inline(self) -> AbstractContextManager[Sink]:
        """The same for a thread of its own (Outbound.apart), which blocks while it writes.

        Data that arrives at hundreds of MiB/s is best received and written by one thread.
        """


class Supply(Protocol):
    """The source of an upload's bytes: the transfer's end of `send`."""

    def file(self, path: str) -> File:
        """Return the file (its path and whole size) of a span."""

    async def take(self, span: Span) -> bytes:
        """Return the bytes of a span; Conflict if the file has changed since the upload began."""

    def sent(self, span: Span) -> None:
        """The remote has acknowledged the span: it is never sent again."""

    def inline(self) -> AbstractContextManager[SyncSupply]:
        """The same for a thread of its own (Outbound.apart), which blocks while it reads."""


class SyncSupply(Protocol):
    """A Supply whose bytes are read when they are sent."""

    def file(self, path: str) -> File: ...

    def pieces(self, span: Span) -> Iterator[bytes]:
        """Yield the bytes of a span in pieces; it may be called again."""

    def sent(self, span: Span) -> None:
        """The remote has acknowledged the whole span."""


@dataclass(frozen=True)
class Sshfs:
    """Where and how sshfs mounts a remote. The password is passed by stdin, never as an argument.

    `known_hosts` are lines of a known_hosts file; no other host key is trusted. Without `password`
    and `key_file`, the user's agent and keys are used.
    """

    host: str
    user: str
    path: str = "/"
    port: int = 22
    password: str | None = field(default=None, repr=False)
    key_file: str | None = None
    known_hosts: tuple[str, ...] = ()


class Node(msgspec.Struct, omit_defaults=True):
    """One console of a remote; `name` is the argument of `console`."""

    name: str
    title: str = ""
    state: str = "live"


class Role(ABC):  # noqa: B024
    """Base of all roles: the words that `can` shows for them."""

    words: ClassVar[tuple[str, ...]] = ()


class CanBrowse(Role):
    words = ("browse",)

    @abstractmethod
    async def browse(self, path: str) -> list[Item]:
        """Return the items at `path`, folders first, then by name."""


class CanRead(Role):
    """Downloads of data sets."""

    words = ("download",)

    @abstractmethod
    async def dataset(self, perm_id: str) -> Dataset:
        """Return the data set and all its files, with checksums if they cost nothing."""

    async def file(self, perm_id: str, path: str) -> File:
        """Return one file of a data set, or raise NotFound. Override it if that is cheaper."""
        for file in (await self.dataset(perm_id)).files:
            if file.path == path and not file.directory:
                return file
        raise NotFound(f"{perm_id} has no file {path}.")

    @abstractmethod
    def read(
        self, perm_id: str, path: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes `start` to `stop` (exclusive; None: the end) of one file, as they arrive.

        An async generator: a caller that stops early closes it. Its pieces are at most 1 MiB.
        """

    async def fetch(self, perm_id: str, spans: Sequence[Span], sink: Sink) -> None:
        """Write all `spans` to `sink`; return when all bytes are written.

        Override it if the remote has a faster way than one file after the other. It may be
        cancelled, or raise, at any point; the transfer then requests what is still missing.
        """
        for span in spans:
            await pour(self.read(perm_id, span.path, span.start, span.stop), span, sink)


class CanWrite(Role):
    """Uploads of data sets: begin, append chunk by chunk, commit."""

    words = ("upload",)

    # The longest chunk; in the first pass over a file, chunks begin at multiples of it.
    chunk_bytes: ClassVar[int] = 8 << 20
    # Chunks sent at the same time.
    streams: ClassVar[int] = 4

    @abstractmethod
    async def begin(self, new: NewDataset) -> str:
        """Begin an upload; return its id, which outlives this server."""

    async def append(self, upload: str, file: File, offset: int, data: bytes) -> None:
        """Send one chunk of `file` (its path and whole size), in any order, repeated if need be.

        Only `send` calls it: a connector overrides one of the two.
        """
        raise NotImplementedError

    async def send(self, upload: str, spans: Sequence[Span], supply: Supply) -> None:
        """Send all `spans` to the remote; an empty span is an empty file, or a directory.

        Override it if the remote has a faster way than chunks of one size. It may be cancelled, or
        raise, at any point; the transfer then sends what was not acknowledged.
        """

        async def bring(span: Span) -> None:
            data = await supply.take(span)
            await self.append(upload, supply.file(span.path), span.start, data)
            supply.sent(span)

        await each(bring, chunks_of(spans, self.chunk_bytes), self.streams)

    async def held(self, upload: str, file: File) -> int | None:
        """Return how many bytes from the start of `file` the remote has; None: unknown."""
        return None

    @abstractmethod
    async def commit(self, upload: str, new: NewDataset) -> str:
        """Create the data set and return its permId; nothing is visible before."""

    @abstractmethod
    async def abort(self, upload: str) -> None:
        """Delete what was sent; aborting twice is fine."""


class HasObjects(Role):
    """Objects that data sets belong to, and the types of data sets, as openBIS has them."""

    words = ("objects",)

    @abstractmethod
    async def dataset_types(self) -> list[DatasetType]:
        """Return the types, as `dataSetTypes` in jupyter-openbis-server's answer."""

    @abstractmethod
    async def check_object(self, identifier: str) -> None:
        """Raise NotFound unless the object exists and a data set may belong to it."""

    @abstractmethod
    async def datasets_of(self, identifier: str, start: int, count: int) -> dict[str, Any]:
        """Return jupyter-openbis-server's answer for an object: dataSets, totalCount…"""


class CanMount(Role):
    words = ("mount",)

    @abstractmethod
    async def sshfs(self) -> Sshfs:
        """Return what to mount; called after a login."""


class HasConsoles(Role):
    words = ("consoles",)

    @abstractmethod
    async def consoles(self) -> list[Node]:
        """Return the present consoles of the remote."""

    @abstractmethod
    async def console(self, name: str) -> Source:
        """Return the source of one console, not yet opened, or raise NotFound."""

    async def create_console(self, **how: Any) -> str:
        """Start a new console (cwd, env, rows, cols, shell_command) and return its name."""
        raise Unsupported("New consoles cannot be started there.")

    async def command(self, name: str, ask: dict[str, Any]) -> Command:
        """Return a command for the shell of a console; `ask` as the body of `POST B/run`."""
        raise Unsupported(
            "This console cannot run a command: it may have no shell, and does not report when a "
            "command has ended. Type it with send or interact, and wait for its output with tail "
            "and until=<regular expression>."
        )


class HasKernels(Role):
    words = ("kernels",)

    @abstractmethod
    async def kernels(self) -> list[dict[str, Any]]:
        """Return the running kernels, as Jupyter's kernel models."""

    @abstractmethod
    async def kernelspecs(self) -> dict[str, Any]:
        """Return the kernelspecs, as Jupyter's `/api/kernelspecs` answers."""

    @abstractmethod
    async def kernel(self, kernel_id: str) -> Upstream:
        """Return the upstream of one kernel, not yet opened, or raise NotFound."""

    @abstractmethod
    async def spawn(self, kernelspec: str, **how: Any) -> dict[str, Any]:
        """Start a kernel (path, env, name) and return its model."""

    @abstractmethod
    async def control(self, kernel_id: str, action: str) -> None:
        """`interrupt`, `restart` or `shutdown` a kernel."""


async def pour(pieces: AsyncIterator[bytes], span: Span, sink: Sink) -> None:
    """Write the pieces of a span to `sink`, and close their generator."""
    at = span.start
    try:
        async for piece in pieces:
            await sink.write(span.path, at, piece)
            at += len(piece)
    finally:
        await pieces.aclose()  # type: ignore[attr-defined]


def chunks_of(spans: Sequence[Span], size: int) -> Iterator[Span]:
    """Yield the spans, split into parts of at most `size` bytes."""
    for span in spans:
        for start in range(span.start, max(span.stop, span.start + 1), size):
            yield Span(span.path, start, min(start + size, span.stop))


@functools.cache  # called for each connection of each list
def words_of(connector: type) -> tuple[str, ...]:
    """Return a connector's `can`: the words of its roles, in the order of its bases."""
    return tuple(
        word
        for base in connector.__mro__
        if issubclass(base, Role)
        for word in vars(base).get("words", ())
    )
