"""The sftp connector on a real OpenSSH sshd; passwords on asyncssh's server."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Context, WrongCredentials
from jupyter_bridge.connections.connectors.ssh.login import (
    HostKeyChanged,
    SshAddress,
    UnknownHostKey,
)
from jupyter_bridge.connections.connectors.ssh.sftp import Sftp, SftpFields
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.roles import NewDataset, Span
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Denied,
    NotFound,
    Problem,
    RemoteFailed,
    Unavailable,
    Unsupported,
)
from tests.support.sshd import Sshd, children, start_password_server
from tests.support.sshd import sshd as sshd  # the fixture
from tests.support.waiting import until

LOG = logging.getLogger("test.sftp")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, agent or configuration of whoever runs the tests takes part."""
    monkeypatch.setenv("HOME", str(tmp_path / "no-home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def make(tmp_path: Path, loopback: bool = True, **fields: Any) -> Sftp:
    context = Context(
        name="data",
        outbound=Outbound(AddressPolicy(allow_loopback=loopback)),
        folder=tmp_path / "state" / "data",
        root_dir=tmp_path,
        log=LOG,
    )
    return Sftp(SftpFields(**fields), context)


def with_key(sshd: Sshd, tmp_path: Path, **fields: Any) -> Sftp:
    known = {"url": sshd.url, "key_file": str(sshd.key_file), "host_key": sshd.fingerprint}
    return make(tmp_path, **{**known, **fields})


@asynccontextmanager
async def using(remote: Sftp) -> AsyncIterator[None]:
    """Close the connector in the end, twice."""
    try:
        yield
    finally:
        await remote.close()
        await remote.close()
        await remote.context.outbound.close()


async def whole(remote: Sftp, perm_id: str, path: str, *span: int) -> bytes:
    return b"".join([bytes(piece) async for piece in remote.read(perm_id, path, *span)])


# -- the host's key ------------------------------------------------------------------------------


async def test_a_first_login_asks_for_the_hosts_key(sshd: Sshd, tmp_path: Path) -> None:
    """Unknown is told with the fingerprint; accepted once, it is remembered."""
    remote = with_key(sshd, tmp_path, host_key=None)

    async with using(remote):
        with pytest.raises(UnknownHostKey) as caught:
            await remote.login()
        assert caught.value.status == 409
        assert caught.value.code == "unknown-host-key"
        assert caught.value.details["host_key"] == sshd.fingerprint
        remote.fields.host_key = sshd.fingerprint
        login = await remote.login()
        assert login.keep == {"host_key": sshd.fingerprint}
        assert login.username == sshd.user
        # The next server life, with nothing but the connection's folder.
        remote.fields.host_key = None
        await remote.login()
        known = remote.context.folder / "known_hosts"
        assert known.read_text() == f"{sshd.line}\n"
        assert known.stat().st_mode & 0o077 == 0


async def test_a_changed_host_key_is_refused_until_given_anew(sshd: Sshd, tmp_path: Path) -> None:
    """Neither the file nor the field lets another key pass; the new one replaces the old one."""
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        old = sshd.fingerprint
        await asyncio.to_thread(sshd.new_host_key)
        for accepted in (old, None):
            remote.fields.host_key = accepted
            with pytest.raises(HostKeyChanged) as caught:
                await remote.login()
            assert caught.value.code == "host-key-changed"
            assert caught.value.details["host_key"] == sshd.fingerprint
            assert caught.value.details["accepted"] == old
        remote.fields.host_key = sshd.fingerprint
        await remote.login()
        assert (remote.context.folder / "known_hosts").read_text() == f"{sshd.line}\n"


async def test_nothing_secret_reaches_an_unknown_host(tmp_path: Path) -> None:
    """The password is not even tried before the key was accepted."""
    tried: list[str] = []

    server, key = await start_password_server(tmp_path, "me", "pw", tried)
    url = f"sftp://me@127.0.0.1:{server.get_port()}"
    remote = make(tmp_path, url=url, password="pw")
    try:
        with pytest.raises(UnknownHostKey):
            await remote.login()
        assert tried == []
        remote.fields.host_key = key.get_fingerprint()
        await remote.login()
        assert tried == ["pw"]
    finally:
        await remote.close()
        server.close()
        await server.wait_closed()


# -- logging in ----------------------------------------------------------------------------------


async def test_a_password_lets_in_or_does_not(tmp_path: Path) -> None:
    """A wrong one is told as wrong credentials, without itself."""
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "a").write_text("a")

    server, key = await start_password_server(tmp_path / "remote", "me", "right")
    url = f"sftp://127.0.0.1:{server.get_port()}/"
    accepted = key.get_fingerprint()
    remote = make(tmp_path, url=url, username="me", password="canary", host_key=accepted)
    try:
        with pytest.raises(WrongCredentials, match="Incorrect username or password") as caught:
            await remote.login()
        assert "canary" not in repr(caught.value) + repr(remote.fields)
        assert caught.value.__cause__ is None
        remote.fields.password = "right"
        await remote.login()
        assert [item.name for item in await remote.browse("")] == ["a"]
        assert (await remote.sshfs()).password == "right"
        assert "right" not in repr(await remote.sshfs())
    finally:
        await remote.close()
        server.close()
        await server.wait_closed()


async def test_the_agent_lets_in(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a password and a key file the user's agent is asked."""
    path = tmp_path / "agent"
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await until(path.exists, "the agent's socket")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        subprocess.run(["ssh-add", "-q", str(sshd.key_file)], check=True, stderr=subprocess.PIPE)
        remote = with_key(sshd, tmp_path, key_file=None)

        async with using(remote):
            assert remote.needs == ()
            await remote.login()
            await remote.probe()
            assert (await remote.sshfs()).key_file is None
    finally:
        agent.kill()
        agent.wait()


async def test_without_any_key_nobody_gets_in(sshd: Sshd, tmp_path: Path) -> None:
    """No agent, no key: wrong credentials."""
    remote = with_key(sshd, tmp_path, key_file=None)

    async with using(remote):
        with pytest.raises(WrongCredentials):
            await remote.login()


async def test_a_key_with_a_passphrase(sshd: Sshd, tmp_path: Path) -> None:
    """It takes the right passphrase; a mount cannot be given one, and says so."""
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret words", "-f", str(sshd.key_file)],
        check=True,
    )
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        for passphrase in (None, "wrong"):
            remote.fields.passphrase = passphrase
            with pytest.raises(Denied, match="key file"):
                await remote.login()
        remote.fields.passphrase = "secret words"
        await remote.login()
        with pytest.raises(Unsupported, match="agent"):
            await remote.sshfs()
        remote.fields.key_file = str(tmp_path / "none")
        with pytest.raises(Denied, match="cannot be read"):
            await remote.login()


async def test_who_is_not_there_is_unavailable(sshd: Sshd, tmp_path: Path) -> None:
    """A port where nobody listens, and a listener that says nothing, come to an end."""
    sshd.stop()
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        with pytest.raises(Unavailable):
            await remote.login()


async def test_who_does_not_speak_ssh_is_told(tmp_path: Path) -> None:
    """A web server on that port is no SFTP server."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    remote = make(tmp_path, url=f"sftp://me@127.0.0.1:{port}", password="x")
    with pytest.raises((RemoteFailed, Unavailable)):
        await remote.login()
    server.close()
    await server.wait_closed()


async def test_the_address_policy_holds_for_ssh(sshd: Sshd, tmp_path: Path) -> None:
    """Loopback is refused where the operator did not allow it."""
    remote = make(tmp_path, loopback=False, url=sshd.url, key_file=str(sshd.key_file))

    async with using(remote):
        with pytest.raises(Denied):
            await remote.login()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "sftp:///path",
        "host/path",
        "sftp://me:password@host/",
        "sftp://host:port/",
        "sftp://host:99999/",
        "sftp://host/a/../../b",
        "sftp://host/a%00b",
        "sftp://host/?a=b",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """Only sftp://[user@]host[:port]/path, and no password in it."""
    with pytest.raises(BadRequest) as caught:
        Sftp.check(SftpFields(url=url))
    assert caught.value.details["field"] == "url"


def test_a_url_names_the_user_the_port_and_the_folder() -> None:
    """With or without each of them; a field goes before the URL."""
    assert SshAddress.from_url("sftp://me@h:2222/a%20b", None) == SshAddress(
        "h", 2222, "me", "/a b"
    )
    assert SshAddress.from_url("sftp://me@h", "you") == SshAddress("h", 22, "you", "")
    assert SshAddress.from_url("sftp://me@[::1]/~/data", None) == SshAddress(
        "::1", 22, "me", "data"
    )


# -- files ---------------------------------------------------------------------------------------


async def test_folders_are_browsed(sshd: Sshd, tmp_path: Path) -> None:
    """Folders first, then by name; links are what they lead to; names may be strange."""
    (sshd.data / "b folder").mkdir()
    (sshd.data / "a.txt").write_text("12345")
    (sshd.data / ".hidden").write_text("")
    (sshd.data / "link").symlink_to("b folder")
    (sshd.data / "nowhere").symlink_to("none")
    (sshd.data / "b folder" / "ü").write_text("")
    os.utime(sshd.data / "a.txt", (0, 1_700_000_000))
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        items = await remote.browse("")
        assert [(item.name, item.kind) for item in items] == [
            ("b folder", "folder"),
            ("link", "folder"),
            (".hidden", "file"),
            ("a.txt", "file"),
            ("nowhere", "link"),
        ]
        assert items[3].size == 5
        assert items[3].modified == "2023-11-14T22:13:20Z"
        assert [item.permId for item in await remote.browse("b folder")] == ["b folder/ü"]
        for path in ("..", "a/../../b", "x\0y"):
            with pytest.raises(Denied):
                await remote.browse(path)
        with pytest.raises(NotFound):
            await remote.browse("none")


async def test_a_data_set_is_a_file_or_a_folder(sshd: Sshd, tmp_path: Path) -> None:
    """All regular files below, and the empty folders; no link, pipe or loop."""
    folder = sshd.data / "set"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "deep" / "er" / "x").write_bytes(b"abc")
    (folder / "y").write_bytes(b"d")
    (folder / "loop").symlink_to(folder)
    (folder / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        found = await remote.dataset("set/")
        assert found.permId == "set"
        assert found.type == "folder"
        assert found.size == 4
        assert found.files == [
            File("deep/er/x", 3),
            File("empty", directory=True),
            File("y", 1),
        ]
        assert await whole(remote, "set", "deep/er/x") == b"abc"
        single = await remote.dataset("set/y")
        assert (single.type, single.files) == ("file", [File("y", 1)])
        assert await whole(remote, "set/y", "y") == b"d"
        with pytest.raises(NotFound):
            await whole(remote, "set/y", "z")
        assert await remote.file("set", "deep/er/x") == File("deep/er/x", 3)
        assert await remote.file("set/y", "y") == File("y", 1)
        for perm_id, path in (("none", "x"), ("set", "deep"), ("set", "z"), ("set/y", "z")):
            with pytest.raises(NotFound):
                await remote.file(perm_id, path)
        with pytest.raises(NotFound):
            await remote.dataset("none")


async def test_any_part_of_a_file_can_be_read(sshd: Sshd, tmp_path: Path) -> None:
    """Byte for byte, over the borders of pieces, and left off at any point."""
    content = os.urandom(5 * (1 << 20) + 123)
    (sshd.data / "big").write_bytes(content)
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        assert await whole(remote, "big", "big") == content
        for start, stop in ((0, 1), (1, 1 << 20), (1 << 20, 3 << 20), (1000, 2_000_000), (7, 7)):
            assert await whole(remote, "big", "big", start, stop) == content[start:stop]
        pieces = remote.read("big", "big")
        async for _ in pieces:
            break
        await pieces.aclose()  # type: ignore[attr-defined]
        assert await whole(remote, "big", "big", len(content) - 1) == content[-1:]


async def test_many_spans_are_fetched_at_once(sshd: Sshd, tmp_path: Path) -> None:
    """Each byte arrives at its offset."""
    files = {f"d{i % 3}/{i}": os.urandom(1000 + i) for i in range(100)}
    files["big"] = os.urandom(3 << 20)
    for name, content in files.items():
        (sshd.data / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (sshd.data / "set" / name).write_bytes(content)
    got = {name: bytearray(len(content)) for name, content in files.items()}

    class Taker:
        async def write(self, path: str, offset: int, data: Any) -> None:
            got[path][offset : offset + len(data)] = data

    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        spans = [Span(name, 0, len(content)) for name, content in files.items()]
        taker: Any = Taker()  # all of a Sink that is used here
        await remote.fetch("set", spans, taker)
        assert got == files
        with pytest.raises(NotFound):
            await remote.fetch("set", [*spans, Span("none", 0, 1)], taker)


async def test_an_upload_appears_when_it_is_complete(sshd: Sshd, tmp_path: Path) -> None:
    """Chunks in any order and again, empty files and folders; nothing is seen before."""
    content = os.urandom(300_000)
    new = NewDataset(
        "inbox",
        [File("run/a/big", len(content)), File("run/none"), File("run/e", directory=True)],
    )
    (sshd.data / "inbox").mkdir()
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        upload = await remote.begin(new)
        # Whoever else may write there cannot enter it, nor have made it before.
        assert (sshd.data / f".jupyter-bridge-incoming-{upload}").stat().st_mode & 0o777 == 0o700
        big = new.files[0]
        for offset in (200_000, 0, 100_000, 0):
            await remote.append(upload, big, offset, content[offset : offset + 100_000])
        assert await remote.browse("inbox") == []
        assert [item.name for item in await remote.browse("")] == ["inbox"]
        await remote.login()  # as a restart of this server would
        assert await remote.commit(upload, new) == "inbox/run"
        assert (sshd.data / "inbox" / "run" / "a" / "big").read_bytes() == content
        assert (sshd.data / "inbox" / "run" / "none").read_bytes() == b""
        assert (sshd.data / "inbox" / "run" / "e").is_dir()
        assert [path.name for path in sshd.data.iterdir()] == ["inbox"]


async def test_an_upload_replaces_nothing_and_hides_nothing(sshd: Sshd, tmp_path: Path) -> None:
    """A taken name, a missing chunk and a vanished upload are told; aborted, it leaves nothing."""
    new = NewDataset("", [File("a", 4)])
    (sshd.data / "a").write_text("mine")
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        upload = await remote.begin(new)
        await remote.append(upload, new.files[0], 0, b"12")
        with pytest.raises(RemoteFailed, match="2 bytes, not 4"):
            await remote.commit(upload, new)
        await remote.append(upload, new.files[0], 2, b"34")
        with pytest.raises(Conflict, match="a exists already"):
            await remote.commit(upload, new)
        await remote.abort(upload)
        await remote.abort(upload)
        with pytest.raises(NotFound):
            await remote.append(upload, new.files[0], 0, b"12")
        with pytest.raises(NotFound):
            await remote.append(upload, File("b/c", 2), 0, b"12")
        with pytest.raises(BadRequest):
            await remote.append("../x", new.files[0], 0, b"12")
        with pytest.raises(Denied):
            await remote.append(await remote.begin(new), File("../x", 2), 0, b"12")
        with pytest.raises(NotFound):
            await remote.begin(NewDataset("none", []))
        assert (sshd.data / "a").read_text() == "mine"
        assert not (sshd.folder / "x").exists()


async def test_what_may_not_be_read_is_denied(sshd: Sshd, tmp_path: Path) -> None:
    """One call fails; the session goes on."""
    if os.getuid() == 0:
        pytest.skip("root may read everything")
    (sshd.data / "a").write_text("x")
    (sshd.data / "a").chmod(0)
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        with pytest.raises(Denied):
            await whole(remote, "a", "a")
        await remote.probe()


async def test_a_root_that_is_no_folder_is_told(sshd: Sshd, tmp_path: Path) -> None:
    """At the login, not later."""
    remote = with_key(sshd, tmp_path, url=f"{sshd.url}/none")

    async with using(remote):
        with pytest.raises(Problem, match="There is no"):
            await remote.login()


async def test_a_broken_line_is_mended_by_one_login(sshd: Sshd, tmp_path: Path) -> None:
    """The connection logs in again, for all who wait, and the calls succeed."""
    (sshd.data / "a").write_text("x")
    context = with_key(sshd, tmp_path).context
    fields = SftpFields(url=sshd.url, key_file=str(sshd.key_file), host_key=sshd.fingerprint)
    remote = Sftp(fields, context)
    connection = Connection("data", remote)
    logins = 0
    login = remote.login

    async def counted() -> Any:
        nonlocal logins
        logins += 1
        return await login()

    remote.login = counted  # type: ignore[method-assign]

    await connection.login()
    for pid in sshd.sessions():
        for child in (*children(pid), pid):
            os.kill(child, signal.SIGKILL)
    lists = await asyncio.gather(
        *(connection.use(Sftp, lambda sftp: sftp.browse("")) for _ in range(64))
    )
    assert all(items[0].name == "a" for items in lists)
    assert logins == 2
    await connection.close()


async def test_megabytes_pass_in_chunks_side_by_side(sshd: Sshd, tmp_path: Path) -> None:
    """Down as one stream, up in chunks that are under way at the same time, byte for byte."""
    content = os.urandom(32 << 20)
    (sshd.data / "big").write_bytes(content)
    remote = with_key(sshd, tmp_path)

    async with using(remote):
        await remote.login()
        assert await whole(remote, "big", "big") == content
        new = NewDataset("", [File("up", len(content))])
        upload = await remote.begin(new)
        size = remote.chunk_bytes
        await asyncio.gather(
            *(
                remote.append(upload, new.files[0], at, content[at : at + size])
                for at in range(0, len(content), size)
            )
        )
        await remote.commit(upload, new)
        assert (sshd.data / "up").read_bytes() == content


async def test_a_file_that_is_opened_too_late_is_closed(sshd: Sshd, tmp_path: Path) -> None:
    """Whoever stops while the remote opens a file leaves none open there."""
    (sshd.data / "late").mkdir()
    (sshd.data / "late" / "file").write_bytes(b"x" * 100)
    remote = with_key(sshd, tmp_path)

    def there() -> list[str]:
        return [
            file.path
            for child in psutil.Process(sshd.process.pid).children(recursive=True)
            for file in child.open_files()
            if file.path.endswith("late/file")
        ]

    async with using(remote):
        await remote.login()
        assert await whole(remote, "late", "file") == b"x" * 100
        for turns in range(30):
            reading = asyncio.ensure_future(whole(remote, "late", "file"))
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait({reading})
        await until(lambda: not there(), "closing the files")
