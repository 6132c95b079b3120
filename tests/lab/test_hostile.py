"""Names that look like a page: what others call their things is shown as text, and never happens.

The names come from where others choose them: files, a data store, another Jupyter server, a
kernelspec; and, where the doubles allow no such names, from an answer of this server itself.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.conftest import Server
from tests.lab.test_consoles import run, show, terminal, text_of
from tests.lab.test_kernels import choose, row_of, spawn
from tests.simulators.openbis.simulator import Simulator
from tests.simulators.taken_server import taken_over
from tests.support.asking import ask
from tests.support.browsing import PATIENCE, file_row, open_lab, open_panel, until
from tests.support.connecting import add_connection, connected, open_connections, row

expect.set_options(timeout=PATIENCE)
IMAGE = '<img src=probe onerror="window.hit=1">'
ATTRIBUTE = '"><svg onload=window.hit=1>'
ENTITY = "&lt;img src=probe onerror=window.hit=1&gt;"
LINK = "[here](javascript:window.hit=1)"
ADDRESS = "javascript:window.hit=1"
# Also as the name of a file, where no slash can stand.
NAMES = (IMAGE, ATTRIBUTE, ENTITY, LINK, ADDRESS)
SCRIPT = "'\"></textarea></title><script src=/probe>window.hit=1</script>"
# What of such names would be found if one had become part of the page.
TRACES = "[onerror], [onload], [src$=probe], [href^='javascript:']"


@pytest.fixture(autouse=True)
def _inert(page: Page) -> Iterator[None]:
    """No name runs, asks for anything, opens a dialog or a window, or becomes an element."""
    happened: list[str] = []

    def on_request(request: Request) -> None:
        if urlsplit(request.url).path.endswith("/probe"):
            happened.append(request.url)

    def on_dialog(dialog: Any) -> None:
        happened.append(dialog.message)
        dialog.dismiss()

    page.on("request", on_request)
    page.on("dialog", on_dialog)
    page.context.on("page", lambda other: happened.append(other.url))
    yield
    page.wait_for_timeout(200)  # an image that is no image tells so a little later
    assert page.evaluate("window.hit") is None
    assert page.locator(TRACES).count() == 0
    assert happened == []


def transfer(page: Page, name: str) -> Locator:
    return page.locator(".jp-Bridge-transfer").filter(has_text=name).first


def item(page: Page, label: str) -> None:
    page.locator(".lm-Menu-itemLabel", has_text=label).click()


def test_files_and_folders(panel: Page, lab: Server) -> None:
    """In the tree, in the tray, and in the sentences of Problems that repeat them."""
    for name in NAMES:
        (lab.root / "trap" / name).mkdir(parents=True)
        (lab.root / "trap" / name / f"{name}.txt").write_text("x")
    add_connection(panel, "trap", "Folder", {"Folder": "trap"})
    connected(panel, "trap").focus()
    panel.keyboard.press("ArrowRight")
    for name in NAMES:
        folder = row(panel, name)
        expect(folder).to_have_attribute("aria-level", "2")
        folder.hover()
        folder.focus()
        panel.keyboard.press("ArrowRight")
        file = row(panel, f"{name}.txt")
        expect(file).to_have_attribute("aria-level", "3")
        file.click(button="right")
        item(panel, "Download to the folder")
        expect(transfer(panel, f"{name}.txt")).to_contain_text("Done")
        assert (lab.root / name / f"{name}.txt").read_text() == "x"
    shutil.rmtree(lab.root / "trap" / IMAGE)
    row(panel, f"{IMAGE}.txt").focus()
    panel.keyboard.press("Enter")
    refused = panel.locator("#jupyter-bridge-connections > .jp-Bridge-problem")
    expect(refused.or_(panel.get_by_text("Failed:"))).to_contain_text(IMAGE)
    branch = panel.locator(".jp-Bridge [role=treeitem][aria-level='2']").filter(has_text=IMAGE)
    branch.click(button="right")
    item(panel, "Refresh")
    expect(panel.locator(".jp-Bridge [role=treeitem] [role=alert]")).to_contain_text(IMAGE)


def test_a_data_store(panel: Page, lab: Server, openbis: Simulator) -> None:
    """Objects, files of data sets and types of them; also in the form of an upload."""
    openbis.store.samples["20240101000000000-3"] = f"/LAB/PROJECT/{IMAGE}"
    openbis.store.types = [ATTRIBUTE, IMAGE]
    made = openbis.store.add(dict.fromkeys(NAMES, b"x"), sample="/LAB/PROJECT/S1")
    (lab.root / f"up {IMAGE}").write_text("1")
    add_connection(panel, "bis", "openBIS", {"URL": openbis.url, "Username": "ada"}, "secret")
    connected(panel, "bis")
    for name in ("bis", "LAB", "PROJECT", "S1", made.perm_id, "original"):
        row(panel, name).focus()
        panel.keyboard.press("ArrowRight")
    for name in NAMES:
        expect(row(panel, name)).to_have_attribute("aria-level", "7")
    panel.locator(".jp-SideBar [data-id='filebrowser']").click()
    file_row(panel, f"up {IMAGE}").click()
    open_panel(panel)
    panel.locator(".jp-Bridge [role=treeitem][aria-level='4']", has_text=IMAGE).click(
        button="right"
    )
    item(panel, "Upload the selection of the file browser")
    dialog = panel.get_by_role("dialog")
    expect(dialog).to_contain_text(f"From: up {IMAGE}")
    kinds = dialog.get_by_role("combobox", name="Type of the data set")
    for name in (IMAGE, ATTRIBUTE):
        kinds.select_option(name)
    expect(kinds.locator("option")).to_have_text(
        [f"{one}: A {one.lower()}" for one in openbis.store.types]
    )
    dialog.get_by_role("button", name="Upload").click()
    refusal = f"openBIS has no object or collection LAB/PROJECT/{IMAGE}."
    expect(transfer(panel, f"up {IMAGE}")).to_contain_text(refusal)


def test_another_jupyter_server(panel: Page, lab: Server) -> None:
    """Its user and its consoles: in the rows, tabs, dialogs and forms, and in a refusal."""
    names = (*NAMES, SCRIPT)
    with taken_over(IMAGE, names) as address:
        ask(
            lab,
            "POST",
            "bridge/conns",
            {"name": "far", "kind": "jupyter", "url": address, "token": "-"},
        )
        expect(connected(panel, "far")).to_contain_text(IMAGE)
        panel.locator(".jp-Bridge .jp-AccordionPanel-title", has_text="Consoles").click()
        panel.get_by_label("Filter consoles").fill("far:")
        rows = panel.locator("#jupyter-bridge-consoles .jp-Bridge-row")
        for name in names:
            expect(rows.filter(has_text=f"far:{name}")).to_be_visible()
        one = rows.filter(has_text=f"far:{SCRIPT}")
        choose(panel, one, "End…")
        dialog = panel.get_by_role("dialog")
        expect(dialog).to_contain_text(f"End console far:{SCRIPT}?")
        dialog.get_by_role("button", name="Cancel").click()
        for name in (IMAGE, SCRIPT):
            rows.filter(has_text=f"far:{name}").dblclick()
            expect(panel.get_by_role("tab", name=f"far:{name}")).to_be_visible()
            view = panel.locator(".jp-BridgeConsole:visible")
            expect(view.get_by_role("status")).to_contain_text("Disconnected")
        choose(panel, one, "Run a command in it")
        where = panel.get_by_label("Where")
        expect(where.locator("option", has_text=f"In console far:{SCRIPT}")).to_be_attached()
        panel.locator(".jp-SideBar [data-id='jp-running-sessions']").click()
        expect(panel.locator("#jp-running-sessions")).to_contain_text(f"far:{SCRIPT}")
        open_panel(panel)


def test_a_field_that_is_refused(panel: Page) -> None:
    """The sentence at a field repeats what was filled in."""
    fields = {"Address": "http://127.0.0.1:9/x", "Nodes": IMAGE}
    add_connection(panel, "nodes", "Console service", fields)
    alert = panel.get_by_role("dialog").get_by_role("alert")
    expect(alert).to_have_text(f"nodes: {IMAGE!r} is not a valid name.")


def test_a_kernel(page: Page, lab: Server) -> None:
    """Its name, its code, and the name that its kernelspec shows."""
    page.goto("about:blank")  # the page asks for kernelspecs once
    folder = lab.root.parent / "data/kernels/hostile"
    folder.mkdir(parents=True)
    spec = ask(lab, "GET", "api/kernelspecs/python3")["spec"]
    (folder / "kernel.json").write_text(json.dumps({**spec, "display_name": IMAGE}))
    open_lab(page, lab)
    expect(page.locator(".jp-LauncherCard-label", has_text=IMAGE).first).to_be_visible()
    open_panel(page)
    page.get_by_label("Spawn a kernel…").click()
    spawning = page.get_by_role("dialog")
    expect(spawning.locator("option", has_text=f"{IMAGE} (hostile)")).to_be_attached()
    spawning.get_by_role("button", name="Cancel").click()
    shutil.rmtree(folder)
    kernel = spawn(lab, SCRIPT)
    named = row_of(page, SCRIPT)
    expect(named).to_be_visible()
    choose(page, named, "Restart")
    expect(page.get_by_role("dialog")).to_contain_text(f"Restart kernel {SCRIPT}?")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    named.dblclick()
    expect(page.get_by_role("tab", name=f"Messages of {SCRIPT}")).to_be_visible()
    view = page.locator(".jp-BridgeMessages")
    expect(view.get_by_role("status")).to_contain_text("Connected")
    ask(lab, "POST", f"bridge/execute/{kernel}", {"code": f"raise SystemError({IMAGE!r})"})
    view.locator("code", has_text=IMAGE).last.click()
    expect(view.locator("pre")).to_contain_text("<img src=probe")
    ask(lab, "DELETE", f"bridge/shutdown/{kernel}")


def test_links_in_a_terminal(page: Page, lab: Server) -> None:
    """A link that a program shows leads to the web, or nowhere."""
    name = terminal(lab)
    run(lab, name, rf"printf '\033]8;;{ADDRESS}\033\\press\033]8;;\033\\ {ADDRESS}\n'; tput civis")
    show(page, name)
    until(page, lambda: f"press {ADDRESS}" in text_of(page, name))
    box = page.locator(".xterm-rows > div", has_text="press ").last.bounding_box()
    assert box is not None
    for x in (20, 90):  # the first word, and the address
        page.mouse.move(box["x"] + x, box["y"] + 5)
        page.wait_for_timeout(200)
        page.mouse.click(box["x"] + x, box["y"] + 5)
    ask(lab, "DELETE", f"bridge/consoles/{name}?purge=1")


def test_whatever_this_server_answers(page: Page) -> None:
    """Where its own rules would let no such name through: connections, kinds, transfers."""
    conn = {
        "name": IMAGE,
        "kind": "folder",
        "url": ADDRESS,
        "state": "connected",
        "reason": None,
        "since": "2026-01-01T00:00:00Z",
        "username": SCRIPT,
        "has_secret": False,
        "needs": [],
        "can": ["browse", "download"],
        "source": "added",
        "remembered": False,
        "isMounted": True,
        "mountpoint": SCRIPT,
        "progress": None,
    }
    starting = {"percent": 5, "message": SCRIPT}
    states = [
        conn,
        {**conn, "name": ATTRIBUTE, "state": "forbidden", "reason": SCRIPT},
        {**conn, "name": ENTITY, "state": "connecting", "progress": starting},
    ]
    listing = {
        "connections": states,
        "notebook_dir": "",
        "vault": SCRIPT,
        "problems": [{"source": IMAGE, "message": SCRIPT}],
    }
    kind = {"kind": "folder", "title": ATTRIBUTE, "can": [], "problem": SCRIPT}
    moved = {
        "transfer": "1",
        "connection": IMAGE,
        "direction": "download",
        "permId": SCRIPT,
        "path": SCRIPT,
        "state": "failed",
        "done": 1,
        "total": 2,
        "rate": 0,
        "eta": None,
        "file": SCRIPT,
        "files": 1,
        "created": 1,
        "problem": {"message": IMAGE},
    }
    # A path that would lead the page's own request out of the bridge, were it asked for.
    away = [{"name": LINK, "path": "../../../../probe", "kind": "folder", "permId": "../probe"}]
    answers = {"conns": listing, "kinds": [kind], "transfers": [moved], "conn/.*/browse": away}
    for path, answer in answers.items():
        page.route(re.compile(rf"/bridge/{path}(/?\?|$)"), _answering(answer))
    open_connections(page)
    expect(page.locator(".jp-Bridge-report")).to_have_text(f"{IMAGE}: {SCRIPT}")
    expect(row(page, IMAGE)).to_contain_text(ATTRIBUTE)
    expect(row(page, IMAGE)).to_contain_text(f"mounted at {SCRIPT}")
    expect(row(page, ATTRIBUTE)).to_be_visible()
    expect(row(page, ENTITY)).to_contain_text(f"Connecting: {SCRIPT} (5 %)")
    failed = page.locator(".jp-Bridge-transfer")
    expect(failed).to_contain_text(f"Failed: {IMAGE}")
    expect(failed.get_by_role("button", name="Resume script>")).to_be_visible()
    choose(page, row(page, IMAGE), "Forget…")
    expect(page.get_by_role("dialog")).to_contain_text(f"Forget connection {IMAGE}?")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    row(page, IMAGE).locator(".jp-Bridge-caret").click()
    row(page, LINK).locator(".jp-Bridge-caret").click()
    expect(page.locator(".jp-Bridge [role=treeitem] [role=alert]")).to_be_visible()


def _answering(body: Any) -> Any:
    def answer(route: Route) -> None:
        route.fulfill(content_type="application/json", body=json.dumps(body))

    return answer
