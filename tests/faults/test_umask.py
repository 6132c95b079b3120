"""What the bridge writes down is the user's alone, whatever the umask, and whoever made it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.mounts import sshfs
from jupyter_bridge.private_files import alone, folders_open, private_folder, tighten, write_private
from tests.conftest import Server, start_server
from tests.support.console_client import Bridge, bridge_of
from tests.support.sshd import Sshd, start_sshd
from tests.support.waiting import until

REPOSITORY = Path(__file__).parents[2]
UMASKS = [0o000, 0o022, 0o077]
# Large enough to be paused on the way.
LARGE = 512 << 20


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def made_in(*folders: Path) -> dict[Path, int]:
    """The mode of all that is in these folders, links and sockets too."""
    found = [path for folder in folders for path in folder.rglob("*")]
    return {path: stat.S_IMODE(path.lstat().st_mode) for path in found if not path.is_symlink()}


def others_may(modes: dict[Path, int]) -> list[str]:
    return [f"{path} {mode:04o}" for path, mode in modes.items() if mode & 0o077]


@contextmanager
def masked_server(folder: Path, mask: int, *options: str) -> Iterator[Server]:
    for name in ("tmp", "home", "data"):
        (folder / name).mkdir(exist_ok=True)
    env = {"TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home"), "SHELL": "/bin/bash"}
    with umask(mask):
        server = start_server(
            folder,
            "--BridgeApp.vault=file",
            "--BridgeApp.allow_loopback=True",
            *options,
            env={**env, "PYTHONPATH": str(REPOSITORY)},
        )
    try:
        yield server
    finally:
        server.stop()


async def ask(bridge: Bridge, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    told, answer = await bridge.ask(method, path, **({} if body is None else {"json": body}))
    assert told == status, (path, answer)
    return answer


async def use_consoles(bridge: Bridge) -> None:
    """A terminal that goes on, one that ended, and commands while their files are there."""
    await bridge.open("echo hello; exec sh -i", name="stays")
    await bridge.open("echo bye", name="ends")
    body = {"command": "head -c 200000 /dev/zero | tr '\\0' x; sleep 600", "output": "split"}
    session = bridge.session
    async with session.post(
        bridge.url("run"), json=body, headers={**bridge.server.headers, "Prefer": "respond-async"}
    ) as answer:
        assert answer.status == 202
        run = (await answer.json())["run"]

    async def is_written() -> bool:
        return len((await ask(bridge, "GET", f"runs/{run}")).get("stdout", "")) >= 200_000

    await until(is_written, "the output")


async def use_connections(bridge: Bridge, sshd: Sshd, fuse: bool) -> None:
    """A remembered secret, a known host, a mount, and transfers: one done, one paused."""
    root = bridge.server.root
    new = {"name": "store", "url": str(root / "store"), "remember": True}
    await ask(bridge, "POST", "conns", new, 201)
    far = {"name": "far", "url": sshd.url, "kind": "sftp", "key_file": str(sshd.key_file)}
    await ask(bridge, "POST", "conns", far, 201)
    shut = {**far, "name": "shut", "remember": True, "password": "unused-word"}
    await ask(bridge, "POST", "conns", shut, 201)
    key = {"action": "login", "host_key": sshd.fingerprint}
    await ask(bridge, "PUT", "conn/far", key)
    if fuse:
        await ask(bridge, "PUT", "conn/far", {"action": "mount"})
    for direction, perm_id, path in (("download", "small", "got"), ("upload", "", "up.txt")):
        job = {"connection": "store", "direction": direction, "permId": perm_id, "path": path}
        begun = await ask(bridge, "POST", "transfers", job, 202)
        headers = {**bridge.server.headers, "Prefer": "wait=60"}
        where = bridge.url(f"transfers/{begun['transfer']}")
        async with bridge.session.get(where, headers=headers) as answer:
            assert (await answer.json())["state"] == "done"
    job = {"connection": "store", "direction": "download", "permId": "large", "path": "got"}
    begun = await ask(bridge, "POST", "transfers", job, 202)

    async def has_begun() -> bool:
        return bool((await ask(bridge, "GET", f"transfers/{begun['transfer']}"))["done"])

    await until(has_begun, "the first bytes")
    await ask(bridge, "POST", f"transfers/{begun['transfer']}/pause", {}, 202)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mask", UMASKS, ids=lambda mask: f"umask {mask:03o}")
async def test_all_that_is_written_is_the_users_alone(tmp_path: Path, mask: int) -> None:
    """Every feature that writes is used; folders are 0700 and files 0600, before and after."""
    (tmp_path / "sshd").mkdir()
    sshd = start_sshd(tmp_path / "sshd")
    store = tmp_path / "root" / "store"
    (store / "small").mkdir(parents=True)
    (store / "small" / "a.txt").write_text("a")
    (store / "large").mkdir()
    with (store / "large" / "zeros").open("wb") as file:
        file.truncate(LARGE)
    (tmp_path / "root" / "up.txt").write_text("up")
    fuse = sshfs.available() is None
    data = tmp_path / "data"
    try:
        with masked_server(tmp_path, mask) as server:
            async with bridge_of(server) as bridge:
                await use_consoles(bridge)
                await use_connections(bridge, sshd, fuse)
                # Written by the journals' thread, a little later.
                await until(
                    lambda: len(list(data.glob("bridge/consoles/*/*.log"))) >= 2, "journals"
                )
                modes = made_in(data / "bridge", data / "jupyter_bridge", tmp_path / "tmp")
                modes |= {path: stat.S_IMODE(path.stat().st_mode) for path in data.glob("*bridge")}
                staging = list((tmp_path / "root" / "got").glob(".*"))
                modes |= {path: stat.S_IMODE(path.stat().st_mode) for path in staging}
        names = {path.name for path in modes}
        expected = {
            *("audit.jsonl", "connections.json", "known_hosts", "transfer.json", "meta.json"),
            *("vault", "secrets.bin", "key", "state", "transfers", "consoles", "bash"),
        } | ({"mounts", "mounts.json"} if fuse else set())
        assert expected <= names, "among what was looked at"
        assert any(name.endswith(".log") for name in names)
        assert staging, "a download that is under way"
        assert others_may(modes) == []
        after = made_in(data / "bridge", data / "jupyter_bridge", tmp_path / "tmp")
        assert others_may(after) == []
        assert not list((tmp_path / "home").glob("[!.]*")), "the mountpoint is gone"
    finally:
        sshd.stop()


def modes_below(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): mode for path, mode in made_in(folder).items()}


@pytest.mark.timeout(120)
async def test_folders_of_an_earlier_version_are_closed(tmp_path: Path) -> None:
    """Those that an earlier version made too open are 0700 after the next start."""
    data = tmp_path / "data"
    names = [
        *("jupyter_bridge", "jupyter_bridge/connections", "bridge", "bridge/consoles"),
        *(f"jupyter_bridge/connections/{name}" for name in ("vault", "state", "transfers")),
    ]
    for name in names:
        (data / name).mkdir(parents=True)
        (data / name).chmod(0o777)
    (data / "bridge" / "another").mkdir(mode=0o755)
    with masked_server(tmp_path, 0o022) as server:
        async with bridge_of(server) as bridge:
            await ask(bridge, "GET", "conns")
            await until(lambda: {modes_below(data)[name] for name in names} == {0o700}, "closing")
            modes = modes_below(data)
    assert {name: f"{modes[name]:o}" for name in names} == dict.fromkeys(names, "700")
    assert modes["bridge/another"] == 0o755, "what the bridge did not make is left alone"
    assert "Other users can enter" not in server.log.read_text(), "where the server stands"


@pytest.mark.timeout(120)
async def test_a_configured_folder_is_reported(tmp_path: Path) -> None:
    """The user's own folder keeps its mode, the log says that others can enter it."""
    folders = [tmp_path / "conns", tmp_path / "said"]
    for folder in folders:
        folder.mkdir()
        folder.chmod(0o755)
    (folders[0] / "state").mkdir(mode=0o755)
    options = [
        f"--BridgeApp.connections_dir={folders[0]}",
        f"--BridgeApp.console_dir={folders[1]}",
    ]
    with masked_server(tmp_path, 0o022, *options) as server:
        async with bridge_of(server) as bridge:
            await ask(bridge, "GET", "conns")
            for folder in folders:
                line = f"Other users can enter {folder}: chmod 700"
                await until(lambda: line in server.log.read_text(), line)  # noqa: B023
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o755}
    assert stat.S_IMODE((folders[0] / "state").stat().st_mode) == 0o700


@pytest.mark.parametrize("mask", UMASKS, ids=lambda mask: f"umask {mask:03o}")
def test_whatever_is_missing_is_made_private(tmp_path: Path, mask: int) -> None:
    """Not only the last folder: all of them, and the file, and the lock beside it."""
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    with umask(mask):
        write_private(there / "a" / "b" / "c" / "file", b"secret")
        with alone(there / "a" / "d" / "file"):
            pass
        private_folder(there)
    assert others_may(made_in(there)) == []
    assert stat.S_IMODE(there.stat().st_mode) == 0o755, "what is there is not changed"
    with pytest.raises(FileExistsError):
        private_folder(there / "a" / "b" / "c" / "file")


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    """Nobody makes the bridge write to, or lock, another file by a link that lies there."""
    (tmp_path / "other").write_text("mine")
    (tmp_path / ".file.lock").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"), alone(tmp_path / "file"):
        pass
    assert (tmp_path / "other").read_text() == "mine"


def test_what_cannot_be_closed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's folder is left as it is, and named."""
    ours, theirs, absent = (tmp_path / name for name in ("ours", "theirs", "absent"))
    for folder in (ours, theirs):
        folder.mkdir()
        folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(theirs, 1, 1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1)
    left = tighten([ours, theirs, absent])
    assert theirs in left
    assert left == folders_open([ours, theirs, absent])
    assert absent not in left
