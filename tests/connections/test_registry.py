"""Connections configured, saved and added; followed when files change; never in the way."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from jupyter_events import EventLogger

from jupyter_bridge.connections import health, state
from jupyter_bridge.connections.config.files import ConfigFiles
from jupyter_bridge.connections.config.saved import SavedConnections
from jupyter_bridge.connections.connector_registry import GROUP, ConnectorRegistry
from jupyter_bridge.connections.registry import ConnectionRegistry
from jupyter_bridge.connections.secrets.vault import Vault
from jupyter_bridge.models.connections import Progress
from jupyter_bridge.observe import redaction
from jupyter_bridge.observe.events import SCHEMAS, Events
from jupyter_bridge.problems import Conflict, Denied, NotFound, Unavailable, Unsupported
from tests.simulators.connector import PASSWORD, Double, Remote
from tests.support.waiting import StoppedClock, pass_time, until

LOG = logging.getLogger("test")


def kinds() -> ConnectorRegistry:
    values = {
        "double": "tests.simulators.connector:Double",
        "folder": "jupyter_bridge.connections.connectors.folder:Folder",
        "broken": "tests.connections.nothing:Nothing",
        "needy": "tests.support.needy:Needy [sftp]",
        "text": "tests.simulators.connector:PASSWORD",
    }
    return ConnectorRegistry([EntryPoint(name, value, GROUP) for name, value in values.items()])


@pytest.fixture(autouse=True)
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    """The one remote of all doubles in a test."""
    remote = Remote()
    monkeypatch.setattr(Double, "remote", remote)
    monkeypatch.setattr(health, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(health, "RELOAD_SECONDS", 0.05)
    return remote


def make(
    folder: Path, traits: list[Any] | None = None, events: Events | None = None
) -> ConnectionRegistry:
    vault = Vault(folder / "vault", LOG, "file")
    return ConnectionRegistry(
        kinds(),
        SavedConnections(folder, vault, LOG),
        sources=ConfigFiles(traits or [], [folder], {}),
        folder=folder / "state",
        root_dir=folder,
        events=events,
        log=LOG,
    )


def double(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "double", "url": f"double://{name}", **more}


async def test_what_is_configured_logs_in_beside(tmp_path: Path, remote: Remote) -> None:
    """Configured connections with a secret log in by themselves; those without wait."""
    remotes = make(tmp_path, [double("a", password=PASSWORD), double("b")])
    await remotes.loaded()
    await until(lambda: remotes.get("a").state == "connected")
    assert remotes.get("b").state == "disconnected"
    assert remotes.get("b").model().needs == ["password", "token"]
    await remotes.close()


async def test_whatever_lists_show_is_told(tmp_path: Path, remote: Remote) -> None:
    """A list that reads when it hears of a state is right: of what comes, changes and goes."""
    logger = EventLogger()
    told: list[tuple[str, str, str]] = []

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        assert data["kind"] == "double"
        told.append((data["connection"], data["before"], data["state"]))

    events = Events(logger)
    schema = SCHEMAS["connection_state"]["$id"]
    logger.add_listener(schema_id=schema, listener=listen)
    remotes = make(tmp_path, [double("configured")], events)
    await remotes.loaded()
    lab = await remotes.add("lab", "double", {"url": "double://lab"})
    remote.latency = 5
    logging_in = asyncio.ensure_future(lab.login({"password": PASSWORD}))
    await until(lambda: lab.state == "connecting")
    for percent in range(100):  # quicker than anybody reads
        lab.connector.progress = Progress(percent, "starting")
    await until(lambda: ("lab", "connecting", "connecting") in told)
    lab.connector.progress = None
    await pass_time(5)
    await logging_in
    remotes.on_news("lab")  # as for a mount
    await until(lambda: ("lab", "connected", "connected") in told)
    remotes.on_news("nobody")
    await remotes.remove("lab")
    (tmp_path / "bridge-connections.yaml").write_text(
        "connections:\n- {name: other, kind: double, url: 'double://other'}\n"
    )
    await until(lambda: any(one.name == "other" for one in remotes.list()))
    (tmp_path / "bridge-connections.yaml").write_text("connections: []\n")
    await until(lambda: all(one.name != "other" for one in remotes.list()))
    await logger.gather_listeners()
    assert [states for name, *states in told if name == "configured"] == [["gone", "disconnected"]]
    of_lab = [states for name, *states in told if name == "lab"]
    assert of_lab[:2] == [["gone", "disconnected"], ["disconnected", "connecting"]]
    assert of_lab[-1] == ["connected", "gone"]
    assert ["connecting", "connected"] in of_lab
    assert len(of_lab) <= 10
    assert [states for name, *states in told if name == "other"] == [
        *(["gone", "disconnected"], ["disconnected", "gone"])
    ]
    await remotes.close()


async def test_bad_entries_hinder_nothing(tmp_path: Path) -> None:
    """Every bad entry is reported with its source; the good one is there."""
    traits = [
        {"name": "a"},
        double("x/y"),
        double("c", colour="red"),
        {"name": "d", "kind": "broken", "url": "x"},
        {"name": "e", "kind": "needy", "url": "x"},
        {"name": "f", "kind": "text", "url": "x"},
        {"name": "g", "kind": "nothing", "url": "x"},
        double("good"),
    ]

    remotes = make(tmp_path, traits)
    await remotes.loaded()
    assert [connection.name for connection in remotes.list()] == ["good"]
    told = {report.source.rpartition(".")[2] for report in remotes.reports}
    assert told == {f"connections[{index}]" for index in range(7)}
    assert any('pip install "' in report.message for report in remotes.reports)
    await remotes.close()


def test_a_missing_extra_says_what_to_install() -> None:
    """A kind whose package is not installed is Unsupported, with the command that installs it."""
    with pytest.raises(Unsupported, match=r'pip install "jupyter_bridge\[sftp\]"'):
        kinds().load("needy")


async def test_the_list_does_not_wait(tmp_path: Path, remote: Remote) -> None:
    """1,000 connections are listed from memory while logins are under way and none is answered."""
    traits = [double(f"c{i}", **({"password": PASSWORD} if i % 2 else {})) for i in range(1000)]
    remote.latency = 300
    remotes = make(tmp_path, traits)
    await remotes.loaded()
    await until(lambda: remote.logins >= 16)
    models = [connection.model() for connection in remotes.list()]
    assert len(models) == 1000
    assert {model.state for model in models} == {"connecting", "disconnected"}
    await remotes.close()


async def test_files_are_followed(tmp_path: Path, remote: Remote) -> None:
    """An edit adds, changes and removes connections; what did not change stays logged in."""
    path = tmp_path / "bridge-connections.yaml"

    def write(*entries: dict[str, Any]) -> None:
        import yaml

        path.write_text(yaml.safe_dump({"connections": list(entries)}))
        path.chmod(0o600)

    write(double("a", password=PASSWORD), double("b"))
    remotes = make(tmp_path)
    await remotes.loaded()
    await until(lambda: remotes.get("a").state == "connected")
    a = remotes.get("a")
    write(double("c"), double("b", username="jane"), double("a", password=PASSWORD))
    await until(lambda: [c.name for c in remotes.list()] == ["a", "b", "c"])
    await until(lambda: remotes.get("b").fields.username == "jane")
    assert remotes.get("a") is a
    assert a.state == "connected"
    path.write_text("connections: [")
    await until(lambda: bool(remotes.reports))
    path.unlink()
    await until(lambda: not remotes.list())
    await remotes.close()


async def test_remembered_connections_come_back(tmp_path: Path, remote: Remote) -> None:
    """What was added with remember is there on the next server, logged in; forgotten is not."""
    first = make(tmp_path)
    given = {"url": "double://a", "password": PASSWORD}
    await first.add("a", "double", given, remember=True)
    await first.add("b", "double", given)
    await first.close()
    second = make(tmp_path)
    await second.loaded()
    assert [connection.name for connection in second.list()] == ["a"]
    await until(lambda: second.get("a").state == "connected")
    await second.remove("a")
    await second.close()
    third = make(tmp_path)
    await third.loaded()
    assert third.list() == []
    await third.close()


async def test_a_removed_connection_leaves_no_secret(tmp_path: Path) -> None:
    """What was given, tried and held is blanked while the connection is there, then forgotten."""
    remotes = make(tmp_path)
    secrets = [f"Tried-{i}-0815-canary" for i in range(3)]
    shared = "Shared-0815-canary"
    before = [sys.getrefcount(secret) for secret in secrets]
    given = {"url": "double://a", "password": shared}
    await remotes.add("other", "double", given)
    await remotes.add("a", "double", given)
    for secret in secrets:
        with pytest.raises(Denied):
            await remotes.get("a").login({"password": secret})
        assert redaction.hidden(f"{secret} {shared}") == "[secret] [secret]"
    await remotes.remove("a")
    del secret  # the name of the last one
    gc.collect()
    assert [redaction.hidden(secret) for secret in secrets] == secrets
    assert [sys.getrefcount(secret) for secret in secrets] == before
    assert redaction.hidden(shared) == "[secret]", "another connection has it"
    await remotes.remove("other")
    assert redaction.hidden(shared) == shared
    await remotes.close()


async def test_new_passwords_are_remembered(tmp_path: Path) -> None:
    """A remembered connection keeps the password that the last login succeeded with."""
    first = make(tmp_path)
    added = await first.add("a", "double", {"url": "double://a"}, remember=True)
    await added.login({"password": PASSWORD})
    await first.close()
    second = make(tmp_path)
    await second.loaded()
    assert second.get("a").has_secret
    await second.close()


async def test_a_dead_remote_is_asked_again_less_and_less(
    tmp_path: Path, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote that is away is asked again after growing pauses, and found when it is back."""
    clock = StoppedClock()
    monkeypatch.setattr(health, "time", clock)
    monkeypatch.setattr(state, "time", clock)
    first, longest = health.PATIENCE_SECONDS
    remote.broken = Unavailable("away")
    remotes = make(tmp_path, [double("a", password=PASSWORD)])
    await remotes.loaded()
    await until(lambda: remote.logins == 1)
    for misses in range(1, 9):
        pause = min(longest, first * 2.0 ** (misses - 1))
        clock.now += pause - 1
        for _ in range(3):
            await pass_time(health.TICK_SECONDS)
        assert remote.logins == misses
        clock.now += 1
        await until(lambda: remote.logins == misses + 1)  # noqa: B023
    assert pause == longest
    clock.now += longest
    remote.broken = None
    await until(lambda: remotes.get("a").state == "connected")
    await remotes.close()


async def test_names_are_taken_once(tmp_path: Path) -> None:
    """Of several that add the same name at the same time one succeeds."""
    remotes = make(tmp_path)
    adding = [remotes.add("a", "double", {"url": f"{i}"}) for i in range(5)]
    results = await asyncio.gather(*adding, return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 4
    await remotes.remove("a")
    with pytest.raises(NotFound):
        remotes.get("a")
    await remotes.close()


async def test_closing_leaves_nothing(tmp_path: Path, remote: Remote) -> None:
    """After close no task is left, also when logins were under way."""
    before = len(asyncio.all_tasks())
    remote.latency = 30
    remotes = make(tmp_path, [double(f"c{i}", password=PASSWORD) for i in range(50)])
    await remotes.loaded()
    await until(lambda: remote.logins > 10)
    await remotes.close()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before


async def test_whose_folder_may_lie_outside_of_the_root(tmp_path: Path) -> None:
    """What a request added stays inside, remembered or not; what is configured goes anywhere."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    (root / "in").mkdir(parents=True)
    outside.mkdir()
    url = str(outside)

    first = make(root, [{"name": "configured", "url": url}])
    await first.loaded()
    await first.add("kept", "folder", {"url": "in"}, remember=True)
    with pytest.raises(Denied):
        await first.add("asked", "folder", {"url": url})
    await first.remove("configured")
    with pytest.raises(Denied):
        await first.add("configured", "folder", {"url": url}, remember=True)
    await first.close()
    kept = root / "connections.json"
    kept.write_text(kept.read_text().replace('"in"', f'"{url}"'))
    again = make(root, [{"name": "configured", "url": url}])
    await again.loaded()
    await again.get("configured").login()
    assert again.get("configured").state == "connected"
    with pytest.raises(Denied):
        await again.get("kept").login()
    assert again.get("kept").state == "forbidden"
    await again.close()
