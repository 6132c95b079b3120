"""folder: a directory as a data store; the default, and the example for other connectors.

A `permId` is a path below the connection's root, of a file or a folder. Links never lead outside of
the root: a path is resolved first, then compared. Hidden files are shown and written only if the
contents manager allows them; the server's own folders never are. A root that a request named is
checked at each use (places.py).
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

import msgspec

from jupyter_bridge.connections.connector import Connector, Fields, Login
from jupyter_bridge.connections.listing import Count, alone_if_large
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.roles import CanBrowse, CanRead, CanWrite, NewDataset
from jupyter_bridge.models.datasets import Dataset, File, Item
from jupyter_bridge.private_files import (
    entered,
    make_below,
    open_unlinked,
    owner_of_new,
)
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Denied,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
)
from jupyter_bridge.wire.times import from_epoch

# Bytes of one read; large enough that the switch to a thread costs little.
_PIECE = 1 << 20
# A folder may be on a mount that does not answer: it then blocks these threads, not the shared
# ones. As many as a transfer has streams.
_THREADS = 4
# The folder of an unfinished upload has this name and the upload's, which nobody can guess. It is
# on the same file system as the target, and never listed.
_INCOMING = ".jupyter-bridge-incoming"


class FolderFields(Fields):
    """`url` is a path, or file://…; a relative one is below the server's root."""

    url: Annotated[str, msgspec.Meta(title="Folder", description="A path on the Jupyter host.")]


class Folder(Connector[FolderFields], CanBrowse, CanRead, CanWrite):
    kind = "folder"
    title = "Folder"
    fields_type = FolderFields
    host_resources = ("contents",)
    _threads: ThreadPoolExecutor | None = None
    # The owner of what is written below the root.
    _owner: int | None = None

    @classmethod
    def check(cls, fields: FolderFields) -> None:
        parts = urlsplit(fields.url)
        if "\0" in fields.url or not fields.url:
            raise BadRequest("url: must be a path.", field="url")
        if parts.scheme and parts.scheme != "file":
            raise BadRequest("url: must be a path or begin with file://.", field="url")
        if parts.scheme and parts.netloc not in ("", "localhost"):
            raise BadRequest("url: file:// names this host, as in file:///data.", field="url")

    @property
    def root(self) -> Path:
        """The folder that the fields name, not yet checked."""
        parts = urlsplit(self.fields.url)
        path = unquote(parts.path) if parts.scheme else self.fields.url
        return self.context.root_dir / os.path.expanduser(path)

    @property
    def places(self) -> Places:
        """The paths of this host that may be shown."""
        return self.context.places or Places(self.context.root_dir)

    async def admit(self) -> None:
        await self._disk(self._judge_root)

    async def login(self) -> Login:
        await self.probe()
        return Login()

    async def probe(self) -> None:
        await self._disk(lambda: os.listdir(self._top()))

    # -- reading -------------------------------------------------------------------------------

    async def browse(self, path: str) -> list[Item]:
        return cast("list[Item]", await self._disk(self._browse, path))

    async def dataset(self, perm_id: str) -> Dataset:
        return cast(Dataset, await self._disk(self._dataset, perm_id))

    async def file(self, perm_id: str, path: str) -> File:
        return cast(File, await self._disk(self._file, perm_id, path))

    async def read(
        self, perm_id: str, path: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        target = await self._disk(self._member, perm_id, path)
        file = await self._disk(_open, target, undo=_close_apart)
        try:
            await self._disk(file.seek, start)
            left = float("inf") if stop is None else stop - start
            while left > 0:
                piece = await self._disk(file.read, int(min(_PIECE, left)))
                if not piece:
                    break
                left -= len(piece)
                yield piece
            await self._disk(file.close)
        except BaseException:  # the reader stopped; the threads may be closed already
            _close_apart(file)
            raise

    # -- writing -------------------------------------------------------------------------------

    async def begin(self, new: NewDataset) -> str:
        upload = uuid.uuid4().hex
        await self._disk(self._begin, upload, new)
        return upload

    async def append(self, upload: str, file: File, offset: int, data: bytes) -> None:
        await self._disk(self._append, upload, file, offset, data)

    async def commit(self, upload: str, new: NewDataset) -> str:
        return str(await self._disk(self._commit, upload, new))

    async def abort(self, upload: str) -> None:
        await self._disk(lambda: shutil.rmtree(self._upload(upload), ignore_errors=True))

    async def _disk(
        self,
        call: Callable[..., Any],
        *arguments: Any,
        undo: Callable[[Any], None] | None = None,
    ) -> Any:
        """Run a blocking call in a thread of this folder; raise its OSError as a Problem.

        If the caller is cancelled, `undo` gets the later result.
        """
        threads = self._threads
        if threads is None:
            threads = self._threads = ThreadPoolExecutor(_THREADS, "bridge-folder")
        work = threads.submit(call, *arguments)
        try:
            return await asyncio.wrap_future(work)
        except OSError as error:
            raise _translate(error) from error
        except asyncio.CancelledError:
            if undo is not None:
                work.add_done_callback(lambda done: _undo(done, undo))
            raise

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    # -- below ---------------------------------------------------------------------------------

    def _judge_root(self) -> None:
        if self.context.requested:
            self.places.find(str(self.root), field="url")
        elif self.places.is_private(self.root):
            raise Denied(f"{self.root} belongs to the Jupyter server itself.")

    def _top(self) -> Path:
        """Return the root with its links resolved; Denied if a request may not name it."""
        self._judge_root()
        return self.root.resolve(strict=True)

    def _within(self, path: str) -> Path:
        """Return `path` below the root with all links resolved; Denied if it leads outside.

        NotFound also for hidden files and the server's own folders.
        """
        root = self._top()
        target = _below(root, path).resolve(strict=True)
        if target != root and root not in target.parents:
            raise Denied(f"{path} leads outside of {self.context.name}.")
        places = self.places
        spelled = (PurePosixPath(path), target.relative_to(root))
        if any(places.hides(one) for one in spelled) or places.is_private(target):
            raise NotFound(f"There is no {path} in {self.context.name}.")
        return target

    def _shows(self, folder: str | Path, name: str) -> bool:
        """Tell whether to list the entry `name` of a visible folder."""
        if name.startswith(_INCOMING) or self.places.hides(name):
            return False
        path = Path(folder, name)
        return not (path.is_dir() and self.places.is_private(path))

    def _member(self, perm_id: str, path: str) -> Path:
        whole = self._within(perm_id)
        if whole.is_dir():
            return self._within(f"{perm_id}/{path}")
        if path not in ("", whole.name):
            raise NotFound(f"{perm_id} is one file; it has no {path}.")
        return whole

    def _file(self, perm_id: str, path: str) -> File:
        known = self._member(perm_id, path).stat()
        if not stat.S_ISREG(known.st_mode):
            raise NotFound(f"{perm_id} has no file {path}.")
        return File(path, known.st_size)

    def _browse(self, path: str) -> list[Item]:
        count, items = Count.of_folder(path, TooLarge), []
        with os.scandir(self._within(path)) as entries, alone_if_large(count) as turn:
            base, times = _clean(path), _Times()
            for one in entries:
                if self._shows(*os.path.split(one.path)):
                    items.append(_item(one, base, times))
                    count.add(items[-1].path)
                    turn.check()
        return sorted(items, key=lambda item: (item.kind != "folder", item.name))

    def _dataset(self, perm_id: str) -> Dataset:
        whole = self._within(perm_id)
        is_folder = whole.is_dir()
        count, files = Count.of_tree(perm_id, TooLarge), []
        with alone_if_large(count) as turn:
            for file in _walk(whole, self._shows, count) if is_folder else [_only(whole)]:
                files.append(file)
                count.add(file.path)
                turn.check()
        return Dataset(
            permId=_clean(perm_id),
            files=files,
            type="folder" if is_folder else "file",
            size=sum(file.size for file in files),
            location=str(whole),
        )

    def _upload(self, upload: str) -> Path:
        if not upload.isalnum():
            raise BadRequest("There is no such upload.")
        return self._top() / f"{_INCOMING}-{upload}"

    def _entered(self, incoming: Path) -> AbstractContextManager[int]:
        """Open the folder of an upload; OSError if others put another one in its place."""
        if self._owner is None:
            self._owner = owner_of_new(incoming.parent)
        return entered(incoming, owner=self._owner)

    def _begin(self, upload: str, new: NewDataset) -> None:
        self._within(new.entity)
        hidden = [file.path for file in new.files if self.places.hides(file.path)]
        if hidden:
            raise Denied(f"{hidden[0]} is hidden; nothing was written.", path=hidden[0])
        self._upload(upload).mkdir(0o700)

    def _append(self, upload: str, file: File, offset: int, data: bytes) -> None:
        if self.places.hides(file.path):
            raise Denied(f"{file.path} is hidden.", path=file.path)
        with self._entered(self._upload(upload)) as folder:
            _write(folder, file.path, offset, data, file.directory)

    def _commit(self, upload: str, new: NewDataset) -> str:
        """Rename each top-level name of the upload to an entry of the entity's folder."""
        folder = self._within(new.entity)
        incoming = self._upload(upload)
        base = _clean(new.entity)
        names = sorted({PurePosixPath(file.path).parts[0] for file in new.files})
        perm_id = f"{base}/{names[0]}".lstrip("/") if len(names) == 1 else base
        if not incoming.exists():  # committed before, but the answer was lost
            if names and all((folder / name).exists() for name in names):
                return perm_id
            raise NotFound("There is no such upload.")
        with self._entered(incoming) as arriving:
            for file in new.files:
                if file.directory or not file.size:
                    _write(arriving, file.path, 0, b"", file.directory)
            arrived = sorted(os.listdir(arriving))
            taken = [name for name in arrived if os.path.lexists(folder / name)]
            if taken:
                raise Conflict(f"{taken[0]} exists already.", taken=taken)
            for name in arrived:
                os.rename(name, folder / name, src_dir_fd=arriving)
        shutil.rmtree(incoming, ignore_errors=True)
        return perm_id


def _clean(path: str) -> str:
    return str(PurePosixPath("/", path)).lstrip("/")


def _below(root: Path, path: str) -> Path:
    """Return `root / path`; see `_judge`."""
    _judge(path)
    return root / path


def _judge(path: str) -> None:
    """Raise Denied, without using the disk, if a path is absolute or has `..`."""
    parts = PurePosixPath(path).parts
    if "\0" in path or path.startswith("/") or ".." in parts:
        raise Denied(f"{path!r} leads outside.")
    if any(part.startswith(_INCOMING) for part in parts):
        raise NotFound(f"There is no {path}.")


class _Times(dict[int, str | None]):
    """The times of one listing as text, each once: the files of a folder often have the same."""

    def __missing__(self, seconds: int) -> str | None:
        self[seconds] = shown = from_epoch(seconds)
        return shown


def _only(file: Path) -> File:
    return File(file.name, file.stat().st_size)


def _item(entry: os.DirEntry[str], folder: str, times: _Times) -> Item:
    path = f"{folder}/{entry.name}" if folder else entry.name
    try:
        known = entry.stat()
    except OSError:  # a dangling link
        return Item(entry.name, path, "link")
    kind = "folder" if stat.S_ISDIR(known.st_mode) else "file"
    return Item(
        name=entry.name,
        path=path,
        kind=kind,
        permId=path,
        size=known.st_size if kind == "file" else None,
        modified=times[int(known.st_mtime // 1)],
    )


def _walk(whole: Path, shows: Callable[[str, str], bool], count: Count) -> Iterator[File]:
    """Yield every regular file below, in order; skips links, devices and pipes."""
    for folder, names, files in os.walk(whole):
        count.descend(os.path.relpath(folder, whole))
        names[:] = sorted(name for name in names if shows(folder, name))
        files = [name for name in files if shows(folder, name)]
        base = os.path.relpath(folder, whole)
        for name in sorted(files):
            path = os.path.join(folder, name)
            known = os.lstat(path)
            if stat.S_ISREG(known.st_mode):
                yield File(name if base == "." else f"{base}/{name}", known.st_size)
        if not names and not files and base != ".":
            yield File(base, directory=True)


def _open(target: Path) -> BinaryIO:
    # The path has no links in it; one that was created meanwhile is not followed.
    return open(open_unlinked(target, os.O_RDONLY), "rb")


def _close_apart(file: BinaryIO) -> None:
    """Close in a thread of its own, as another thread may hang in a read."""
    threading.Thread(target=file.close, name="bridge-folder-close", daemon=True).start()


def _undo(done: Future[Any], undo: Callable[[Any], None]) -> None:
    if not done.cancelled() and done.exception() is None:
        undo(done.result())


def _write(folder: int, path: str, offset: int, data: bytes, directory: bool) -> None:
    _judge(path)
    make_below(folder, path if directory else os.path.dirname(path))
    if directory:
        return
    # Not O_TRUNC: chunks arrive in any order, and may be repeated.
    with open(open_unlinked(path, os.O_WRONLY | os.O_CREAT, below=folder), "wb") as file:
        file.seek(offset)
        file.write(data)


def _translate(error: OSError) -> Problem:
    where = error.filename or "It"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NotFound(f"There is no {where}.")
    if isinstance(error, PermissionError):
        return Denied(f"{where} may not be read or written by the Jupyter server.")
    if isinstance(error, FileExistsError):
        return Conflict(f"{where} exists already.")
    if error.errno in (errno.ELOOP, errno.EINVAL, errno.ENAMETOOLONG, errno.EISDIR):
        return BadRequest(f"{where} cannot be used: {error.strerror}.")
    return Unavailable(f"{where} cannot be used: {error.strerror}.")
