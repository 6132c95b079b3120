"""Transfers in a folder that others may write in, who put something in the place of ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.connector import Context
from jupyter_bridge.connections.connectors.folder import Folder, FolderFields
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.roles import NewDataset
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.staging import Staging
from jupyter_bridge.models.datasets import File
from jupyter_bridge.private_files import owner_of_new
from jupyter_bridge.problems import Problem
from tests.support.strangers import OTHERS, put

FILES = [File("sub/a", 4, crc32=0), File("sub/b", 0)]


class Shared:
    """A shared folder, and one of the user's own that nothing may change."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder, self.own = tmp_path / "shared", tmp_path / "own"
        self.folder.mkdir()
        self.own.mkdir(0o700)
        for name in "ab":
            (self.own / name).write_text("mine")

    def state(self) -> Any:
        files = {path.name: path.read_text() for path in self.own.iterdir()}
        return oct(self.own.stat().st_mode), files

    def replace(self, what: str, ours: Path) -> None:
        """Put something in the place of our folder that leads to the user's own."""
        ours.rename(ours.with_name("moved away"))
        put(what, ours)
        (ours / "sub").symlink_to(self.own)


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path)


async def _write(staging: Staging) -> None:
    await staging.write("sub/a", 0, b"evil")
    await staging.flush()


async def _write_inline(staging: Staging) -> None:
    with staging.inline() as sink:
        await sink.write("sub/a", 0, b"evil")


STEPS: dict[str, Callable[[Staging], Awaitable[Any]]] = {
    "resume": Staging.prepare,
    "write": _write,
    "write in a thread": _write_inline,
    "check": lambda staging: staging.check(0),
    "place": Staging.place,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", ["a link", OTHERS])
async def test_a_download_follows_nobody(shared: Shared, what: str, step: str) -> None:
    """Nothing is read, written, moved or opened to others where the other folder leads."""
    before = shared.state()
    pieces = ProgressLog(shared.own.parent / "pieces")
    place, ours = shared.folder / "set", shared.folder / ".set.1.part"
    staging = Staging(place, ours, FILES, pieces, lambda new, path: None)
    await staging.prepare()
    shared.replace(what, ours)
    for there in (False, True):
        if there:
            place.mkdir()
        with pytest.raises(Problem):
            await STEPS[step](staging)
        await staging.settle()
        staging.drop()
        assert shared.state() == before
    await staging.remove()
    assert shared.state() == before
    pieces.close()


async def test_a_link_that_comes_late_is_not_followed(shared: Shared) -> None:
    """A folder of an older copy that becomes a link is not written through."""
    before = shared.state()
    pieces = ProgressLog(shared.own.parent / "pieces")
    place = shared.folder / "set"
    staging = Staging(place, shared.folder / ".part", FILES, pieces, lambda new, path: None)
    await staging.prepare()
    place.mkdir()
    (place / "sub").symlink_to(shared.own)
    with pytest.raises(Problem, match="outside"):
        await staging.place()
    assert shared.state() == before
    pieces.close()


def connector(shared: Shared) -> Folder:
    context = Context(
        "shared",
        Outbound(AddressPolicy()),
        shared.own.parent / "state",
        shared.folder,
        logging.getLogger("test.shared"),
    )
    return Folder(FolderFields(url=str(shared.folder)), context)


NEW = NewDataset("", FILES)


@pytest.mark.parametrize("step", ["append", "commit"])
@pytest.mark.parametrize("what", ["a link", OTHERS])
async def test_an_upload_follows_nobody(shared: Shared, what: str, step: str) -> None:
    """Nor does one to a folder."""
    before = shared.state()
    folder = connector(shared)
    upload = await folder.begin(NEW)
    shared.replace(what, folder._upload(upload))
    going_on: dict[str, Callable[[], Awaitable[Any]]] = {
        "append": lambda: folder.append(upload, FILES[0], 0, b"evil"),
        "commit": lambda: folder.commit(upload, NEW),
    }
    with pytest.raises(Problem):
        await going_on[step]()
    assert shared.state() == before
    await folder.abort(upload)
    await folder.close()
    assert shared.state() == before


async def test_each_upload_has_a_folder_of_its_own(shared: Shared) -> None:
    """Nobody else can enter it, has made it before, or needs to write in another user's."""
    folder = connector(shared)
    first, second = [folder._upload(await folder.begin(NEW)) for _ in range(2)]
    assert first.parent == second.parent == shared.folder
    assert first.stat().st_mode & 0o777 == 0o700
    assert await folder.browse("") == []
    await folder.close()


def test_the_owner_of_what_is_made(tmp_path: Path) -> None:
    """Told from a file that is made and removed."""
    assert owner_of_new(tmp_path) == os.geteuid()
    assert list(tmp_path.iterdir()) == []
