"""A real JupyterLab with the panel, and a real browser to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import Server, start_server
from tests.simulators.openbis.simulator import Simulator
from tests.support.browsing import CHROMIUM, LAB, launch, open_lab, open_panel
from tests.support.connecting import RIGHT, forget_all, open_connections, switch_side

__all__ = ["open_lab", "open_panel"]


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """None: no test here has a server in this process, and the browser's loop runs already."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nothing to do, for the same reason."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own; each page has a context of its own in it.

    Not one for the whole session: as long as it lives an event loop runs in this thread, and the
    fixtures of other tests could not run theirs.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian's package is called chromium)")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with JupyterLab and the panel."""
    server = start_server(tmp_path_factory.mktemp("lab"), *LAB)
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser, lab: Server) -> Iterator[Page]:
    """A page that shows JupyterLab, with nothing open; what it logs as an error fails the test."""
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_lab(page, lab)
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def panel(page: Page, lab: Server) -> Iterator[Page]:
    """A page that shows the connections, of which there are none before and after."""
    forget_all(lab)
    open_connections(page)
    yield page
    if page.locator(RIGHT).is_visible():
        switch_side(page)  # JupyterLab remembers it on the server
        expect(page.locator(RIGHT)).to_have_count(0)
    forget_all(lab)


@pytest.fixture
def openbis(tmp_path: Path) -> Iterator[Simulator]:
    """An openBIS with a person, ada, and an object, /LAB/PROJECT/S1."""
    with Simulator(tmp_path / "openbis") as simulator:
        yield simulator
