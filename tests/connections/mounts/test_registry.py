"""Real sshfs mounts of a real sshd."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from jupyter_bridge.connections.mounts import sshfs, table
from jupyter_bridge.connections.mounts.registry import MountRegistry
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.roles import Sshfs
from jupyter_bridge.problems import (
    BadRequest,
    Busy,
    Conflict,
    Denied,
    NotFound,
    RemoteFailed,
    Unavailable,
)
from tests.support.sshd import SFTP_SERVER, Sshd, children, start_password_server
from tests.support.sshd import sshd as sshd  # the fixture
from tests.support.waiting import until

_NO_FUSE = sshfs.available()
pytestmark = pytest.mark.skipif(_NO_FUSE is not None, reason=f"no sshfs mounts here: {_NO_FUSE}")

LOG = logging.getLogger("test.mounts")


async def resolve(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def what(sshd: Sshd, **other: Any) -> Sshfs:
    return Sshfs(
        **{
            "host": "data.example.org",
            "user": sshd.user,
            "path": str(sshd.data),
            "port": sshd.port,
            "key_file": str(sshd.key_file),
            "known_hosts": (sshd.line.replace("127.0.0.1", "data.example.org"),),
            **other,
        }
    )


def processes(folder: Path) -> list[str]:
    """The command lines that name a configuration below `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words and b"ssh" in words and b"pytest" not in words:
            found.append(words.decode())
    return found


@asynccontextmanager
async def mounting(
    tmp_path: Path, places: Places | None = None
) -> AsyncIterator[tuple[MountRegistry, Path]]:
    """Mounts, and the home of its own that they are below; nothing may be left over."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    mounts = MountRegistry(tmp_path / "state", home, LOG, places=places)
    try:
        yield mounts, home
    finally:
        await mounts.close()
        await mounts.close()
    assert [entry for entry in table.read() if entry.mountpoint.startswith(str(home))] == []
    assert processes(tmp_path / "state") == []


async def test_a_mount_stands_at_the_hosts_name_in_the_home(sshd: Sshd, tmp_path: Path) -> None:
    """Files are read and written through it; unmounted, its folder is gone."""
    async with mounting(tmp_path) as (mounts, home):
        (sshd.data / "there.txt").write_text("there")
        mount = await mounts.mount("data", what(sshd), resolve)
        assert mount.mountpoint == str(home / "data.example.org")
        assert mounts.get("data") is mount
        there = home / "data.example.org"
        assert await asyncio.to_thread((there / "there.txt").read_text) == "there"
        await asyncio.to_thread((there / "here.txt").write_text, "here")
        assert (sshd.data / "here.txt").read_text() == "here"
        with pytest.raises(Conflict, match="already"):
            await mounts.mount("data", what(sshd), resolve)
        await mounts.unmount("data")
        assert mounts.get("data") is None
        assert not there.exists()
        with pytest.raises(NotFound):
            await mounts.unmount("data")


async def test_each_mount_and_its_end_is_told(sshd: Sshd, tmp_path: Path) -> None:
    """When it is told, what can be asked is as it was told; also where a mount ends by itself."""
    told: list[tuple[str, bool]] = []

    async with mounting(tmp_path) as (mounts, _):
        mounts._on_change = lambda name: told.append((name, mounts.get(name) is not None))
        await mounts.mount("data", what(sshd), resolve, "one")
        await mounts.unmount("data")
        mount = await mounts.mount("data", what(sshd), resolve, "two")
        assert told == [("data", True), ("data", False), ("data", True)]
        os.kill(mount.record.pid, signal.SIGKILL)
        subprocess.run(["fusermount3", "-uz", mount.mountpoint], check=False)
        await until(lambda: told[-1] == ("data", False), "noticing it")


async def test_a_mountpoint_can_be_named(sshd: Sshd, tmp_path: Path) -> None:
    """Absolute, below the home, or with ~; an empty folder that was there stays there."""
    async with mounting(tmp_path) as (mounts, home):
        (home / "an empty one").mkdir()
        for place in (str(home / "a, b"), "~/c d", "an empty one"):
            mount = await mounts.mount("data", what(sshd), resolve, place)
            assert Path(mount.mountpoint).name == Path(place).name
            await mounts.unmount("data")
        assert [path.name for path in home.iterdir()] == ["an empty one"]


async def test_a_request_names_a_mountpoint_below_the_root(sshd: Sshd, tmp_path: Path) -> None:
    """Links are resolved, hidden places and the server's own refused; the default is the host's."""
    root, more = tmp_path / "home/root", tmp_path / "more"
    for path in (root / "sub", root / ".hidden", root / "run", more, tmp_path / "outside"):
        path.mkdir(parents=True)
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "way").symlink_to(".hidden")
    refused = [
        *("/mnt/x", "~/.config", "~/x", "x", "root/.hidden", "root/.new", "root/.hidden/x"),
        *("root/out/x", "root/way/x", "root/run", "root/run/x", str(tmp_path / "outside")),
        str(tmp_path),
    ]

    async with mounting(tmp_path, Places(root, [str(more)], private=[root / "run"])) as (
        mounts,
        _,
    ):
        for place in refused:
            with pytest.raises(Denied):
                await mounts.mount("data", what(sshd), resolve, place)
        for named in ("root/sub", "~/root/new", str(more / "x"), str(root / "sub" / "x"), None):
            mount = await mounts.mount("data", what(sshd), resolve, named)
            assert Path(mount.mountpoint).name == Path(named or "data.example.org").name
            await mounts.unmount("data")
    assert list((tmp_path / "outside").iterdir()) == []


async def test_what_is_in_the_way_stays(sshd: Sshd, tmp_path: Path) -> None:
    """A file, a full folder, a link or another mount is a conflict, and is left alone."""
    async with mounting(tmp_path) as (mounts, home):
        (home / "file").write_text("mine")
        (home / "full").mkdir()
        (home / "full" / "file").write_text("mine")
        (home / "link").symlink_to(tmp_path)
        await mounts.mount("first", what(sshd), resolve, "taken")
        for place in ("file", "full", "link", "taken"):
            with pytest.raises(Conflict):
                await mounts.mount("data", what(sshd), resolve, place)
        for place in ("../outside", "a/../../b", ".", "", "no/such/parent"):
            with pytest.raises(BadRequest):
                await mounts.mount("data", what(sshd), resolve, place or "..")
        assert (home / "full" / "file").read_text() == "mine"
        assert mounts.get("first") is not None


@pytest.mark.parametrize(
    "part",
    [
        {"host": "-oProxyCommand=touch${IFS}x"},
        {"host": "a b"},
        {"host": "a;b"},
        {"host": "user@host"},
        {"user": "-oProxyCommand=x"},
        {"user": "a\nProxyCommand x"},
        {"user": 'a"b'},
        {"path": "/a\nb"},
        {"password": "a\nb"},
        {"key_file": "/a\nProxyCommand x"},
    ],
)
async def test_no_part_of_a_request_becomes_an_option(
    part: dict[str, str], sshd: Sshd, tmp_path: Path
) -> None:
    """Hosts, users and paths that ssh could read as something else are refused."""
    async with mounting(tmp_path) as (mounts, home):
        with pytest.raises(BadRequest):
            await mounts.mount("data", what(sshd, **part), resolve, "place")
        assert list(home.iterdir()) == []


async def test_only_the_known_host_key_is_trusted(sshd: Sshd, tmp_path: Path) -> None:
    """Another key, or none known, is no mount."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()

    async with mounting(tmp_path) as (mounts, home):
        for lines in ((), (f"[data.example.org]:{sshd.port} {other}",)):
            with pytest.raises(Denied, match="host key"):
                await mounts.mount("data", what(sshd, known_hosts=lines), resolve)
        assert list(home.iterdir()) == []


async def test_why_there_is_no_mount_is_told(sshd: Sshd, tmp_path: Path) -> None:
    """A wrong key, a folder that is not there and a port where nobody listens differ."""
    async with mounting(tmp_path) as (mounts, home):
        host_key = str(sshd.folder / "host_key")
        with pytest.raises(Denied, match="username and password or key"):
            await mounts.mount("data", what(sshd, key_file=host_key), resolve)
        with pytest.raises(RemoteFailed, match="folder to mount"):
            await mounts.mount("data", what(sshd, path=str(sshd.data / "none")), resolve)
        sshd.stop()
        with pytest.raises(Unavailable):
            await mounts.mount("data", what(sshd), resolve)
        assert list(home.iterdir()) == []


async def test_a_mount_that_goes_at_once_is_none(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sshfs mounts before it connects: seen in that moment, the folder below it would answer."""
    real, asked = table.at, []

    def at(mountpoint: str) -> table.MountEntry | None:
        asked.append(mountpoint)
        if len(asked) == 2:  # the first asks whether the place is free
            return table.MountEntry(mountpoint, "0:4095", "fuse.sshfs", "gone")
        return real(mountpoint)

    async with mounting(tmp_path) as (mounts, _):
        sshd.stop()
        monkeypatch.setattr(table, "at", at)
        with pytest.raises(Unavailable):
            await mounts.mount("data", what(sshd), resolve)
        assert mounts.get("data") is None
    assert len(asked) > 2


async def test_a_password_goes_in_and_is_nowhere_to_be_seen(tmp_path: Path) -> None:
    """Neither an argument, an environment, a file nor a repr holds it."""
    canary = "canary-9f3b c'd$e"
    (tmp_path / "remote").mkdir()

    async with mounting(tmp_path) as (mounts, home):
        server, key = await start_password_server(tmp_path / "remote", "me", canary)
        port = server.get_port()
        public = key.export_public_key().decode()
        spec = Sshfs("h", "me", "/", port, canary, None, (f"[h]:{port} {public}",))
        assert "canary" not in repr(spec)
        try:
            wrong = Sshfs("h", "me", "/", port, "wrong", None, spec.known_hosts)
            with pytest.raises(Denied):
                await mounts.mount("data", wrong, resolve)
            mount = await mounts.mount("data", spec, resolve)
            assert "canary" not in repr(mount)
            await asyncio.to_thread((home / "h" / "new").write_text, "x")
            assert (tmp_path / "remote" / "new").read_text() == "x"
            seen = [p.read_bytes() for p in (tmp_path / "state").rglob("*") if p.is_file()]
            for pid in (mount.record.pid, *children(mount.record.pid)):
                for name in ("cmdline", "environ"):
                    seen.append(Path(f"/proc/{pid}/{name}").read_bytes())
            assert len(seen) >= 6
            assert [text for text in seen if b"canary" in text] == []
            assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "state").rglob("*"))
        finally:
            await mounts.close()
            server.close()
            await server.wait_closed()


@pytest.mark.parametrize("cycles", [12, pytest.param(50, marks=pytest.mark.soak)])
async def test_mounts_leave_nothing_and_a_stranger_untouched(
    sshd: Sshd, tmp_path: Path, cycles: int
) -> None:
    """Each is mounted and unmounted by itself; another sshfs of the same user lives on."""
    stranger, inside = tmp_path / "stranger", tmp_path / "inside"
    stranger.mkdir()
    inside.mkdir()
    script = tmp_path / "sftp.sh"
    script.write_text(f"#!/bin/sh\nexec {SFTP_SERVER}\n")
    script.chmod(0o755)
    subprocess.run(
        ["sshfs", "-o", f"ssh_command={script}", f"x:{inside}", str(stranger)], check=True
    )

    try:
        async with mounting(tmp_path) as (mounts, _):
            for _ in range(cycles):
                await mounts.mount("data", what(sshd), resolve)
                await mounts.unmount("data")
        assert table.at(str(stranger)) is not None
        (stranger / "x").write_text("x")
    finally:
        subprocess.run(["fusermount3", "-u", str(stranger)], check=True)


async def test_a_mount_in_use_is_busy_until_it_is_not(sshd: Sshd, tmp_path: Path) -> None:
    """Unmounting refuses with a sentence; stopping does not."""
    async with mounting(tmp_path) as (mounts, home):
        await mounts.mount("data", what(sshd), resolve)
        file = await asyncio.to_thread(open, home / "data.example.org" / "open", "w")
        try:
            with pytest.raises(Busy, match="Close its files"):
                await mounts.unmount("data")
            assert mounts.get("data") is not None
            await mounts.close()
        finally:
            with contextlib.suppress(OSError):  # its remote is gone
                await asyncio.to_thread(file.close)


async def test_a_dead_remote_is_told_and_delays_nobody(sshd: Sshd, tmp_path: Path) -> None:
    """It becomes stale by itself, is well again if it answers, and is unmounted without it."""

    async with mounting(tmp_path) as (mounts, _):
        mount = await mounts.mount("data", what(sshd), resolve)
        served = [pid for session in sshd.sessions() for pid in (session, *_below(session))]
        for pid in served:
            os.kill(pid, signal.SIGSTOP)
        # Whoever asked the remote on this loop would never come back to find out.
        await until(lambda: mount.stale, "getting stale")
        assert mounts.get("data") is mount
        for pid in served:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: not mount.stale, "getting well")
        for pid in served:
            os.kill(pid, signal.SIGSTOP)
        await mounts.unmount("data")
        assert mounts.get("data") is None
        for pid in served:
            os.kill(pid, signal.SIGCONT)


async def test_a_mount_whose_process_dies_is_cleared_away(sshd: Sshd, tmp_path: Path) -> None:
    """No dead folder stays in the home."""
    async with mounting(tmp_path) as (mounts, home):
        mount = await mounts.mount("data", what(sshd), resolve)
        os.kill(mount.record.pid, signal.SIGKILL)
        await until(lambda: not list(home.iterdir()), "clearing it away")
        assert mounts.get("data") is None
        await mounts.mount("data", what(sshd), resolve)


async def test_a_server_that_was_killed_finds_its_mounts_again(sshd: Sshd, tmp_path: Path) -> None:
    """What answers is taken up and can be unmounted; what is dead is cleared away."""
    home = tmp_path / "home"
    home.mkdir()
    script = f"""
import asyncio, logging, os, sys
from pathlib import Path
from jupyter_bridge.connections.mounts.registry import MountRegistry
from jupyter_bridge.connections.roles import Sshfs
async def resolve(host, port):
    return ["127.0.0.1"]
async def main():
    state, home = Path({str(tmp_path / "state")!r}), Path({str(home)!r})
    mounts = MountRegistry(state, home, logging.getLogger())
    for name in ("alive", "unwritten", "dead"):
        mount = await mounts.mount(name, {what(sshd)!r}, resolve, name)
    mounts._mounts.pop("unwritten")
    await mounts._write_down()
    print(mount.record.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=60)
    os.kill(int(done.stdout), signal.SIGKILL)
    assert len([e for e in table.read() if e.mountpoint.startswith(str(home))]) == 3

    async with mounting(tmp_path) as (mounts, home):
        assert set(await mounts.recover()) == {"alive"}
        assert [e.mountpoint for e in table.read() if str(home) in e.mountpoint] == [
            str(home / "alive")
        ]
        assert not (home / "dead").exists()
        await asyncio.to_thread((home / "alive" / "x").write_text, "x")
        assert (sshd.data / "x").read_text() == "x"
        await mounts.keep_only(["alive", "other"])
        assert set(mounts._mounts) == {"alive"}
        # A connection that is no more: nobody could unmount what was mounted of it.
        await mounts.keep_only(["other"])
        assert set(mounts._mounts) == set()
        assert not (home / "alive").exists()


async def test_another_mount_at_the_same_place_is_not_ours(sshd: Sshd, tmp_path: Path) -> None:
    """A record whose mount has been replaced by somebody else's unmounts nothing."""
    home = tmp_path / "home"
    (home / "place").mkdir(parents=True)

    async def begin() -> None:
        mounts = MountRegistry(tmp_path / "state", home, LOG)
        await mounts.mount("data", what(sshd), resolve, "place")
        record = (tmp_path / "state" / "mounts.json").read_bytes()
        await mounts.close()
        (tmp_path / "state" / "mounts.json").write_bytes(record)

    await begin()
    script = tmp_path / "sftp.sh"
    script.write_text(f"#!/bin/sh\nexec {SFTP_SERVER}\n")
    script.chmod(0o755)
    # A mount in between, so that the device number is another one.
    for place in ("other", "place"):
        (home / place).mkdir(exist_ok=True)
        subprocess.run(
            ["sshfs", "-o", f"ssh_command={script}", f"x:{sshd.data}", str(home / place)],
            check=True,
        )

    try:
        mounts = MountRegistry(tmp_path / "state", home, LOG)
        ours = await mounts.recover()
        await mounts.close()
        assert ours == {}
        assert table.at(str(home / "place")) is not None
    finally:
        for place in ("other", "place"):
            subprocess.run(["fusermount3", "-u", str(home / place)], check=True)


def _below(pid: int) -> list[int]:
    return [found for child in children(pid) for found in (child, *_below(child))]
