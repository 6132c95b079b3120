"""Helpers of the browser tests of connections."""

from __future__ import annotations

import contextlib
import urllib.error

from playwright.sync_api import Locator, Page, expect

from tests.conftest import Server
from tests.support.asking import ask
from tests.support.browsing import open_panel

# The panel's tab.
RIGHT = ".jp-SideBar.jp-mod-right [data-id='jupyter-bridge']"


def open_connections(page: Page) -> None:
    """Show the panel with only the section of connections, so that it has the full height."""
    open_panel(page)
    for name in ("Kernels", "Consoles"):
        page.locator(".jp-Bridge .jp-AccordionPanel-title", has_text=name).click()


def row(page: Page, text: str) -> Locator:
    """Return the rows of the tree with this text; the innermost is the last."""
    return page.locator(".jp-Bridge [role=treeitem]").filter(has_text=text).last


def connected(page: Page, name: str) -> Locator:
    """Return the row of a connection, after its login and after the form has closed."""
    expect(row(page, name).get_by_role("img", name="Connected.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    return row(page, name)


def add_connection(
    page: Page,
    name: str,
    kind: str,
    fields: dict[str, str],
    password: str | None = None,
    *,
    submit: bool = True,
) -> None:
    """Fill in the form of a kind, and send it if `submit` is true."""
    page.get_by_role("button", name="Add a connection…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name", exact=True).fill(name)
    dialog.get_by_role("combobox", name="Kind").select_option(label=kind)
    more = dialog.locator("summary")
    if more.count():
        more.click()
    for label, value in fields.items():
        dialog.get_by_role("textbox", name=label, exact=True).fill(value)
    if password is not None:
        dialog.get_by_label("Password", exact=True).fill(password)
    if submit:
        dialog.get_by_role("button", name="Add", exact=True).click()


def forget_all(lab: Server) -> None:
    """Remove all connections, and wait until no transfer runs."""
    for one in ask(lab, "GET", "bridge/transfers"):
        with contextlib.suppress(urllib.error.HTTPError):
            ask(lab, "DELETE", f"bridge/transfers/{one['transfer']}")
    for one in ask(lab, "GET", "bridge/conns")["connections"]:
        ask(lab, "DELETE", f"bridge/conn/{one['name']}")


def switch_side(page: Page) -> None:
    page.locator(".jp-SideBar [data-id='jupyter-bridge']").click(button="right")
    page.get_by_role("menuitem", name="Switch Sidebar Side").click()
