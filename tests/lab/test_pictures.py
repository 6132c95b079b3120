"""The pictures of the panel in docs/: made by `make pictures`, in light and dark."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ..conftest import Server
from .browsing import open_lab, open_panel
from .test_consoles import ask, show, terminal, text_of, until
from .test_kernels import execute, spawn

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SIZE = {"width": 1200, "height": 760}

pytestmark = pytest.mark.skipif(
    "PICTURES" not in os.environ, reason="the pictures are made anew by `make pictures` alone"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures(browser: Browser, lab: Server, tmp_path: Path, theme: str) -> None:
    """Each view with something in it, in both themes."""
    PICTURES.mkdir(exist_ok=True)
    page = browser.new_context(viewport=SIZE, device_scale_factor=1).new_page()
    open_lab(page, lab)
    name = f"JupyterLab {theme.capitalize()}"
    page.evaluate(
        "theme => jupyterapp.commands.execute('apputils:change-theme', {theme}).then(() => 0)", name
    )
    page.wait_for_timeout(2000)
    kernel = spawn(lab, "analysis")
    spawn(lab, "web-app")
    shell = terminal(lab, name=f"node{theme}")
    run(lab, shell, "uname -sm; for n in 1 2 3; do echo step $n of 3; done; ls -la / | head -12")
    store = tmp_path / "store"
    for number in range(1, 4):
        (store / f"run-{number}").mkdir(parents=True)
        (store / f"run-{number}" / "spectrum.csv").write_text("1,2\n" * 5000 * number)
    for connection in ("archive", "institute"):
        body = {"name": f"{connection}-{theme}", "url": str(store)}
        ask(lab, "POST", "conns", body)
    open_panel(page)
    page.evaluate("() => { jupyterapp.shell.collapseRight(); }")
    execute(lab, kernel, "import time; print('fitting 12 spectra'); 6 * 7")
    take(page, f"panel-{theme}", kernel, shell)
    show(page, shell)
    until(page, lambda: "step 3 of 3" in text_of(page, shell))
    picture(page, f"console-{theme}")
    args = {"id": kernel, "name": "analysis"}
    page.evaluate("a => jupyterapp.commands.execute('bridge:open-messages', a).then(() => 0)", args)
    expect(page.locator(".jp-BridgeMessages").get_by_role("status")).to_contain_text("Listening")
    execute(lab, kernel, "print('fitting 12 spectra'); {'chi2': 1.07}")
    page.wait_for_timeout(500)
    picture(page, f"messages-{theme}")
    page.evaluate("() => jupyterapp.commands.execute('bridge:run-command', {}).then(() => 0)")
    command = page.get_by_role("textbox", name="Command")
    for text in ("df -h / | tail -1", "grep -c processor /proc/cpuinfo; exit 3"):
        command.fill(text)
        command.press("Enter")
        page.wait_for_timeout(1500)
    picture(page, f"run-{theme}")
    for one in json.loads(ask(lab, "GET", "kernels")):
        ask(lab, "DELETE", f"shutdown/{one['id']}")
    for connection in ("archive", "institute"):
        ask(lab, "DELETE", f"conn/{connection}-{theme}")
    ask(lab, "DELETE", f"consoles/{shell}?purge=1")
    page.context.close()


def run(server: Server, console: str, command: str) -> None:
    ask(server, "POST", "run", {"console": console, "queue": True, "command": command})


def take(page: Page, name: str, kernel: str, shell: str) -> None:
    expect(page.locator("#jupyter-bridge-kernels .jp-Bridge-row").first).to_be_visible()
    expect(page.locator("#jupyter-bridge-consoles .jp-Bridge-row").first).to_be_visible()
    page.wait_for_timeout(1000)
    picture(page, name)


def picture(page: Page, name: str) -> None:
    page.mouse.move(1100, 700)
    page.wait_for_timeout(300)
    page.screenshot(path=PICTURES / f"{name}.png")
