"""The section Connections: forms from schemas, logins, what is at a connection."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.conftest import Server
from tests.simulators.openbis.simulator import Simulator
from tests.support.asking import ask
from tests.support.browsing import PATIENCE, until
from tests.support.connecting import add_connection, connected, row
from tests.support.sshd import Sshd, sshd

__all__ = ["sshd"]

expect.set_options(timeout=PATIENCE)


def test_a_folder_is_added_by_its_form(panel: Page, lab: Server) -> None:
    """The form is the kind's schema; an error stands at its field, and a good folder is browsed."""
    (lab.root / "shelf/deep").mkdir(parents=True)
    (lab.root / "shelf/deep/a.txt").write_text("hello")
    panel.get_by_role("button", name="Add a connection…").click()
    dialog = panel.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name", exact=True).fill("shelf")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("Kind is required.")
    dialog.get_by_role("combobox", name="Kind").select_option(label="Folder")
    expect(dialog.get_by_role("alert")).to_have_count(0)
    expect(dialog.locator("input[type=password]")).to_have_count(0)
    dialog.get_by_role("textbox", name="Folder").fill("")
    dialog.get_by_role("button", name="Add", exact=True).click()
    place = dialog.get_by_role("textbox", name="Folder")
    expect(place).to_have_attribute("aria-invalid", "true")
    expect(place).to_be_focused()
    expect(dialog.get_by_role("alert")).to_have_text("Folder is required.")
    place.fill("ftp://elsewhere")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("must be a path")
    place.fill("shelf")
    dialog.get_by_role("button", name="Add", exact=True).click()
    one = connected(panel, "shelf")
    one.focus()
    panel.keyboard.press("ArrowRight")
    expect(one).to_have_attribute("aria-expanded", "true")
    deep = row(panel, "deep")
    expect(deep).to_have_attribute("aria-level", "2")
    panel.keyboard.press("ArrowRight")
    expect(deep).to_be_focused()
    panel.keyboard.press("ArrowRight")
    expect(row(panel, "a.txt")).to_contain_text("5 B")
    panel.keyboard.press("ArrowLeft")
    panel.keyboard.press("ArrowLeft")
    expect(one).to_be_focused()


def test_the_arrow_keys_reach_rows_out_of_sight(panel: Page, lab: Server) -> None:
    """Of many rows only those in sight are in the page; the focus comes to the others, too."""
    for number in range(500):
        (lab.root / f"many/n{number:03d}").mkdir(parents=True)
    add_connection(panel, "many", "Folder", {"Folder": "many"})
    one = connected(panel, "many")
    one.focus()
    panel.keyboard.press("ArrowRight")
    expect(row(panel, "n000")).to_be_visible()
    expect(row(panel, "n499")).to_have_count(0)
    panel.keyboard.press("End")
    expect(row(panel, "n499")).to_be_focused()
    panel.keyboard.press("PageUp")
    expect(row(panel, "n489")).to_be_focused()
    panel.keyboard.press("Home")
    expect(one).to_be_focused()
    panel.keyboard.press("ArrowLeft")
    add_connection(panel, "other", "Folder", {"Folder": "many/n000"})
    other = connected(panel, "other")
    other.focus()
    panel.keyboard.press("ArrowLeft")
    expect(row(panel, "n001")).to_have_count(0)
    expect(other).to_be_focused()


def test_a_wrong_password_is_told_and_asked_for_again(panel: Page, openbis: Simulator) -> None:
    """The sentence of the refusal stands in the login form; the right password connects."""
    made = openbis.store.add({"a.txt": b"hello"}, sample="/LAB/PROJECT/S1")
    add_connection(panel, "bis", "openBIS", {"URL": openbis.url, "Username": "ada"}, "wrong")
    dialog = panel.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_have_text("Incorrect username or password for bis")
    secret = dialog.get_by_label("Password", exact=True)
    expect(secret).to_have_attribute("type", "password")
    secret.fill("secret")
    dialog.get_by_role("button", name="Log in", exact=True).click()
    connected(panel, "bis").focus()
    panel.keyboard.press("ArrowRight")
    for name in ("LAB", "PROJECT", "S1", made.perm_id, "original"):
        row(panel, name).focus()
        panel.keyboard.press("ArrowRight")
    expect(row(panel, "a.txt")).to_have_attribute("aria-level", "7")
    row(panel, "bis").click(button="right")
    panel.get_by_role("menuitem", name="Log out").click()
    expect(row(panel, "LAB")).to_have_count(0)
    expect(row(panel, "bis")).to_contain_text("Not logged in")


def test_a_host_key_is_accepted_by_a_person(panel: Page, sshd: Sshd) -> None:
    """The fingerprint is shown and asked about; a changed key is asked about anew."""
    (sshd.data / "there.txt").write_text("x")
    fields = {"Address": sshd.url, "Key file": str(sshd.key_file)}
    add_connection(panel, "far", "SFTP", fields)
    dialog = panel.get_by_role("dialog")
    expect(dialog).to_contain_text(sshd.fingerprint)
    dialog.get_by_role("button", name="Accept").click()
    connected(panel, "far")
    row(panel, "far").click(button="right")
    panel.get_by_role("menuitem", name="Log out").click()
    expect(row(panel, "far")).to_contain_text("Not logged in")
    sshd.new_host_key()
    row(panel, "far").focus()
    row(panel, "far").get_by_role("button", name="Log in…").click()
    expect(dialog).to_contain_text("key has changed")
    expect(dialog).to_contain_text(sshd.fingerprint)
    dialog.get_by_role("button", name="Trust the new key").click()
    connected(panel, "far")


def test_forgetting_asks_first(panel: Page, lab: Server) -> None:
    """A connection that was added elsewhere is shown, and forgotten after a yes."""
    (lab.root / "brief").mkdir(exist_ok=True)
    ask(lab, "POST", "bridge/conns", {"name": "brief", "url": "brief"})
    expect(connected(panel, "brief")).to_contain_text("Folder")  # the kind's title, not its word
    row(panel, "brief").click(button="right")
    panel.get_by_role("menuitem", name="Forget…").click()
    panel.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(row(panel, "brief")).to_have_count(0)
    expect(panel.get_by_role("button", name="Add your first connection…")).to_be_visible()


def test_the_environment_is_saved_beside_the_notebook(page: Page, lab: Server) -> None:
    """The notebook's toolbar has a button that saves what its kernel runs on, and says so.

    What is there is named and asked about before it is replaced.
    """
    (lab.root / "env").mkdir(exist_ok=True)
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    content = {"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": about}
    ask(lab, "PUT", "api/contents/env/a.ipynb", {"type": "notebook", "content": content})
    page.goto(f"{lab.url}lab/tree/env/a.ipynb?reset&token={lab.token}")
    button = page.locator("[data-jp-item-name='bridge-environment']").get_by_role("button")
    expect(button).to_be_enabled()
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible()
    button.click()
    toast = page.locator(".Toastify__toast")
    expect(toast.filter(has_text="Saved env/requirements.txt")).to_be_visible()
    assert "ipykernel==" in (lab.root / "env/requirements.txt").read_text()
    assert (lab.root / "env/runtime.txt").read_text().startswith("python-3")
    (lab.root / "env/requirements.txt").write_text("mine")
    (lab.root / "env/runtime.txt").unlink()
    dialog = page.get_by_role("dialog")
    button.click()
    expect(dialog).to_contain_text("These files exist: env/requirements.txt.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(toast.filter(has_text="Nothing was saved.")).to_be_visible()
    assert (lab.root / "env/requirements.txt").read_text() == "mine"
    button.click()
    dialog.get_by_role("button", name="Replace").click()
    until(page, (lab.root / "env/runtime.txt").exists)
    assert "ipykernel==" in (lab.root / "env/requirements.txt").read_text()
    for session in ask(lab, "GET", "api/sessions"):
        ask(lab, "DELETE", f"api/sessions/{session['id']}")
