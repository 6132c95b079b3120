"""Data sets on their way: by menu and by drag, paused, resumed, cancelled, through a reload."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.conftest import Server
from tests.simulators.openbis.simulator import Simulator
from tests.support.asking import ask
from tests.support.browsing import PATIENCE, file_row, open_lab, until
from tests.support.connecting import (
    RIGHT,
    add_connection,
    connected,
    open_connections,
    row,
    switch_side,
)

expect.set_options(timeout=PATIENCE)
# Half a second for each of so many files takes longer than the test looks at it.
SLOW, FILES = 0.5, {f"{number}.bin": bytes(64 << 10) for number in range(400)}
OBJECT = "/LAB/PROJECT/S1"


def open_object(page: Page, openbis: Simulator) -> None:
    """Log in, and open the tree down to the data sets of the object."""
    add_connection(page, "bis", "openBIS", {"URL": openbis.url, "Username": "ada"}, "secret")
    connected(page, "bis")
    for name in ("bis", "LAB", "PROJECT", "S1"):
        row(page, name).focus()
        page.keyboard.press("ArrowRight")


def line(page: Page, name: str) -> Locator:
    return page.locator(".jp-Bridge-transfer").filter(has_text=name).first


def beside(page: Page) -> None:
    """Put the panel to the right, so that the file browser is seen beside it."""
    if not page.locator(RIGHT).is_visible():
        switch_side(page)
    expect(page.locator(RIGHT)).to_be_visible()
    # The one is shown at the right, the other at the left, whatever was open before.
    for name in ("filebrowser", "jupyter-bridge"):
        if not page.locator(f"#{name}").is_visible():
            page.locator(f".jp-SideBar [data-id='{name}']").click()
        expect(page.locator(f"#{name}")).to_be_visible()


def drag(page: Page, what: Locator, where: Locator) -> None:
    """As a hand does it: press, move in steps, let go."""
    start, end = what.bounding_box(), where.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 60, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + 70, start["y"] + start["height"] / 2 + 8, steps=4)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=10)
    page.mouse.up()


def test_a_download_is_paused_resumed_and_cancelled(
    panel: Page, lab: Server, openbis: Simulator
) -> None:
    """Its bar shows how far it is; it survives a reload, stops, goes on, ends, and is cleared."""
    openbis.knobs.api = "3.5"  # which sends one file after the other
    made = openbis.store.add(FILES, sample=OBJECT)
    open_object(panel, openbis)
    openbis.knobs.latency = SLOW
    row(panel, made.perm_id).hover()
    row(panel, made.perm_id).get_by_role("button", name="Download to the folder").click()
    bar = line(panel, made.perm_id).get_by_role("progressbar")
    expect(line(panel, made.perm_id)).to_contain_text("of 25 MiB")
    assert bar.get_attribute("aria-valuemax") == "100"
    panel.reload()
    open_lab(panel, lab)
    open_connections(panel)
    status = panel.locator(".jp-BridgeStatus")
    expect(status).to_contain_text("1 transfer, ")
    one = line(panel, made.perm_id)
    one.get_by_role("button", name="Pause").click()
    expect(one).to_contain_text("Paused at")
    expect(status).to_have_text("")
    assert not (lab.root / made.perm_id).exists()
    openbis.knobs.latency = 0.0
    one.get_by_role("button", name="Resume").click()
    expect(one).to_contain_text("Done · 25 MiB")
    assert len(list((lab.root / made.perm_id / "original").iterdir())) == len(FILES)
    panel.get_by_role("button", name="Clear finished transfers").click()
    expect(panel.locator(".jp-Bridge-transfer")).to_have_count(0)
    second = openbis.store.add(FILES, sample=OBJECT)
    openbis.knobs.latency = SLOW
    wanted = {"connection": "bis", "direction": "download", "permId": second.perm_id}
    ask(lab, "POST", "bridge/transfers", wanted)
    another = line(panel, second.perm_id)
    another.get_by_role("button", name="Cancel").click()
    expect(another).to_contain_text("Cancelled")
    assert not (lab.root / second.perm_id).exists()


def test_a_data_set_is_dragged_to_the_file_browser(
    panel: Page, lab: Server, openbis: Simulator
) -> None:
    """It arrives in the folder that it was dropped on, or in the one that is shown."""
    (lab.root / "landing").mkdir(exist_ok=True)
    made = openbis.store.add({"a.txt": b"hello"}, sample=OBJECT)
    open_object(panel, openbis)
    beside(panel)
    folder = file_row(panel, "landing")
    expect(folder).to_be_visible()
    drag(panel, row(panel, made.perm_id), folder)
    until(panel, (lab.root / "landing" / made.perm_id).exists)
    expect(line(panel, made.perm_id)).to_contain_text("Done")
    assert (lab.root / "landing" / made.perm_id / "original/a.txt").read_bytes() == b"hello"


def test_a_file_is_dragged_onto_an_object(panel: Page, lab: Server, openbis: Simulator) -> None:
    """The type and its properties are asked for, and the file becomes a data set of the object."""
    (lab.root / "result.csv").write_text("1,2\n")
    open_object(panel, openbis)
    beside(panel)
    file = file_row(panel, "result.csv")
    expect(file).to_be_visible()
    drag(panel, file, row(panel, "S1"))
    dialog = panel.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Type of the data set").select_option("ANALYZED_DATA")
    dialog.get_by_role("button", name="Upload").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is required")
    dialog.locator("[data-field=COLOUR]").select_option(index=1)
    dialog.get_by_role("button", name="Upload").click()
    expect(line(panel, "result.csv")).to_contain_text("Done")
    (data_set,) = openbis.store.data_sets.values()
    assert (data_set.type_code, data_set.sample) == ("ANALYZED_DATA", OBJECT)
    assert "COLOUR" in data_set.properties
    expect(row(panel, data_set.perm_id)).to_be_visible()


def test_a_file_is_dragged_into_a_folder(panel: Page, lab: Server) -> None:
    """Where a kind has no objects nothing is asked; a name that is taken is told."""
    (lab.root / "store/inner").mkdir(parents=True, exist_ok=True)
    (lab.root / "note.txt").write_text("note")
    add_connection(panel, "store", "Folder", {"Folder": "store"})
    connected(panel, "store").focus()
    panel.keyboard.press("ArrowRight")
    expect(row(panel, "inner")).to_be_visible()
    beside(panel)
    file = file_row(panel, "note.txt")
    drag(panel, file, row(panel, "inner"))
    until(panel, lambda: (lab.root / "store/inner/note.txt").exists())
    expect(line(panel, "note.txt")).to_contain_text("Done")
    drag(panel, file, row(panel, "inner"))
    expect(line(panel, "note.txt").first).to_contain_text("note.txt exists already.")
    assert (lab.root / "note.txt").read_text() == "note"
