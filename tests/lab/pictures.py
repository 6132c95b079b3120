"""The pictures of the panel in docs/: made by `make pictures`, in light and dark.

No test is called so: the pictures change with every run.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.conftest import Server, start_server
from tests.lab.test_consoles import show, terminal, text_of
from tests.lab.test_kernels import execute, row_of, spawn
from tests.support.asking import ask
from tests.support.browsing import LAB, open_lab, open_panel, until
from tests.support.connecting import add_connection, row

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SIZE: ViewportSize = {"width": 1200, "height": 760}


@pytest.fixture
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab that asks nobody whether there may be news."""
    folder = tmp_path_factory.mktemp("pictures")
    config = folder / "config" / "labconfig" / "page_config.json"
    config.parent.mkdir(parents=True)
    news = "@jupyterlab/apputils-extension:announcements"
    config.write_text(json.dumps({"disabledExtensions": {news: True}}))
    server = start_server(folder, *LAB, "--BridgeApp.record_terminals=False")
    yield server
    server.stop()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures(browser: Browser, quiet: Server, theme: str) -> None:
    """Each view with something in it, in both themes."""
    PICTURES.mkdir(exist_ok=True)
    page = browser.new_context(viewport=SIZE).new_page()
    kernel, shell = furnish(quiet)
    open_lab(page, quiet)
    name = f"JupyterLab {theme.capitalize()}"
    page.evaluate(
        "theme => jupyterapp.commands.execute('apputils:change-theme', {theme}).then(() => 0)", name
    )
    open_panel(page)
    row(page, "archive").locator(".jp-Bridge-caret").click()
    expect(row(page, "run-3")).to_be_visible()
    show(page, shell)
    until(page, lambda: "spectrum 3 of 3" in text_of(page, shell))
    picture(page, f"console-{theme}")
    args = {"id": kernel, "name": "analysis"}
    page.evaluate("a => jupyterapp.commands.execute('bridge:open-messages', a).then(() => 0)", args)
    view = page.locator(".jp-BridgeMessages")
    expect(view.get_by_role("status")).to_contain_text("Connected")
    ask(quiet, "POST", f"bridge/interrupt/{kernel}")
    expect(row_of(page, "analysis").get_by_label("idle")).to_be_attached()
    execute(quiet, kernel, "print('fitting 12 spectra'); {'chi2': 1.07}")
    view.locator("code", has_text="stdout: fitting").click()
    picture(page, f"messages-{theme}")
    page.evaluate("() => jupyterapp.commands.execute('bridge:run-command', {}).then(() => 0)")
    command = page.get_by_role("textbox", name="Command")
    page.get_by_label("Where").select_option(shell)
    for text in ("echo results in $(printf %s /data/study-7)", "test -e /data/study-8"):
        command.fill(text)
        command.press("Enter")
        expect(page.locator(".jp-BridgeRuns-run").first).to_contain_text("exit status")
    picture(page, f"run-{theme}")
    add_connection(page, "institute", "openBIS", {}, submit=False)
    picture(page, f"connect-{theme}")
    page.context.close()


def furnish(server: Server) -> tuple[str, str]:
    """Kernels, consoles, connections and a transfer, as somebody at work has them."""
    kernel = spawn(server, "analysis")
    spawn(server, "web-app")
    request = urllib.request.Request(
        f"{server.url}bridge/execute/{kernel}",
        json.dumps({"code": "fit = [sum(range(n)) for n in iter(int, 1)]"}).encode(),
        {**server.headers, "Prefer": "respond-async"},
    )
    urllib.request.urlopen(request, timeout=60).close()
    wish = {"name": "work", "shell_command": ["bash", "--norc"], "env": {"PS1": "ada@lab:~$ "}}
    shell = terminal(server, **wish)
    loop = 'for n in 1 2 3; do echo "fitting spectrum $n of 3"; done'
    ask(server, "POST", f"bridge/send/{shell}?newline=1", loop.encode())
    (server.root / "run.log").write_text("09:12 started\n09:14 12 spectra fitted\n")
    for number in range(1, 4):
        folder = server.root / "store" / f"run-{number}"
        folder.mkdir(parents=True)
        (folder / "spectrum.csv").write_text("1.0,2.0\n" * 5000 * number)
    ask(server, "POST", "bridge/conns", {"name": "archive", "kind": "folder", "url": "store"})
    body = {"connection": "archive", "direction": "download", "permId": "run-2", "path": "here"}
    ask(server, "POST", "bridge/transfers", body)
    return kernel, shell


def picture(page: Page, name: str) -> None:
    page.mouse.move(1150, 700)
    page.wait_for_timeout(800)
    page.screenshot(path=PICTURES / f"{name}.png")
