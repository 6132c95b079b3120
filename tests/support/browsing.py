"""A browser that shows JupyterLab, for the tests and for the bench."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.conftest import Server
from tests.support.asking import read

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# What Chromium needs as root, and what keeps it from asking anybody but this server.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--enable-precise-memory-info",
]
# The options of a server with JupyterLab, which asks nobody outside.
LAB = (
    "--ServerApp.jpserver_extensions=jupyterlab=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.expose_app_in_browser=True",  # the tests read what terminals hold
    "--BridgeApp.allow_loopback=True",
)
# JupyterLab takes 3 to 10 s to stand in a fresh browser; a loaded machine gets its time. ms.
PATIENCE = 60_000
expect.set_options(timeout=30_000)
PANEL_TAB = ".jp-SideBar .lm-TabBar-tab[data-id='jupyter-bridge']"


def launch(playwright: Playwright) -> Browser:
    """Chromium, with a profile of its own that goes with it."""
    return playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)


def open_lab(page: Page, lab: Server, path: str = "lab?reset", *, panel: bool = True) -> None:
    """Log in and wait until JupyterLab is ready, with the panel's tab if it is expected.

    A layout that is reset opens a launcher, which takes the focus some time after the page shows
    it: from a field or a row, if a test has got there first.
    """
    page.set_default_timeout(PATIENCE)
    mark = "&" if "?" in path else "?"
    page.goto(f"{lab.url}{path}{mark}token={lab.token}")
    page.wait_for_selector("#jupyterlab-splash", state="detached")
    page.wait_for_selector(PANEL_TAB if panel else ".jp-SideBar .lm-TabBar-tab")
    if "reset" in path:
        page.wait_for_function("document.activeElement.closest('.jp-Launcher') !== null")


def open_panel(page: Page) -> None:
    """Show the Bridge panel, and wait for its sections."""
    page.click(PANEL_TAB)
    page.wait_for_selector("#jupyter-bridge-connections", state="attached")


def file_row(page: Page, name: str) -> Locator:
    """A file or folder in the file browser, which by itself looks for new ones every 10 s."""
    page.evaluate("window.jupyterapp.commands.execute('filebrowser:refresh')")
    return page.locator(".jp-DirListing-item", has_text=name)


def layout_saved(page: Page, lab: Server, text: str) -> None:
    """Wait until JupyterLab, a second after a change, has saved a layout with this text in it."""
    until(page, lambda: text.encode() in read(lab, "GET", "lab/api/workspaces"))


def until(page: Page, condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it as a person would: the page goes on meanwhile."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        page.wait_for_timeout(50)
