"""A real JupyterLab with the panel, and a real browser to look at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ..conftest import Server, start_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# What Chromium needs as root, and what keeps it from asking anybody but this server.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
# JupyterLab takes 3 to 10 s to stand in a fresh browser; a loaded machine gets its time. ms.
PATIENCE = 60_000


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own.

    Not one for the whole session: as long as it lives an event loop runs in this thread, and the
    fixtures of other tests could not run theirs.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian's package is called chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with JupyterLab and the panel."""
    server = start_server(tmp_path_factory.mktemp("lab"), *LAB)
    yield server
    server.stop()


LAB = (
    "--ServerApp.jpserver_extensions=jupyterlab=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--BridgeApp.allow_loopback=True",
)


@pytest.fixture
def page(browser: Browser, lab: Server) -> Iterator[Page]:
    """A page that shows JupyterLab, with nothing open; what it logs as an error fails the test."""
    with_errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: with_errors.append(str(error)))
    open_lab(page, lab)
    yield page
    context.close()
    assert with_errors == []


def open_lab(page: Page, lab: Server, path: str = "lab?reset") -> None:
    """Log in and wait until JupyterLab stands."""
    mark = "&" if "?" in path else "?"
    page.goto(f"{lab.url}{path}{mark}token={lab.token}")
    page.wait_for_selector("#jupyterlab-splash", state="detached")
    page.wait_for_selector(".jp-SideBar .lm-TabBar-tab[data-id='jupyter-bridge']")


def open_panel(page: Page) -> None:
    """Show the Bridge panel, and wait for its sections."""
    page.click(".jp-SideBar .lm-TabBar-tab[data-id='jupyter-bridge']")
    page.wait_for_selector("#jupyter-bridge-connections", state="attached")


def picture(page: Page, folder: Path, name: str) -> None:
    """A picture of the whole page."""
    page.screenshot(path=folder / f"{name}.png")
