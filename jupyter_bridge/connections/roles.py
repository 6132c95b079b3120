"""What a connector can do besides logging in, role by role; `can` in the API is their words.

Paths are POSIX, relative, without a leading slash; "" is the top. Sizes and offsets are bytes.
Every method may raise `Expired` (it is then called again after a new login), NotFound, Denied,
Unavailable, Timeout, RemoteFailed. What one remote does not allow the connector names in
`cannot`.
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
from jupyter_bridge.interfaces import Source, Upstream
from jupyter_bridge.models.datasets import Dataset, DatasetType, File, Item
from jupyter_bridge.problems import NotFound, Unsupported


class NewDataset(msgspec.Struct):
    """What is to become a data set: its files (path within the data set, size), and of what.

    `entity` is the object, or for a data store without objects the folder, that it belongs to.
    """

    entity: str
    files: list[File]
    type: str | None = None
    parents: list[str] = []
    props: dict[str, Any] = {}


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `stop` (exclusive) of one file: what a download still lacks."""

    path: str
    start: int
    stop: int


class Sink(Protocol):
    """Where a download's bytes go; the transfer's end of `fetch`."""

    async def write(self, path: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Take `data` for `path` at `offset`; waits where the disk is behind. In any order."""

    async def write_checked(
        self, path: str, offset: int, parts: Sequence[memoryview | bytearray], crc32: int
    ) -> bool:
        """Take `parts`, one after the other, if all of them together have this CRC32.

        False where they have not: nothing of them is kept then. Where the remote checks what it
        sends piece by piece, this reads each byte once; nothing smaller than a file's rest or some
        100 KiB should come this way.
        """

    def inline(self) -> AbstractContextManager[Sink]:
        """The same for a thread of its own (Outbound.apart), which it blocks while it writes.

        What arrives at hundreds of MiB a second is best received and written by one thread.
        """


class Supply(Protocol):
    """Where an upload's bytes come from; the transfer's end of `send`."""

    def file(self, path: str) -> File:
        """The file (its path and whole size) that a span names."""

    async def take(self, span: Span) -> bytes:
        """The bytes of a span; Conflict if the file was changed since the upload was begun."""

    def sent(self, span: Span) -> None:
        """The remote surely has the span that was taken: it need not be sent again."""

    def inline(self) -> AbstractContextManager[SyncSupply]:
        """The same for a thread of its own (Outbound.apart), which it blocks while it reads."""


class SyncSupply(Protocol):
    """A Supply whose bytes are read when they are sent."""

    def file(self, path: str) -> File: ...

    def pieces(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, some at a time; they may be asked for again."""

    def sent(self, span: Span) -> None:
        """The remote surely has the span whose pieces were all taken."""


@dataclass(frozen=True)
class Sshfs:
    """Where and how sshfs mounts a remote. The password goes in by stdin, never as an argument.

    `known_hosts` are lines of a known_hosts file: nothing else is trusted. Without `password` and
    `key_file` the user's agent and keys are asked.
    """

    host: str
    user: str
    path: str = "/"
    port: int = 22
    password: str | None = field(default=None, repr=False)
    key_file: str | None = None
    known_hosts: tuple[str, ...] = ()


class Node(msgspec.Struct, omit_defaults=True):
    """One console that a remote offers; `name` is what `console` takes."""

    name: str
    title: str = ""
    state: str = "live"


class Role(ABC):  # noqa: B024
    """What all roles share: the words that `can` shows for them."""

    words: ClassVar[tuple[str, ...]] = ()


class CanBrowse(Role):
    words = ("browse",)

    @abstractmethod
    async def browse(self, path: str) -> list[Item]:
        """What is at `path`, folders first, then by name."""


class CanRead(Role):
    """Data sets out of the remote."""

    words = ("download",)

    @abstractmethod
    async def dataset(self, perm_id: str) -> Dataset:
        """The data set and all its files, with checksums where they cost nothing to know."""

    async def file(self, perm_id: str, path: str) -> File:
        """One file of a data set; NotFound if there is none. Override it where it is cheaper."""
        for file in (await self.dataset(perm_id)).files:
            if file.path == path and not file.directory:
                return file
        raise NotFound(f"{perm_id} has no file {path}.")

    @abstractmethod
    def read(
        self, perm_id: str, path: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes `start` to `stop` (exclusive; None: the end) of one file, as they come.

        An async generator: whoever stops early closes it. Its pieces are at most 1 MiB.
        """

    async def fetch(self, perm_id: str, spans: Sequence[Span], sink: Sink) -> None:
        """Bring all `spans` into `sink`; returns when every byte was taken.

        Override it where the remote has a faster way than one file after the other. It may be
        cancelled, or raise, at any point; the transfer then asks for what is still missing.
        """
        for span in spans:
            await pour(self.read(perm_id, span.path, span.start, span.stop), span, sink)


class CanWrite(Role):
    """Data sets into the remote: begin, append chunk by chunk, commit."""

    words = ("upload",)

    # No chunk is longer; those of a file that is sent for the first time begin at multiples of it.
    chunk_bytes: ClassVar[int] = 8 << 20
    # As many chunks may be on their way at the same time.
    streams: ClassVar[int] = 4

    @abstractmethod
    async def begin(self, new: NewDataset) -> str:
        """Make room for an upload; its id is good after a restart of this server, too."""

    async def append(self, upload: str, file: File, offset: int, data: bytes) -> None:
        """Send one chunk of `file` (its path and whole size); any order, and again if repeated.

        Nobody but `send` asks for it: one of the two has to be there.
        """
        raise NotImplementedError

    async def send(self, upload: str, spans: Sequence[Span], supply: Supply) -> None:
        """Bring all `spans` to the remote; an empty one is an empty file, or a directory.

        Override it where the remote has a faster way than chunks of one size. It may be cancelled,
        or raise, at any point; the transfer then sends what was not acknowledged.
        """

        async def bring(span: Span) -> None:
            data = await supply.take(span)
            await self.append(upload, supply.file(span.path), span.start, data)
            supply.sent(span)

        await each(bring, chunks_of(spans, self.chunk_bytes), self.streams)

    async def held(self, upload: str, file: File) -> int | None:
        """How many bytes of `file` from its start are surely there; None: nobody knows."""
        return None

    @abstractmethod
    async def commit(self, upload: str, new: NewDataset) -> str:
        """Make it a data set and return its permId; nothing is visible before this."""

    @abstractmethod
    async def abort(self, upload: str) -> None:
        """Throw away what was sent; aborting twice is fine."""


class HasObjects(Role):
    """Objects that data sets belong to, and the types of data sets, as openBIS has them."""

    words = ("objects",)

    @abstractmethod
    async def dataset_types(self) -> list[DatasetType]:
        """As `dataSetTypes` in jupyter-openbis-server's answer."""

    @abstractmethod
    async def check_object(self, identifier: str) -> None:
        """Pass if there is such an object, to which a data set may belong; else NotFound."""

    @abstractmethod
    async def datasets_of(self, identifier: str, start: int, count: int) -> dict[str, Any]:
        """As jupyter-openbis-server's answer for a sample or experiment: dataSets, totalCount…"""


class CanMount(Role):
    words = ("mount",)

    @abstractmethod
    async def sshfs(self) -> Sshfs:
        """What to mount; called when somebody mounts, after a login."""


class Command(ABC):
    """One shell command that the remote runs itself; nothing happens before `events` is read."""

    @abstractmethod
    def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """What happens: `begun`, `output` as in the stream of `POST B/run`, and `done`, the answer.

        Raises the Problem where it does not begin, or is lost.
        """

    @abstractmethod
    async def stop(self) -> None:
        """End it, gently first; `done` follows."""

    @abstractmethod
    async def send_input(self, data: bytes) -> None:
        """Type `data` into it."""


class HasConsoles(Role):
    words = ("consoles",)

    @abstractmethod
    async def consoles(self) -> list[Node]:
        """The consoles that the remote offers now."""

    @abstractmethod
    async def console(self, name: str) -> Source:
        """The line to one of them, not yet opened; NotFound if there is none."""

    async def create_console(self, **how: Any) -> str:
        """Start a new one (cwd, env, rows, cols) and return its name."""
        raise Unsupported("New consoles cannot be started there.")

    async def command(self, name: str, ask: dict[str, Any]) -> Command:
        """A command for the shell in the console `name`; `ask` as the body of `POST B/run`."""
        raise Unsupported(
            "A command cannot be run there: nobody knows whether a shell reads this console's "
            "lines, nor when one has ended. Type it with send or interact, and wait for what it "
            "says with tail and until=<regular expression>."
        )


class HasKernels(Role):
    words = ("kernels",)

    @abstractmethod
    async def kernels(self) -> list[dict[str, Any]]:
        """The kernels that run there, as Jupyter's kernel models."""

    @abstractmethod
    async def kernelspecs(self) -> dict[str, Any]:
        """The kernelspecs there, as Jupyter's `/api/kernelspecs` answers."""

    @abstractmethod
    async def kernel(self, kernel_id: str) -> Upstream:
        """The line to one kernel, not yet opened; NotFound if there is none."""

    @abstractmethod
    async def spawn(self, kernelspec: str, **how: Any) -> dict[str, Any]:
        """Start one (path, env, name) and return its model."""

    @abstractmethod
    async def control(self, kernel_id: str, action: str) -> None:
        """`interrupt`, `restart` or `shutdown` it."""


async def pour(pieces: AsyncIterator[bytes], span: Span, sink: Sink) -> None:
    """Bring the pieces of a span into `sink`; closes their generator."""
    at = span.start
    try:
        async for piece in pieces:
            await sink.write(span.path, at, piece)
            at += len(piece)
    finally:
        await pieces.aclose()  # type: ignore[attr-defined]


def chunks_of(spans: Sequence[Span], size: int) -> Iterator[Span]:
    """The spans again, none longer than `size`."""
    for span in spans:
        for start in range(span.start, max(span.stop, span.start + 1), size):
            yield Span(span.path, start, min(start + size, span.stop))


@functools.cache  # asked for each connection of each list
def words_of(connector: type) -> tuple[str, ...]:
    """What `can` says of a connector: the words of its roles, in the order of its bases."""
    return tuple(
        word
        for base in connector.__mro__
        if issubclass(base, Role)
        for word in vars(base).get("words", ())
    )
