"""Consoles in JupyterLab: opened, typed into, read back to the first byte, resumed."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Server, start_server
from tests.support.asking import ask, read
from tests.support.browsing import LAB, file_row, layout_saved, open_lab, open_panel, until

# All that the terminal of a console holds, its rows joined where they were wrapped.
_TEXT = """name => {
  const widgets = [...jupyterapp.shell.widgets('main')];
  const widget = widgets.find(one => one.content.model?.name === name);
  const buffer = widget.content.model.screen.term.buffer.active;
  let text = '';
  for (let row = 0; row < buffer.length; row++) {
    const line = buffer.getLine(row);
    text += (row && !line.isWrapped ? '\\n' : '') + line.translateToString(!line.isWrapped);
  }
  return text;
}"""


def text_of(page: Page, name: str) -> str:
    """What the terminal of an open console holds."""
    return str(page.evaluate(_TEXT, name))


def journal(server: Server, name: str) -> bytes:
    """All that a console said."""
    return read(server, "GET", f"bridge/tail/{quote(name, safe='')}?offset=0&format=raw")


def terminal(server: Server, **wish: Any) -> str:
    """A new terminal's name."""
    return str(ask(server, "POST", "bridge/consoles", wish)["name"])


def run(server: Server, name: str, command: str) -> None:
    """Type a command into a terminal as soon as its prompt is there."""
    ask(server, "POST", "bridge/run", {"console": name, "queue": True, "command": command})


def show(page: Page, name: str, mode: str = "join") -> None:
    """Open a console's view, and wait until the line stands."""
    args = {"name": name, "mode": mode}
    page.evaluate(
        "args => jupyterapp.commands.execute('bridge:open-console', args).then(() => 0)", args
    )
    page.wait_for_selector(".jp-BridgeConsole-line:visible")


def press(page: Page, keys: str) -> None:
    page.click(".jp-BridgeConsole-screen:visible")
    page.keyboard.type(keys)


def test_a_terminal_is_opened_typed_into_and_ended(page: Page, lab: Server) -> None:
    """From the section's button to the exit status, which the view and the list tell."""
    open_panel(page)
    page.click("#jupyter-bridge-consoles [aria-label='New terminal']")
    row = page.locator("#jupyter-bridge-consoles .jp-Bridge-row").first
    expect(row).to_be_visible()
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("Connected")
    name = page.evaluate("() => jupyterapp.shell.currentWidget.content.model.name")
    press(page, "echo $((6*7))-seen\n")
    until(page, lambda: "42-seen" in text_of(page, name))
    expect(row.locator(".jp-Bridge-detail")).not_to_have_text("no output yet")
    press(page, "exit 3\n")
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("exit code 3")
    expect(page.get_by_label("ended").first).to_be_attached()
    assert b"42-seen" in journal(lab, name)


def test_a_long_journal_is_read_back_to_its_first_byte(page: Page, lab: Server) -> None:
    """100,000 lines: opened at the end, gone back through, the first line seen, and back."""
    name = terminal(lab)
    run(lab, name, "seq -f 'line %.0f.' 100000")
    show(page, name)
    until(page, lambda: "line 100000." in text_of(page, name))
    assert len(text_of(page, name).splitlines()) < 1000
    page.click(".jp-BridgeConsole-screen:visible")
    seen: set[int] = set()
    while min(seen, default=100_000) > 85_000:
        seen |= {int(number) for number in re.findall(r"line (\d+)\.$", text_of(page, name), re.M)}
        page.keyboard.press("Shift+Home")
        page.wait_for_timeout(100)
    assert seen >= set(range(85_000, 100_001))
    page.get_by_role("button", name="Beginning").click()
    until(page, lambda: "line 1.\nline 2.\n" in text_of(page, name))
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("earlier output")
    page.get_by_role("button", name="Jump to the end").click()
    until(page, lambda: "line 100000." in text_of(page, name))
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("Connected")
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_going_back_shows_every_line_once(page: Page, lab: Server) -> None:
    """However often an earlier part is fetched, the lines go on from one another."""
    name = terminal(lab)
    run(lab, name, "seq -f 'line %.0f.' 8000")
    show(page, name)
    until(page, lambda: "line 8000." in text_of(page, name))
    for _ in range(6):
        page.get_by_role("button", name="Earlier").click()
        page.wait_for_timeout(300)
    until(page, lambda: "line 1.\n" in text_of(page, name))
    numbers = [int(number) for number in re.findall(r"line (\d+)\.$", text_of(page, name), re.M)]
    assert numbers == list(range(1, 8001))
    press(page, "echo back-$((1+1))\n")
    until(page, lambda: "back-2" in text_of(page, name))
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_a_console_is_stolen_between_two_pages(browser: Browser, page: Page, lab: Server) -> None:
    """The one who had it is told, watches, and takes it back."""
    name = terminal(lab)
    show(page, name)
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("Connected")
    other = browser.new_context().new_page()
    open_lab(other, lab, "lab/workspaces/other?reset")
    show(other, name, "steal")
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("took over this console")
    press(page, "echo no-$((1+1))\n")
    press(other, "echo yes-$((1+1))\n")
    until(page, lambda: "yes-2" in text_of(page, name))
    assert "no-2" not in text_of(other, name)
    page.get_by_role("button", name="Take over", exact=True).click()
    expect(other.locator(".jp-BridgeConsole-line")).to_contain_text("took over this console")
    press(page, "echo again-$((1+1))\n")
    until(other, lambda: "again-2" in text_of(other, name))
    other.context.close()
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_commands_are_run_with_status_and_output(page: Page, lab: Server) -> None:
    """Typed into the form: what it said, how it ended; a long one is stopped."""
    page.evaluate("() => jupyterapp.commands.execute('bridge:run-command', {}).then(() => 0)")
    command = page.get_by_role("textbox", name="Command")
    command.fill("echo '<b>bold</b>'; false")
    command.press("Enter")
    run = page.locator(".jp-BridgeRuns-run").first
    expect(run).to_contain_text("exit status 1")
    expect(run.locator("pre")).to_have_text("<b>bold</b>\n")
    command.fill("echo begun; sleep 1000")
    command.press("Enter")
    expect(run.locator("pre")).to_have_text("begun\n")
    run.get_by_label("Stop").click()
    expect(run).to_contain_text("stopped")


def test_a_file_is_tailed_from_the_file_browser(page: Page, lab: Server) -> None:
    """Its context menu opens it as a console, which follows it."""
    file = lab.root / "a log.txt"
    file.write_text("first\n")
    item = file_row(page, "a log.txt")
    item.click(button="right")
    page.locator(".lm-Menu-itemLabel", has_text="Tail in a Console").click()
    until(page, lambda: page.locator(".jp-BridgeConsole-line:visible").count() > 0)
    name = "file:a log.txt"
    until(page, lambda: "first" in text_of(page, name))
    with file.open("a") as log:
        log.write("second\n")
    until(page, lambda: "first\nsecond" in text_of(page, name))


def test_what_a_console_says_is_never_markup(page: Page, lab: Server) -> None:
    """Titles, names and last lines that look like HTML are text."""
    name = terminal(lab)
    evil = "<img src=x onerror=document.title='pwned'>"
    run(lab, name, f"printf '%s\\n' \"{evil}\"")
    open_panel(page)
    row = page.locator("#jupyter-bridge-consoles .jp-Bridge-row", has_text=name).first
    expect(row).to_be_visible()
    show(page, name)
    until(page, lambda: "<img src=x" in text_of(page, name))
    assert page.locator("#jupyter-bridge-consoles img").count() == 0
    assert "pwned" not in page.title()
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Server]]:
    """`mortal()` starts a server with JupyterLab; called again it starts it on the same port."""
    folder = tmp_path_factory.mktemp("mortal")
    servers: list[Server] = []

    def start() -> Server:
        port = int(servers[0].url.rsplit(":", 1)[1].rstrip("/")) if servers else 0
        env = {"JUPYTER_TOKEN": servers[0].token} if servers else {}
        servers.append(start_server(folder, *LAB, env=env, port=port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_server_is_killed_under_an_open_console(
    browser: Browser, mortal: Callable[[], Server]
) -> None:
    """The view mends its line, and holds what the journal holds, once."""
    server = mortal()
    page = browser.new_page()
    open_lab(page, server)
    file = server.root / "log.txt"
    file.write_text("".join(f"line {number}.\n" for number in range(1, 501)))
    open_panel(page)
    show(page, "file:log.txt", "watch")
    until(page, lambda: "line 500." in text_of(page, "file:log.txt"))
    lost = page.locator(".jp-BridgeStatus", has_text="Bridge: connection lost")
    expect(lost).to_have_count(0)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("Reconnecting")
    expect(lost).to_be_visible()
    with file.open("a") as log:
        log.writelines(f"line {number}.\n" for number in range(501, 1001))
    mortal()
    until(page, lambda: "line 1000." in text_of(page, "file:log.txt"))
    numbers = re.findall(r"line (\d+)\.$", text_of(page, "file:log.txt"), re.M)
    assert [int(number) for number in numbers] == list(range(int(numbers[0]), 1001))
    expect(lost).to_have_count(0)
    page.close()


def test_a_view_is_there_again_after_a_reload(page: Page, lab: Server) -> None:
    """The layout is restored with its consoles, which go on."""
    name = terminal(lab)
    show(page, name)
    press(page, "echo before-$((1+1))\n")
    until(page, lambda: "before-2" in text_of(page, name))
    layout_saved(page, lab, f"bridge-console:{name}")
    open_lab(page, lab, "lab")
    page.wait_for_selector(".jp-BridgeConsole-line:visible")
    until(page, lambda: "before-2" in text_of(page, name))
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_old_questions_are_not_answered_again(page: Page, lab: Server) -> None:
    """A journal holds what programs asked the terminal; scrolling back types no answer."""
    name = terminal(lab)
    questions = r"printf '\033[6n\033[c\033[5n'; seq -f 'line %.0f.' 60000"
    run(lab, name, questions)
    show(page, name)
    until(page, lambda: "line 60000." in text_of(page, name))
    before = journal(lab, name)
    assert b"\x1b[6n" in before
    page.get_by_role("button", name="Beginning").click()
    until(page, lambda: "line 1." in text_of(page, name))
    page.wait_for_timeout(1000)
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("earlier output")
    assert journal(lab, name) == before
    press(page, "echo first-key-$((1+1))\n")
    until(page, lambda: "first-key-2" in text_of(page, name))
    assert b"echo first-key" in journal(lab, name)
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_a_console_is_downloaded(page: Page, lab: Server) -> None:
    """The journal byte for byte, and the recording, as the routes give them."""
    name = terminal(lab)
    run(lab, name, r"printf 'a\377b\n'")
    open_panel(page)
    row = page.locator("#jupyter-bridge-consoles .jp-Bridge-row", has_text=name).first
    for action, path in (
        ("Download the output", f"bridge/tail/{name}?offset=0&format=raw"),
        ("Download the recording", f"bridge/recording/{name}"),
    ):
        with page.expect_download() as download:
            row.click(button="right")
            page.locator(".lm-Menu-itemLabel", has_text=action).click()
        assert download.value.path().read_bytes() == read(lab, "GET", path)
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_a_console_out_of_sight_rests(page: Page, lab: Server) -> None:
    """It holds no line to the server then, and goes on where it was when it is looked at again."""
    name = terminal(lab)
    show(page, name)
    expect(page.locator(".jp-BridgeConsole-line")).to_contain_text("Connected")
    page.evaluate("() => { jupyterapp.shell.currentWidget.content.settings.restAfter = 0; }")
    page.evaluate("() => jupyterapp.commands.execute('bridge:run-command', {}).then(() => 0)")

    def viewers() -> int:
        return len(ask(lab, "GET", f"bridge/consoles/{name}")["viewers"])

    until(page, lambda: viewers() == 0)
    ask(lab, "POST", f"bridge/send/{name}?newline=1", b"echo meanwhile-$((1+1))")
    until(page, lambda: b"meanwhile-2" in journal(lab, name))
    assert "meanwhile-2" not in text_of(page, name)
    page.get_by_role("tab", name=name, exact=True).click()
    until(page, lambda: "meanwhile-2" in text_of(page, name))
    assert text_of(page, name).count("meanwhile-2") == 1
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_colours_follow_the_theme(page: Page, lab: Server) -> None:
    """A terminal is as dark, or as light, as the page around it."""
    name = terminal(lab)
    show(page, name)
    colour = "() => jupyterapp.shell.currentWidget.content.screen.term.options.theme.background"
    light = page.evaluate(colour)
    change = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme}).then(() => 0)"
    page.evaluate(change, "JupyterLab Dark")
    until(page, lambda: page.evaluate(colour) != light)
    # JupyterLab stumbles over its own splash where another one begins before it has gone.
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    page.evaluate(change, "JupyterLab Light")
    until(page, lambda: page.evaluate(colour) == light)
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_a_text_is_searched(page: Page, lab: Server) -> None:
    """The search bar counts what it finds, goes through it, and is left by Escape."""
    name = terminal(lab)
    run(lab, name, "seq -f 'line %.0f.' 40")
    show(page, name)
    until(page, lambda: "line 40." in text_of(page, name))
    page.click(".jp-BridgeConsole-screen:visible")
    page.keyboard.press("Control+Shift+F")
    bar = page.locator(".jp-BridgeConsole-search")
    bar.get_by_label("Search the console").fill(r"line 3\d\.")
    expect(bar.get_by_role("status")).to_have_text("no matches")
    bar.get_by_label("Regular expression").click()
    expect(bar.get_by_role("status")).to_contain_text("/10")
    bar.get_by_label("Search the console").press("Escape")
    expect(bar).to_be_hidden()
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_what_is_not_loaded_is_searched(page: Page, lab: Server) -> None:
    """The server finds a line far before the screen; a click loads it, and it is in view."""
    name = terminal(lab)
    run(lab, name, "echo far a''way; seq -f 'line %.0f of very many' 60000")
    show(page, name)
    until(page, lambda: "line 60000 of" in text_of(page, name))
    page.click(".jp-BridgeConsole-screen:visible")
    page.keyboard.press("Control+Shift+F")
    page.get_by_label("Search the console").fill("FAR away")
    hit = page.locator(".jp-BridgeConsole-hits button:visible")
    expect(hit).to_have_count(1)
    expect(hit.locator("mark")).to_have_text("far away")
    hit.click()
    until(page, lambda: "far away" in text_of(page, name))
    selected = "() => jupyterapp.shell.currentWidget.content.screen.term.getSelection()"
    until(page, lambda: page.evaluate(selected) == "far away")
    expect(hit).to_have_count(0)
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")
