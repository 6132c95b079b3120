"""Files of ours that are read back, with something else in their place."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.client import discovery
from jupyter_bridge.connections import audit
from jupyter_bridge.connections.config.files import ConfigFiles
from jupyter_bridge.connections.config.saved import SavedConnections
from jupyter_bridge.connections.connectors.folder import FolderFields
from jupyter_bridge.connections.connectors.ssh.login import KnownHosts, SshAddress
from jupyter_bridge.connections.mounts.records import MountRecords
from jupyter_bridge.connections.secrets.vault import Vault
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.consoles.journal.archive import Archive
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.consoles.store import ConsoleStore
from jupyter_bridge.private_files import open_private
from jupyter_bridge.problems import Unavailable
from tests.support.waiting import PATIENCE

LOG = logging.getLogger("odd")

# -- what stands in a file's place -------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00{")


def nested(path: Path) -> None:
    path.write_bytes(b"[" * 200_000)


def other(path: Path) -> None:
    path.write_bytes(b'{"lab": [1], "name": 5, "state": {}}')


ODD = [fifo, folder, device, large, garbage, nested, other]
Odd = Callable[[Path], None]

# -- who reads ---------------------------------------------------------------------------------


async def config(place: Path, odd: Odd) -> None:
    odd(place / "bridge-connections.yaml")
    assert not ConfigFiles((), [place], {}).read().entries


async def saved(place: Path, odd: Odd) -> None:
    odd(place / "connections.json")
    connections = SavedConnections(place, Vault(place / "vault", LOG, "memory"), LOG)
    assert await connections.load() == {}
    with pytest.raises(Unavailable, match=r"connections\.json"):
        await connections.keep("lab", "folder", FolderFields(url="a"), settings=True)


async def mounts(place: Path, odd: Odd) -> None:
    odd(place / "mounts.json")
    assert await MountRecords(place, LOG).read() == {}


async def vault(place: Path, odd: Odd) -> None:
    odd(place / "secrets.bin")
    kept = Vault(place, LOG, "file")
    assert await kept.read("lab", "x") == {}
    assert kept.place == "memory"


async def key(place: Path, odd: Odd) -> None:
    odd(place / "key")
    kept = Vault(place, LOG, "file")
    await kept.open()
    assert kept.place == "memory"


async def known_hosts(place: Path, odd: Odd) -> None:
    odd(place / "known")
    hosts, where = KnownHosts(place / "known"), SshAddress("h", 22, "u", "")
    if odd in (garbage, nested, other):
        assert hosts.get(where) is None
    else:
        with pytest.raises(Unavailable, match="known"):
            hosts.get(where)


async def transfer(place: Path, odd: Odd) -> None:
    (place / "t" / "one").mkdir(parents=True)
    odd(place / "t" / "one" / "transfer.json")
    store = TransferStore(place / "t", lambda name: None, log=LOG)  # type: ignore[arg-type,return-value]
    await store.start()
    assert store.all() == []
    await store.close()


async def progress(place: Path, odd: Odd) -> None:
    odd(place / "pieces")
    log = ProgressLog(place / "pieces")
    with contextlib.suppress(OSError):  # the transfer is told as one that cannot be read
        log.load()
    assert log.done == 0 or odd is other
    log.close()


async def audited(place: Path, odd: Odd) -> None:
    odd(place / "audit.jsonl")
    log = audit.Audit(place / "audit.jsonl", LOG)
    await within(PATIENCE, log.write(action="x"))
    await log.close()


async def discovered(place: Path, odd: Odd) -> None:
    odd(place / "jpserver-1.json")
    assert list(discovery.running(place)) == []


async def console(place: Path, odd: Odd) -> None:
    good = Archive(place / "c")
    record, journal = good.create({"name": "1", "epoch": "e", "started": "2026"})
    journal.append(b"hello")
    good.end(record, journal)
    good.stop()
    (place / "c" / "odd").mkdir()
    odd(place / "c" / "odd" / "meta.json")
    archive = Archive(place / "c", log=LOG)
    store = ConsoleStore(archive, on_ended=lambda console: None)
    store.load()
    assert [console.name for console in store] == ["1"]
    store.stop()


async def segment(place: Path, odd: Odd) -> None:
    journal = Journal(place, "e")
    journal.append(b"hello")
    journal.close()
    (place / f"{0:020d}.idx").unlink()
    odd(place / f"{0:020d}.idx")
    if odd is not large:  # a log may be large
        odd(place / f"{9:020d}.log")
    again = Journal(place, "e")
    assert again.read(0, 5) == b"hello"
    again.tail(3)
    again.since(0.0)
    again.close()


async def screen(place: Path, odd: Odd) -> None:
    odd(place / "screen.jsonl")
    journal = Journal(place, "e")
    journal.note_size(24, 80)
    journal.append(b"hello")
    assert journal.write_pending()
    assert journal.folder == place  # the output is kept, whatever stands beside it
    journal.close()
    assert Journal(place, "e").read(0, 5) == b"hello"


READERS = [
    *(config, saved, mounts, vault, key, known_hosts, transfer, progress, audited, discovered),
    *(console, segment, screen),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
async def test_something_else_in_a_files_place(
    reader: Callable[[Path, Odd], Any],
    odd: Odd,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pipe, a folder, a device, 8 GiB or other content: skipped, in no time and memory."""
    monkeypatch.delenv("JUPYTER_BRIDGE_KEY", raising=False)
    caplog.set_level(logging.INFO)
    await within(PATIENCE, reader(tmp_path, odd))
    told = {saved: "connections.json", mounts: "mounts.json", transfer: "one", console: "odd"}
    if reader in told:
        assert told[reader] in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("odd", [fifo, folder, device], ids=lambda odd: odd.__name__)
@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND])
def test_something_else_is_not_written(odd: Odd, flags: int, tmp_path: Path) -> None:
    """A file of ours is not opened for writing either, and nobody waits for a reader."""
    odd(tmp_path / "file")
    script = (
        "import sys; from pathlib import Path; from jupyter_bridge.private_files import *\n"
        "try: open_private(Path(sys.argv[1]), int(sys.argv[2]))\n"
        "except OSError: sys.exit(7)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "file"), str(flags)]
    assert subprocess.run(command, timeout=PATIENCE, check=False).returncode == 7
    with pytest.raises(OSError, match="file"):
        open_private(tmp_path / "file", flags)


BROKEN_RECORDS = [
    b"{}",
    b"[]",
    b"null",
    b'{"name": "", "epoch": "e"}',
    b'{"name": 5, "epoch": "e"}',
    b'{"name": "1"}',
    b'{"name": "1", "epoch": ["e"]}',
    b'{"name": "1", "epoch": "e", "exit": [1]}',
    b'{"name": "1", "epoch": "e", "exit": "x"}',
    b'{"name": "1", "epoch": "e", "started": 5}',
    b'{"name": "1", "epoch": "e", "title": {"a": 1}}',
    b'{"name": "1", "epoch": "e", "kind": null}',
    b'{"name": "1", "epoch": "e", "ended": 1e999}',
    b'{"name": "1", "epoch": "e", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"name": "1", "epoch": "e", "x": ' + b"9" * 5000 + b"}",
    b'{"name": "1", "epoch": "e", "x": "' + b"x" * (300 << 10) + b'"}',
]


@pytest.mark.parametrize("content", BROKEN_RECORDS, ids=lambda content: repr(content[:48]))
def test_a_broken_record_costs_its_console_alone(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are loaded, the log names the folder, and nothing in it is changed."""
    archive = Archive(tmp_path)
    for name in ("bad", "good"):
        record, journal = archive.create({"name": name, "epoch": "e", "started": "2026"})
        journal.append(b"hello")
        archive.end(record, journal)
    archive.stop()
    bad = next(tmp_path.glob("bad*"))
    (bad / "meta.json").write_bytes(content)
    store = ConsoleStore(Archive(tmp_path), on_ended=lambda console: None)
    store.load()
    assert [console.name for console in store] == ["good"]
    assert caplog.text.count(str(bad)) == 1
    store.stop()
    assert (bad / "meta.json").read_bytes() == content
    assert list(bad.glob("*.log"))


@pytest.mark.parametrize(
    "more",
    [
        {"exit": {"code": {"a": 1}, "signal": ["x"]}},
        {"started": "x" * 1000, "ended": "y"},
        {"started": "0001-01-01T00:00:00+23:59", "ended": "9999-12-31T23:59:59-23:59"},
        {"kind": "\x1b[2J", "title": "\x1b[2J"},
    ],
)
def test_an_odd_record_is_shown(more: dict[str, Any], tmp_path: Path) -> None:
    """Values that mean nothing are unknown; the console can be listed and read."""
    archive = Archive(tmp_path)
    record, journal = archive.create({"name": "1", "epoch": "e", "started": "2026", **more})
    journal.append(b"hello")
    archive.end(record, journal)
    archive.stop()
    store = ConsoleStore(Archive(tmp_path), on_ended=lambda console: None)
    store.load()
    (console,) = store
    assert console.model().exit_code is None
    assert console.read(0, 9) == b"hello"
    store.stop()
