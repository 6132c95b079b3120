"""The panel as a whole: silent until it is shown, three sections then."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.lab.conftest import open_panel


def test_nothing_is_asked_before_the_panel_is_shown(page: Page) -> None:
    """JupyterLab starts without one request to the bridge; the panel asks when it is shown."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector(".jp-SideBar .lm-TabBar-tab[data-id='jupyter-bridge']")
    page.wait_for_timeout(2000)
    assert not [url for url in asked if "/bridge/" in url]
    open_panel(page)
    page.wait_for_function(
        "() => document.querySelectorAll('.jp-Bridge .jp-AccordionPanel-title').length === 3"
    )
    assert [url for url in asked if "/bridge/kernels" in url]
