"""What the browser tests of connections share."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from typing import Any

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
    dialog.get_by_role("button", name="Add", exact=True).click()


def ask(lab: Server, method: str, path: str, body: Any = None) -> Any:
    """The JSON of the server's answer; urllib's HTTPError where it is no success."""
    data = None if body is None else json.dumps(body).encode()
    headers = {**lab.headers, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{lab.url}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def forget_all(lab: Server) -> None:
    """No connection is left, no transfer runs."""
    for one in ask(lab, "GET", "bridge/transfers"):
        with contextlib.suppress(urllib.error.HTTPError):
            ask(lab, "DELETE", f"bridge/transfers/{one['transfer']}")
    for one in ask(lab, "GET", "bridge/conns")["connections"]:
        ask(lab, "DELETE", f"bridge/conn/{one['name']}")
