"""What the browser tests of connections share."""

from __future__ import annotations

import contextlib

import httpx
from playwright.sync_api import Locator, Page

from ..conftest import Server
from .browsing import open_panel


def open_connections(page: Page) -> None:
    """Show the panel with the section of connections alone, so that it has all the height."""
    open_panel(page)
    for name in ("Kernels", "Consoles"):
        page.locator(".jp-Bridge .jp-AccordionPanel-title", has_text=name).click()


def row(page: Page, text: str) -> Locator:
    """The row of the tree with this text; the innermost last."""
    return page.locator(".jp-Bridge [role=treeitem]").filter(has_text=text).last


def add_connection(
    page: Page,
    name: str,
    kind: str,
    fields: dict[str, str],
    password: str | None = None,
    *,
    submit: bool = True,
) -> None:
    """Fill in the form of a kind, and send it."""
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
    """No connection is left, no transfer runs."""
    with httpx.Client(base_url=f"{lab.url}bridge/", headers=lab.headers, timeout=60) as client:
        for one in client.get("transfers").json():
            with contextlib.suppress(httpx.HTTPError):
                client.delete(f"transfers/{one['transfer']}")
        for one in client.get("conns").json()["connections"]:
            client.delete(f"conn/{one['name']}").raise_for_status()
