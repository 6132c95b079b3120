"""Many transfers of many files: what they hold, and what they do to others."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Context
from jupyter_bridge.connections.connectors.folder import Folder, FolderFields
from jupyter_bridge.connections.listing import MAX_DEPTH
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.transfers import job as jobs
from jupyter_bridge.connections.transfers.job import MAX_SHOWN, MAX_TEXT
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.connections.transfers.staging import judge_names
from jupyter_bridge.connections.transfers.transfer import Transfer
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import Conflict, Denied, TooLarge
from tests.support.waiting import until

FILES = {f"set/{number}": b"x" * number for number in range(5)}


@asynccontextmanager
async def transferring(folder: Path, *, running: int = 4) -> AsyncIterator[TransferStore]:
    """Transfers over a connection to `folder`, of which so many run at once."""
    context = Context(
        "store",
        Outbound(AddressPolicy(allow_loopback=True)),
        folder.parent / "state",
        folder,
        logging.getLogger("store"),
    )
    one = Connection("store", Folder(FolderFields(url=str(folder)), context))
    await one.login()
    made = TransferStore(folder.parent / "transfers", lambda _: one, max_running=running)
    await made.start()
    try:
        yield made
    finally:
        await made.close()
        await one.close()
        await context.outbound.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of the connection, with a data set `set` and a folder `in`."""
    store = tmp_path / "store"
    (store / "in").mkdir(parents=True)
    for name, data in FILES.items():
        (store / name).parent.mkdir(exist_ok=True)
        (store / name).write_bytes(data)
    return store


async def begun(transfers: TransferStore, store: Path, direction: str) -> Transfer:
    if direction == "download":
        return await transfers.download("store", "set", str(store / "in"))
    return await transfers.upload("store", [store / "set"], "in", props={"large": "x" * 1000})


def holds_no_list(one: Transfer) -> bool:
    job, pieces = one.job, one.pieces
    lists: list[Any] = [job.files, job.only, job.sources, job.props, job.parents, job.skipped]
    return not any([*lists, job.entity, pieces._files, pieces._checked])


@pytest.mark.parametrize("direction", ["download", "upload"])
@pytest.mark.parametrize("how", ["done", "failed", "cancelled", "paused", "queued"])
async def test_what_does_not_run_holds_no_list(store: Path, direction: str, how: str) -> None:
    """Lists are on the disk only, whatever it waits for; what it is resumed for arrives."""
    async with transferring(store, running=1) as transfers:
        place = transfers._place
        await place.acquire()
        one = await begun(transfers, store, direction)
        if how == "failed":
            (store / "in/set").write_bytes(b"taken")
        if how == "paused":
            await transfers.pause(one.id)
        if how == "cancelled":
            await transfers.cancel(one.id)
        if how in ("done", "failed"):
            place.release()
            await one.wait()
        assert one.state == how, one.job.problem
        await until(lambda: holds_no_list(one), f"a {how} transfer has no list")
        assert one.model().files == len(FILES) or one.model().done == 0
        if how in ("failed", "paused"):
            (store / "in/set").unlink(missing_ok=True)
            await transfers.resume(one.id)
        if how in ("paused", "queued"):
            place.release()
        model = await one.wait()
        assert model.state == ("done" if how != "cancelled" else how), model.problem
    if how != "cancelled":
        found = {f"set/{path.name}": path.read_bytes() for path in (store / "in/set").iterdir()}
        assert found == FILES


async def test_another_process_goes_on_without_lists(store: Path) -> None:
    """A server that starts holds no list of what it does not run, and resumes it."""
    async with transferring(store, running=1) as transfers:
        await transfers._place.acquire()
        name = (await begun(transfers, store, "upload")).id
        await transfers.pause(name)
    async with transferring(store) as transfers:
        one = transfers.get(name)
        assert (one.state, one.model().files, holds_no_list(one)) == ("paused", len(FILES), True)
        await transfers.resume(name)
        assert (await one.wait()).state == "done"


async def test_two_pauses_and_a_resume(store: Path) -> None:
    """The slower of two pauses does not touch what was resumed meanwhile."""
    async with transferring(store, running=1) as transfers:
        await transfers._place.acquire()
        one = await begun(transfers, store, "upload")
        slow, fast = asyncio.Event(), asyncio.Event()
        waits = [slow, fast]

        async def stopped() -> None:
            await waits.pop().wait()

        one._stopped = stopped  # type: ignore[method-assign]
        first, second = (asyncio.ensure_future(transfers.pause(one.id)) for _ in range(2))
        await until(lambda: not waits, "both wait")
        fast.set()
        await first
        await transfers.resume(one.id)
        task = one._task
        slow.set()
        with pytest.raises(Conflict, match="queued"):
            await second
        assert (one.state, one._task) == ("queued", task)
        transfers._place.release()
        assert (await one.wait()).state == "done"


async def test_what_is_skipped_is_counted(store: Path, tmp_path: Path) -> None:
    """The first names are shown with each transfer, the others counted."""
    places = Places(tmp_path)
    for number in range(MAX_SHOWN + 50):
        (store / f"set/.{number}").touch()
    async with transferring(store) as transfers:
        transfers._places = places
        one = await begun(transfers, store, "upload")
        model = await one.wait()
    assert (len(model.skipped), model.skippedMore) == (MAX_SHOWN, 50)


async def test_a_problem_is_short(store: Path) -> None:
    """A request for thousands of files that are not there leaves no long list."""
    async with transferring(store) as transfers:
        absent = [f"{number}" * 1000 for number in range(2 * MAX_SHOWN)]
        one = await transfers.download("store", "set", str(store / "in"), absent)
        problem = (await one.wait()).problem
    assert problem is not None
    assert len(problem["missing"]) == MAX_SHOWN
    assert all(len(text) < MAX_TEXT + 50 for text in [*problem["missing"], problem["message"]])


def nested(folder: Path, depth: int) -> None:
    """Make so many folders in each other, and a file in the last one."""
    number = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("a", dir_fd=number)
        inner = os.open("a", os.O_RDONLY, dir_fd=number)
        os.close(number)
        number = inner
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=number))
    os.close(number)


async def test_a_deep_tree_is_refused(store: Path) -> None:
    """A tree in which Python's own functions would call themselves too often is not moved."""
    nested(store / "set", MAX_DEPTH + 10)
    async with transferring(store) as transfers:
        with pytest.raises(TooLarge, match="folders in each other"):
            await begun(transfers, store, "upload")
        one = await begun(transfers, store, "download")
        problem = (await one.wait()).problem
    assert problem is not None
    assert problem["error"] == "too-large"
    judge_names([File("a/" * MAX_DEPTH + "f")])
    with pytest.raises(Denied, match="nothing was written"):
        judge_names([File("a/" * (MAX_DEPTH + 1) + "f")])


async def test_many_files_are_looked_through_in_threads(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that is long is never looked through on the event loop."""
    monkeypatch.setattr(jobs, "FEW", 0)
    called: list[str] = []

    async def noted(work: Any, *arguments: Any) -> Any:
        called.append(getattr(work, "__name__", ""))
        return work(*arguments)

    monkeypatch.setattr("asyncio.to_thread", noted)
    async with transferring(store) as transfers:
        await (await begun(transfers, store, "upload")).wait()
        assert {"_missing", "SyncUploadSource"} <= set(called)
        one = await transfers.download("store", "set", str(store / "down"))
        await one.wait()
    assert {"_missing", "judge_names", "of", "_new"} <= set(called)
