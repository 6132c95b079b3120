"""How a connection stands, told and changed by its row: started, remembered, mounted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from jupyter_bridge.connections.mounts import sshfs
from tests.conftest import Server, start_server
from tests.simulators.slow_hub import slow_hub
from tests.support.asking import ask
from tests.support.browsing import LAB, PATIENCE, open_lab
from tests.support.connecting import add_connection, connected, open_connections, row
from tests.support.sshd import Sshd, sshd

__all__ = ["sshd"]

expect.set_options(timeout=PATIENCE)
_NO_FUSE = sshfs.available()


def choose(page: Page, name: str, action: str) -> None:
    row(page, name).click(button="right")
    page.get_by_role("menuitem", name=action, exact=True).click()


def test_a_hub_that_starts_a_server(panel: Page, lab: Server) -> None:
    """How far it has come is told in words and as a bar, while it comes and not afterwards."""
    with slow_hub() as hub:
        about = {"name": "hub", "kind": "jupyter", "url": hub.url, "token": "-"}
        ask(lab, "POST", "bridge/conns", about)
        bar = row(panel, "hub").get_by_role("progressbar")
        for percent, message in ((10, "Server requested"), (60, "Pulling the image")):
            hub.tell(percent, message)
            expect(bar).to_have_attribute("aria-valuenow", str(percent))
            expect(row(panel, "hub")).to_contain_text(f"Connecting: {message} ({percent} %)")
        hub.tell(100, "Ready")
        expect(connected(panel, "hub")).to_contain_text("jo")
        expect(bar).to_have_count(0)


def test_a_connection_is_remembered_and_no_longer(panel: Page, lab: Server) -> None:
    """The menu offers the other of the two, and the server is told."""
    (lab.root / "kept").mkdir()
    add_connection(panel, "kept", "Folder", {"Folder": "kept"})
    connected(panel, "kept")

    def is_remembered() -> bool:
        (one,) = ask(lab, "GET", "bridge/conns")["connections"]
        return bool(one["remembered"])

    def offers(action: str) -> bool:
        """Whether the menu has it; one that is open stays as it was when it opened."""
        row(panel, "kept").click(button="right")
        shown = panel.get_by_role("menuitem", name=action, exact=True).is_visible()
        panel.keyboard.press("Escape")
        return shown

    assert not is_remembered()
    for action, other in (("Remember", "No longer remember"), ("No longer remember", "Remember")):
        choose(panel, "kept", action)
        deadline = time.monotonic() + PATIENCE / 1000
        while not offers(other):
            assert time.monotonic() < deadline
            panel.wait_for_timeout(100)
        assert is_remembered() == (action == "Remember")


@pytest.fixture
def at_home(tmp_path: Path) -> Iterator[Server]:
    """A server with JupyterLab and a home of its own, below which mounts appear."""
    home = tmp_path / "home"
    home.mkdir()
    server = start_server(tmp_path / "lab", *LAB, env={"HOME": str(home)})
    yield server
    server.stop()


@pytest.mark.skipif(_NO_FUSE is not None, reason=f"no sshfs mounts here: {_NO_FUSE}")
def test_a_connection_is_mounted_and_unmounted(
    browser: Browser, at_home: Server, sshd: Sshd
) -> None:
    """The row says where; its files are there as long as it does."""
    (sshd.data / "there.txt").write_text("x")
    page = browser.new_page()
    open_lab(page, at_home)
    open_connections(page)
    add_connection(page, "far", "SFTP", {"Address": sshd.url, "Key file": str(sshd.key_file)})
    page.get_by_role("dialog").get_by_role("button", name="Accept").click()
    connected(page, "far")
    choose(page, "far", "Mount")
    expect(row(page, "far")).to_contain_text("mounted at")
    (one,) = ask(at_home, "GET", "bridge/conns")["connections"]
    place = Path(one["mountpoint"]).expanduser()
    assert (place / "there.txt").read_text() == "x"
    choose(page, "far", "Unmount")
    expect(row(page, "far")).not_to_contain_text("mounted at")
    assert not (place / "there.txt").exists()
    page.close()
