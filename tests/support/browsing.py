"""A browser with JupyterLab, for tests and benchmarks."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.conftest import Server
from tests.support.asking import ask

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Options that Chromium needs as root, and that keep it from requests to other servers.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--enable-precise-memory-info",
]
# The options of a server with JupyterLab that sends no requests to other servers.
LAB = (
    "--ServerApp.jpserver_extensions=jupyterlab=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.expose_app_in_browser=True",  # the tests read the content of terminals
    "--BridgeApp.allow_loopback=True",
)
# JupyterLab takes 3 to 10 s to start in a fresh browser, longer on a loaded machine. ms.
PATIENCE = 60_000
expect.set_options(timeout=30_000)
PANEL_TAB = ".jp-SideBar .lm-TabBar-tab[data-id='jupyter-bridge']"


def launch(playwright: Playwright) -> Browser:
    """Start Chromium with a temporary profile."""
    return playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)


def open_lab(page: Page, lab: Server, path: str = "lab?reset", *, panel: bool = True) -> None:
    """Log in and wait until JupyterLab is ready, with the panel's tab if `panel` is true.

    After a reset of the layout a launcher opens and takes the focus some time later, perhaps from
    the field or row that a test has focused meanwhile. So this waits for the launcher.
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
    """Return a file or folder in the file browser, after a refresh if necessary."""
    page.evaluate("window.jupyterapp.commands.execute('filebrowser:refresh')")
    return page.locator(".jp-DirListing-item", has_text=name)


def layout_saved(page: Page, lab: Server, widget: str) -> None:
    """Wait until JupyterLab, a second after a change, has saved a layout with this widget."""

    def is_there() -> bool:
        layouts = (
            saved["data"].get("layout-restorer:data", {})
            for saved in ask(lab, "GET", "lab/api/workspaces")["workspaces"]["values"]
        )
        return any(f'"{widget}"' in json.dumps(layout.get("main")) for layout in layouts)

    until(page, is_there)


def until(page: Page, condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until `condition` is true, while the page continues."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        page.wait_for_timeout(50)
