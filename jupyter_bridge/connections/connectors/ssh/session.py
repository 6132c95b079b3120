"""One logged-in SFTP session: requests with deadlines, files in pieces, errors as Problems."""

from __future__ import annotations

import asyncio
import posixpath
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TypeVar, cast

import asyncssh

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.gather import each
from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.connections.connector import Expired
from jupyter_bridge.connections.listing import MAX_ENTRIES, MAX_NAMES, MAX_PATH, Count
from jupyter_bridge.models.datasets import File, Item
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Denied,
    NotFound,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
    Unsupported,
)
from jupyter_bridge.transport.answers import sentence
from jupyter_bridge.wire.times import from_epoch

# One piece of a file; asyncssh requests all its blocks at once.
PIECE = 1 << 20
# Pieces requested ahead of the reader, so that the network is never idle.
_AHEAD = 3
# Files transferred at the same time: opening and closing small ones costs round trips.
FILES = 8
# The deadline of a request; a folder of 100,000 entries takes 5 s. Seconds.
_ANSWER = 60.0
# The folder of an unfinished upload has this name and the upload's, which nobody can guess. It is
# on the same file system as the target, and never listed.
INCOMING = ".jupyter-bridge-incoming"

T = TypeVar("T")
R = TypeVar("R")


def clean(path: str) -> str:
    """Return the normalized path; Denied if it has `..`, NotFound if it is hidden."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise Denied(f"{path!r} leads outside.")
    if any(part.startswith(INCOMING) for part in parts):
        raise NotFound(f"There is no {path}.")
    return "/".join(parts)


def _is_left_out(name: str) -> bool:
    """Tell whether an entry of a folder is never listed."""
    return name in (".", "..") or name.startswith(INCOMING)


class SftpSession:
    """An SFTP client below `root`, an absolute path on the remote."""

    def __init__(
        self, line: asyncssh.SSHClientConnection, client: asyncssh.SFTPClient, root: str
    ) -> None:
        self.line = line
        self.root = root
        self.made: set[str] = set()  # folders of uploads that exist already
        self._client = client
        self._late = TaskSet()  # files opened after their caller was cancelled

    @classmethod
    async def start(cls, line: asyncssh.SSHClientConnection, path: str) -> SftpSession:
        """Start a session with the root `path`; NotFound if that is not a folder."""
        try:
            client = await within(_ANSWER, line.start_sftp_client(path_errors="surrogateescape"))
        except (asyncssh.Error, asyncio.TimeoutError) as error:
            raise translate(error, "SFTP") from error
        session = cls(line, client, "/")
        root = str(await session.ask(path, lambda sftp: sftp.realpath(path or ".")))
        if not await session.is_folder(root):
            raise NotFound(f"No folder named {root} on the remote.")
        if len(root) > MAX_PATH:
            raise RemoteFailed("The SFTP server's home is not a valid path.")
        session.root = root
        return session

    def path(self, path: str) -> str:
        """Return the absolute path of a path below the root."""
        return posixpath.join(self.root, clean(path)).rstrip("/") or "/"

    async def ask(self, what: str, do: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """Return the result of `do` within the deadline; errors name `what`."""
        try:
            return await within(_ANSWER, do(self._client))
        except (asyncssh.Error, asyncio.TimeoutError, OSError) as error:
            raise translate(error, what) from error

    async def is_folder(self, target: str) -> bool:
        """Tell whether the absolute path `target` is a folder; NotFound if it does not exist."""
        attributes = await self.ask(target, lambda sftp: sftp.stat(target))
        return attributes.type == asyncssh.FILEXFER_TYPE_DIRECTORY

    async def items(self, path: str) -> list[Item]:
        """Return the items of a folder; links are followed."""
        folder = self.path(path)
        names = await self._names(path, folder)
        known = [name for name in names if not _is_left_out(str(name.filename))]
        count = Count.of_folder(path, RemoteFailed)

        async def item(name: asyncssh.SFTPName) -> Item:
            own = posixpath.join(clean(path), str(name.filename))
            count.add(own)
            attributes = name.attrs
            if attributes.type == asyncssh.FILEXFER_TYPE_SYMLINK:
                try:
                    attributes = await self.ask(own, lambda sftp: sftp.stat(self.path(own)))
                except Problem:  # a dangling link
                    return Item(str(name.filename), own, "link")
            return _item(str(name.filename), own, attributes)

        return await each(item, known, FILES)

    async def walk(self, folder: str) -> list[File]:
        """Return every regular file below, in order; skips links, devices and pipes."""
        found: list[File] = []
        waiting = [""]
        count = Count.of_tree(folder, RemoteFailed)

        async def read(below: str) -> list[str]:
            """Add the files of one folder; return the folders in it."""
            inner: list[str] = []
            seen = False
            for name in await self._names(below, posixpath.join(folder, below)):
                if _is_left_out(str(name.filename)):
                    continue
                seen = True
                path = posixpath.join(below, str(name.filename))
                count.add(path)
                if name.attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
                    inner.append(path)
                elif name.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR:
                    found.append(File(path, name.attrs.size or 0))
            if not seen and below:
                found.append(File(below, directory=True))
            return inner

        while waiting:
            waiting = [path for inner in await each(read, waiting, FILES) for path in inner]
        return await asyncio.to_thread(sorted, found, key=lambda file: file.path.split("/"))

    async def _names(self, what: str, folder: str) -> list[asyncssh.SFTPName]:
        """Return the entries of `folder`; RemoteFailed if there are too many."""

        async def read(sftp: asyncssh.SFTPClient) -> list[asyncssh.SFTPName]:
            names: list[asyncssh.SFTPName] = []
            size = 0
            scan = cast("AsyncGenerator[asyncssh.SFTPName, None]", sftp.scandir(folder))
            async with aclosing(scan) as entries:
                async for name in entries:
                    names.append(name)
                    size += len(what) + len(name.filename) + len(name.longname or "")
                    if len(names) > MAX_ENTRIES or size > MAX_NAMES:
                        raise RemoteFailed(f"The folder {what or '/'} has too many entries.")
            return names

        return await self.ask(what, read)

    async def pieces(self, target: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes of one file, in order; requests the next ones ahead."""
        file = await self._open(target, "rb")
        ahead: deque[asyncio.Task[bytes]] = deque()
        at = start
        try:
            while at < stop or ahead:
                while at < stop and len(ahead) < _AHEAD:
                    size = min(PIECE, stop - at)
                    ahead.append(asyncio.create_task(self._read(file, target, at, size)))
                    at += size
                yield await ahead[0]
                ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()
            if ahead:
                await asyncio.wait(ahead)
            if not self.line.is_closed():
                await self.ask(target, lambda sftp: file.close())

    async def _read(self, file: asyncssh.SFTPClientFile, target: str, at: int, size: int) -> bytes:
        data = cast(bytes, await self.ask(target, lambda sftp: file.read(size, at)))
        if len(data) != size:
            raise RemoteFailed(f"{target} ended at {at + len(data)}: it was shortened meanwhile.")
        return data

    async def write(self, target: str, offset: int, data: bytes) -> None:
        """Write to a file, created if need be, never truncated: chunks come in any order."""
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT

        file = await self._open(target, flags)
        try:
            await self.ask(target, lambda _: file.write(data, offset))
        finally:
            if not self.line.is_closed():
                await self.ask(target, lambda _: file.close())

    async def _open(self, target: str, mode: str | int) -> asyncssh.SFTPClientFile:
        """Open a file. If the caller is cancelled, close it as soon as the remote has opened it."""
        opening = asyncio.ensure_future(self._client.open(target, mode, encoding=None))
        try:
            return await self.ask(target, lambda _: asyncio.shield(opening))
        except (asyncio.CancelledError, Problem):
            self._late.start(_close(opening))
            raise

    async def close(self) -> None:
        """Disconnect; closing twice is fine."""
        self.line.close()
        try:
            await within(2.0, self.line.wait_closed())
        except asyncio.TimeoutError:
            self.line.abort()
        await self._late.settle()


async def _close(opening: asyncio.Future[asyncssh.SFTPClientFile]) -> None:
    with suppress(asyncssh.Error, OSError):
        await (await opening).close()


def _item(name: str, path: str, attributes: asyncssh.SFTPAttrs) -> Item:
    folder = attributes.type == asyncssh.FILEXFER_TYPE_DIRECTORY
    return Item(
        name=name,
        path=path,
        kind="folder" if folder else "file",
        permId=path,
        size=None if folder else attributes.size,
        modified=None if attributes.mtime is None else from_epoch(attributes.mtime),
    )


def translate(error: Exception, what: str) -> Problem:
    """Return an error of asyncssh as a Problem; Expired if the connection was lost."""
    if isinstance(error, (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)):
        return NotFound(f"There is no {what}.")
    if isinstance(error, (asyncssh.SFTPNotADirectory, asyncssh.SFTPFileIsADirectory)):
        return BadRequest(f"{what} is of another kind: {sentence(error.reason)}")
    if isinstance(error, (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)):
        return Denied(f"{what} may not be read or written with this login.")
    if isinstance(error, asyncssh.SFTPFileAlreadyExists):
        return Conflict(f"{what} exists already.")
    if isinstance(error, (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)):
        return Expired("The ssh line broke off.")
    if isinstance(error, asyncssh.SFTPOpUnsupported):
        return Unsupported(f"The SFTP server cannot do that: {sentence(error.reason)}")
    if isinstance(error, (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)):
        return Unavailable(f"There is no room for {what}: {sentence(error.reason)}")
    if isinstance(error, asyncssh.SFTPError):
        return RemoteFailed(f"The SFTP server failed at {what}: {sentence(error.reason)}")
    if isinstance(error, (asyncssh.DisconnectError, asyncssh.ChannelOpenError, OSError)):
        return Expired("The ssh line broke off.")
    if isinstance(error, asyncio.TimeoutError):
        return Timeout(f"The SFTP server did not answer about {what} in {_ANSWER:g} s.")
    return RemoteFailed(f"The SFTP server failed at {what}: {sentence(error)}")
