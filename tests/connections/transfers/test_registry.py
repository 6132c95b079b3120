"""connections/transfers/registry.py: downloads and uploads, whatever happens to them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.transfers import checksums, registry
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.connections.transfers.staging import judge_names
from jupyter_bridge.models.datasets import File
from jupyter_bridge.models.transfers import TransferModel
from jupyter_bridge.problems import BadRequest, Busy, Conflict, Denied, NotFound, Problem
from tests.simulators.openbis.client import connection
from tests.simulators.openbis.fixtures import APIS, CONTENT, IN_DATA_SET, simulator, tree  # noqa: F401
from tests.simulators.openbis.simulator import Simulator
from tests.support.waiting import PATIENCE, settle, stays

T = TypeVar("T")
PAUSES = (0.01, 0.02, 0.05)


@asynccontextmanager
async def transfers(
    url: str, folder: Path, *, pauses: tuple[float, ...] = PAUSES, **fields: Any
) -> AsyncIterator[tuple[TransferStore, Connection]]:
    """Transfers over one connection to the simulator."""
    async with connection(url, folder, **fields) as one:

        def find(name: str) -> Connection:
            if name != "bis":
                raise NotFound(f"There is no {name}.")
            return one

        made = TransferStore(folder / "transfers", find, pauses=pauses)
        await made.start()
        try:
            yield made, one
        finally:
            await made.close()


def left_over(folder: Path) -> list[str]:
    """What of a download is left beside its target."""
    return [path.name for path in folder.rglob("*.part")]


# -- downloads ---------------------------------------------------------------------------------


@APIS
async def test_a_download_is_whole_and_in_its_place(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    api: str,
) -> None:
    """Every byte, below path/permId, and nothing beside."""
    simulator.knobs.api = api
    made = simulator.store.add(CONTENT)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        model = await transfer.wait()
    size = sum(map(len, CONTENT.values()))
    assert (model.state, model.done, model.total) == ("done", size, size), model.problem
    assert tree(tmp_path / "down" / made.perm_id) == IN_DATA_SET
    assert not left_over(tmp_path / "down")


async def test_what_can_be_resumed_is_bounded(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transfer that failed is never dropped by itself, so there is room for so many."""
    monkeypatch.setattr(registry, "MAX_OPEN", 1)
    made = simulator.store.add(CONTENT)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        lost = await all_of_them.download("bis", "20240101120000000-0", str(tmp_path / "down"))
        assert (await lost.wait()).state == "failed"
        with pytest.raises(Busy, match="Cancel some first"):
            await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        await all_of_them.cancel(lost.id)
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        found = await transfer.wait()
    assert found.state == "done"


@pytest.mark.parametrize("api", ["3.5", "3.7"])
async def test_a_line_that_breaks_again_and_again(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    api: str,
) -> None:
    """Goes on from where it was; what was there is not brought again."""
    simulator.knobs.api = api
    data = os.urandom(20 << 20)
    made = simulator.store.add({"big": data})
    simulator.knobs.drop_after, simulator.knobs.drops = 3_500_000, 4

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        model = await transfer.wait()
    assert model.state == "done", model.problem
    assert (tmp_path / "down" / made.perm_id / "original/big").read_bytes() == data
    # At most a chunk on each of four streams, each time, and what a buffer of the line held.
    assert simulator.files.sent <= (20 + 4 * 4 * 2) << 20


async def test_a_session_that_ends_in_the_middle(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """One login more, no question, the same bytes."""
    data = os.urandom(40 << 20)
    made = simulator.store.add({"big": data})

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        async for step in transfer.events():
            model = step[2]
            if model.done and simulator.store.logins == 1:
                simulator.files.downloads.clear()
                simulator.store.end_all()
    assert model.state == "done", model.problem
    assert (tmp_path / "down" / made.perm_id / "original/big").read_bytes() == data
    assert simulator.store.logins <= 2


async def test_a_whole_file_is_not_read_again(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sums of its pieces say what its checksum is, however many streams end at once."""
    made = simulator.store.add({"big": os.urandom(24 << 20)})

    def refuse(path: Path, **_: Any) -> None:
        raise RuntimeError(f"{path} is read again")

    monkeypatch.setattr(checksums, "of_file", refuse)

    for _ in range(3):
        async with transfers(simulator.url, tmp_path) as (all_of_them, _):
            transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
            model = await transfer.wait()
        assert model.state == "done", model.problem


async def test_rotten_bytes_are_not_delivered(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """Sound chunks of a file whose CRC32 is another: refused, nothing in the target."""
    made = simulator.store.add(CONTENT)
    simulator.knobs.rotten = {"original/a.txt"}

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        model = await transfer.wait()
    assert model.state == "failed"
    assert model.problem is not None
    assert "checksum" in model.problem["message"]
    assert not (tmp_path / "down" / made.perm_id).exists()


HOSTILE = [
    "../evil",
    "/etc/evil",
    "original/../../evil",
    "a\0b",
    "a\\b",
    "./evil",
    "original/a.txt",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_listing_writes_nothing(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    name: str,
) -> None:
    """One bad name, and the whole data set is refused before a byte."""
    made = simulator.store.add(CONTENT)
    simulator.knobs.hostile_listing = [name]

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        model = await transfer.wait()
    assert model.problem is not None
    assert (model.state, model.problem["error"]) == ("failed", "denied")
    assert tree(tmp_path / "down") == {}


@pytest.mark.parametrize(
    "files",
    [
        [File("a"), File("a/b")],
        [File("a/b"), File("a")],
        [File("a"), File("a", directory=True)],
        [File("x" * 256)],
        [File("")],
        [File("a//b")],
        [File("a/")],
    ],
)
def test_names_that_stand_in_each_others_way(files: list[File]) -> None:
    """A file cannot be a folder too."""
    with pytest.raises(Denied):
        judge_names(files)


@pytest.mark.parametrize("perm_id", ["../x", "/x", "a/../../b", ""])
async def test_a_perm_id_does_not_lead_outside(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    perm_id: str,
) -> None:
    """It is part of the target's path, so it is judged as one."""
    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        with pytest.raises(BadRequest):
            await all_of_them.download("bis", perm_id, str(tmp_path / "down"))


async def test_a_link_in_an_older_copy_is_not_followed(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """What lies in the target from before cannot lead the new files outside."""
    made = simulator.store.add(CONTENT)
    outside = tmp_path / "outside"
    outside.mkdir()
    place = tmp_path / "down" / made.perm_id
    place.mkdir(parents=True)
    (place / "original").symlink_to(outside)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        found = await transfer.wait()
    assert found.state == "failed"
    assert tree(outside) == {}


async def test_a_longer_older_copy_leaves_nothing_behind(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Each file is replaced whole; others stay."""
    made = simulator.store.add(CONTENT)
    old = tmp_path / "down" / made.perm_id / "original"
    old.mkdir(parents=True)
    (old / "a.txt").write_bytes(b"h" * 100)
    (old / "mine").write_bytes(b"mine")

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        found = await transfer.wait()
    assert found.state == "done"
    assert tree(old.parent) == {**IN_DATA_SET, "original/mine": b"mine"}
    assert not left_over(tmp_path / "down")


async def test_only_some_files(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """`only` names them; a name that is not there is told."""
    made = simulator.store.add(CONTENT)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        path = str(tmp_path / "down")
        one = await all_of_them.download("bis", made.perm_id, path, ["original/a.txt"])
        two = await all_of_them.download("bis", made.perm_id, path, ["original/no"])
        good, bad = [await one.wait(), await two.wait()]
    assert bad.problem is not None
    assert (good.state, bad.state, bad.problem["error"]) == ("done", "failed", "not-found")
    assert tree(tmp_path / "down" / made.perm_id) == {"original/a.txt": CONTENT["a.txt"]}


# -- cancelling, progress ----------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["download", "upload"])
@pytest.mark.parametrize("api", ["3.5", "3.7"])
async def test_a_cancel_does_not_wait_for_the_remote(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    api: str,
    direction: str,
) -> None:
    """With nothing left on disk, nor registered, while the server is silent."""
    simulator.knobs.api = api
    simulator.knobs.latency = 0.5  # it must not be over before it is seen to have begun
    source = tmp_path / "big"
    source.write_bytes(bytes(100 << 20))
    made = simulator.store.add({"big": source})

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = (
            await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
            if direction == "download"
            else await all_of_them.upload("bis", [source], "/LAB/PROJECT/S1", type="RAW_DATA")
        )
        while not transfer.model().done:  # watching tells it too late: four times a second
            await asyncio.sleep(0.001)
        # Longer than the test may take: whoever waited for an answer would not come back.
        simulator.knobs.latency = 600.0
        await all_of_them.cancel(transfer.id)
        assert transfer.state == "cancelled"
    assert not left_over(tmp_path)
    assert tree(tmp_path / "down") == {}
    assert list(simulator.store.data_sets) == [made.perm_id]


async def test_progress_rises_at_most_four_times_a_second(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a rate, an end in sight, and the file's name; it never falls."""
    monkeypatch.setattr(
        "jupyter_bridge.connections.connectors.openbis.download.CHUNKS_A_REQUEST", 1
    )
    made = simulator.store.add({"big": bytes(16 << 20)})
    simulator.knobs.latency = 0.3

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        told = [(time.monotonic(), model) async for _, _, model in transfer.events()]
    done = [model.done for _, model in told]
    assert done == sorted(done)
    assert done[-1] == 16 << 20
    running = [model for _, model in told if 0 < model.done < model.total]
    assert running
    assert all(model.rate > 0 and model.eta is not None for model in running)
    assert running[-1].file == "original/big"
    seconds = told[-1][0] - told[0][0]
    assert len(told) <= 4 * seconds + 5


# -- uploads -----------------------------------------------------------------------------------


def _sources(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("faults", [{}, {2: 502, 4: 500}, {1: 413, 3: 503}])
async def test_an_upload_is_whole(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    faults: dict[int, int],
) -> None:
    """A folder goes up in chunks, through a way with faults, and is what was there."""
    simulator.knobs.upload_faults = dict(faults)
    files = {"set/big": os.urandom(10 << 20), "set/empty": b"", "set/in/small": b"x"}
    if 413 in faults.values():  # of a request that could have been smaller
        files = {"set/big": files["set/big"]}
    paths = _sources(tmp_path / "up", files)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        about: dict[str, Any] = {"type": "RAW_DATA", "props": {"$NAME": "mine"}}
        transfer = await all_of_them.upload("bis", paths, "/LAB/PROJECT/S1", **about)
        model = await transfer.wait()
    assert model.state == "done", model.problem
    assert model.permId is not None
    made = simulator.store.data_sets[model.permId]
    assert tree(made.folder) == {f"original/{name}": data for name, data in files.items()}
    assert (made.sample, made.properties) == ("/LAB/PROJECT/S1", {"$NAME": "mine"})


@pytest.mark.parametrize("wrong", [{"entity": "/LAB/PROJECT/NONE"}, {"type": None}])
async def test_what_cannot_be_registered_is_not_sent(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    wrong: dict[str, Any],
) -> None:
    """An object that is not there, or no type: told before the first byte, not after the last."""
    source = tmp_path / "big"
    source.write_bytes(bytes(10 << 20))
    about = {"entity": "/LAB/PROJECT/S1", "type": "RAW_DATA", **wrong}

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.upload("bis", [source], about["entity"], type=about["type"])
        model = await transfer.wait()
    assert model.state == "failed"
    assert simulator.files.received == 0


async def test_an_upload_begins_anew_where_its_session_ended(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """openBIS throws the workspace away with the token: nothing is missing all the same."""
    files = {"big": os.urandom(30 << 20)}
    paths = _sources(tmp_path / "up", files)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.upload("bis", paths, "/LAB/PROJECT/S1", type="RAW_DATA")
        while simulator.files.uploads < 3 and transfer.state in ("queued", "running"):
            await asyncio.sleep(0.005)
        simulator.store.end_all()
        model = await transfer.wait()
    assert model.state == "done", model.problem
    assert model.permId is not None
    made = simulator.store.data_sets[model.permId]
    assert tree(made.folder) == {"original/big": files["big"]}


async def test_a_file_that_changes_meanwhile_is_told(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """Half of the old and half of the new is nobody's data."""
    paths = _sources(tmp_path / "up", {"big": bytes(30 << 20)})
    simulator.knobs.latency = 0.05

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.upload("bis", paths, "/LAB/PROJECT/S1", type="RAW_DATA")
        while simulator.files.uploads < 3 and transfer.state in ("queued", "running"):
            await asyncio.sleep(0.005)
        paths[0].write_bytes(b"other")
        model = await transfer.wait()
    assert model.problem is not None
    assert (model.state, model.problem["error"]) == ("failed", "conflict")
    assert not simulator.store.data_sets


# -- ended and begun again ---------------------------------------------------------------------


async def test_what_failed_is_resumed(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """After all tries it has failed; `resume` goes on with what is there."""
    simulator.knobs.api = "3.5"
    data = os.urandom(8 << 20)
    made = simulator.store.add({"big": data})
    simulator.knobs.drop_after, simulator.knobs.drops = 0, 10**6

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        first = await transfer.wait()
        simulator.knobs.drop_after = None
        with pytest.raises(NotFound):
            await all_of_them.resume("nobody")
        await all_of_them.resume(transfer.id)
        second = await transfer.wait()
        assert second.state == "done", (first, second)
        with pytest.raises(Conflict):
            await all_of_them.resume(transfer.id)
    assert first.problem is not None
    assert (first.state, first.problem["error"]) == ("failed", "unavailable")
    assert (second.state, second.problem) == ("done", None)
    assert (tmp_path / "down" / made.perm_id / "original/big").read_bytes() == data


async def test_what_is_paused_stays_so_until_it_is_resumed(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Also in another process; then it goes on with what is there, and asks for no more."""
    data = os.urandom(60 << 20)
    made = simulator.store.add({"big": data})

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        while not transfer.model().done:  # watching tells it too late: four times a second
            await asyncio.sleep(0.001)
        paused = await all_of_them.pause(transfer.id)
        assert 0 < paused.model().done < len(data)
        assert (paused.state, paused.model().problem) == ("paused", None)
        for name in (transfer.id, transfer.id):
            with pytest.raises(Conflict):
                await all_of_them.pause(name)
        name = transfer.id
    sent = simulator.files.sent

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = all_of_them.get(name)
        await settle()
        assert (transfer.state, simulator.files.sent) == ("paused", sent)
        await all_of_them.resume(name)
        await all_of_them.pause(name)  # at once: before or after its first byte
        await all_of_them.resume(name)
        found = await transfer.wait()
    assert found.state == "done"
    assert (tmp_path / "down" / made.perm_id / "original/big").read_bytes() == data
    assert simulator.files.sent - sent < 60 << 20


async def test_an_ended_one_cannot_be_paused(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """What is done, cancelled or not there is not touched; a cancelled one stays cancelled."""
    small, big = simulator.store.add({"s": b"1"}), simulator.store.add({"big": bytes(60 << 20)})

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        done = await all_of_them.download("bis", small.perm_id, str(tmp_path / "down"))
        await done.wait()
        stopped = await all_of_them.download("bis", big.perm_id, str(tmp_path / "down"))
        cancelling = asyncio.ensure_future(all_of_them.cancel(stopped.id))
        pausing = asyncio.ensure_future(all_of_them.pause(stopped.id))
        await asyncio.wait({cancelling, pausing})
        cancelling.result()
        for name in (done.id, stopped.id):
            with pytest.raises(Conflict):
                await all_of_them.pause(name)
        with pytest.raises(NotFound):
            await all_of_them.pause("nobody")
        assert isinstance(pausing.exception(), Conflict)
        found = [done.state, stopped.state]
    assert found == ["done", "cancelled"]


async def test_an_upload_is_not_paused_while_it_is_completed(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Whatever moment a pause hits: one data set comes of it, after the resume if there was one."""
    (tmp_path / "up").write_bytes(os.urandom(3 << 20))

    before = len(simulator.store.data_sets)
    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        outcomes = []
        for number in range(12):
            transfer = await all_of_them.upload(
                "bis", [tmp_path / "up"], "/LAB/PROJECT/S1", type="RAW_DATA"
            )
            await asyncio.sleep(0.01 * number)
            try:
                await all_of_them.pause(transfer.id)
            except Conflict as problem:
                outcomes.append(problem.message)
            else:
                outcomes.append("paused")
                await all_of_them.resume(transfer.id)
            model = await transfer.wait()
            assert model.state == "done", model.problem
    assert "paused" in outcomes
    assert len(simulator.store.data_sets) - before == 12


async def test_an_upload_that_is_paused_at_its_end_is_not_made_twice(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """The remote has made it, and this side has not come to say so."""
    (tmp_path / "up").write_bytes(b"up")

    before = len(simulator.store.data_sets)
    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.upload(
            "bis", [tmp_path / "up"], "/LAB/PROJECT/S1", type="RAW_DATA"
        )
        close, closing, go_on = transfer.pieces.close, threading.Event(), threading.Event()

        def slowly() -> None:
            closing.set()
            assert go_on.wait(PATIENCE)
            close()

        transfer.pieces.close = slowly  # type: ignore[method-assign]
        assert await asyncio.to_thread(closing.wait, PATIENCE)
        assert transfer.job.permId is not None
        assert transfer.state == "running"
        pausing = asyncio.ensure_future(all_of_them.pause(transfer.id))
        await settle()
        go_on.set()
        await pausing
        await all_of_them.resume(transfer.id)
        model = await transfer.wait()
        assert model.state == "done", model.problem
    assert len(simulator.store.data_sets) - before == 1


async def test_all_are_followed_at_once(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """First the list, then each at its changes: new ones, progress at 4 Hz, ends; then nothing."""
    small, big = simulator.store.add({"s": b"1"}), simulator.store.add({"big": bytes(200 << 20)})

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        old = await all_of_them.download("bis", small.perm_id, str(tmp_path / "down"))
        await old.wait()
        following = all_of_them.watch()
        first = await anext(following)
        assert isinstance(first, list)
        assert [(one.transfer, one.state) for one in first] == [(old.id, "done")]
        began = time.monotonic()
        new = await all_of_them.download("bis", big.perm_id, str(tmp_path / "down"))
        told: list[TransferModel] = []
        while not told or told[-1].state != "done":
            step = await asyncio.wait_for(anext(following), 60)
            assert not isinstance(step, list)
            assert step.transfer == new.id
            told.append(step)
        seconds = time.monotonic() - began
        assert [model.done for model in told] == sorted(model.done for model in told)
        assert {"running", "done"} <= {model.state for model in told}
        assert len(told) <= 4 + 4 * seconds
        coming = asyncio.ensure_future(anext(following))
        assert await stays(coming)  # nothing changes, nothing is told
        await all_of_them.close()
        with pytest.raises(StopAsyncIteration):
            await coming


async def test_all_are_listed_after_a_reload(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """What ended as it ended; what was under way goes on by itself."""
    data = os.urandom(60 << 20)
    small, big = simulator.store.add({"s": b"1"}), simulator.store.add({"big": data})

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        one = await all_of_them.download("bis", small.perm_id, str(tmp_path / "down"))
        await one.wait()
        two = await all_of_them.download("bis", big.perm_id, str(tmp_path / "down"))
        async for step in two.events():
            model = step[2]
            if model.done:
                break
        ids = [one.id, two.id]
    sent = simulator.files.sent

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        models = {one.id: await one.wait() for one in all_of_them.all()}
    assert [models[name].state for name in ids] == ["done", "done"]
    assert (tmp_path / "down" / big.perm_id / "original/big").read_bytes() == data
    assert simulator.files.sent - sent < 60 << 20


async def test_a_transfer_without_a_login_waits_for_a_person(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """It is paused, not failed, and says what is needed."""
    made = simulator.store.add({"big": bytes(30 << 20)})

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))

    async with transfers(simulator.url, tmp_path, password=None) as (all_of_them, one):
        (transfer,) = all_of_them.all()
        paused = await transfer.wait()
        await one.login({"password": "secret"})
        await all_of_them.resume(transfer.id)
        done = await transfer.wait()
    assert paused.problem is not None
    assert (paused.state, paused.problem["error"]) == ("paused", "needs-login")
    assert done.state == "done", done.problem


async def test_what_cannot_be_done_at_all_is_no_transfer(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """An unknown connection, a relative path, nothing to upload: told at once."""
    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        for call in (
            all_of_them.download("nobody", "2024-1", "/tmp/x"),
            all_of_them.download("bis", "2024-1", "relative"),
            all_of_them.upload("bis", [tmp_path / "missing"], "/LAB/PROJECT/S1"),
        ):
            with pytest.raises(Problem):
                await call
        assert all_of_them.all() == []


async def test_many_small_files(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """All of them, each checked."""
    files = {f"{n % 10}/{n}": str(n).encode() for n in range(3000)}
    made = simulator.store.add(files)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        model = await transfer.wait()
    assert (model.state, model.files) == ("done", 3000), model.problem
    assert tree(tmp_path / "down" / made.perm_id / "original") == files


async def test_state_on_disk_is_the_users_alone(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """Files 0600 in folders 0700, and no secret in them."""
    made = simulator.store.add(CONTENT)

    async with transfers(simulator.url, tmp_path) as (all_of_them, _):
        transfer = await all_of_them.download("bis", made.perm_id, str(tmp_path / "down"))
        await transfer.wait()
        token = next(iter(simulator.store.tokens))
    for path in (tmp_path / "transfers").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
        if path.is_file():
            content = path.read_bytes()
            assert b"secret" not in content
            assert token.encode() not in content
