"""Somebody's notebook, opened in JupyterLab in a real browser, changes nothing by what it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Page, Request, expect

from tests.conftest import Server, start_server
from tests.simulators.openbis.simulator import Simulator
from tests.support.asking import ask
from tests.support.browsing import LAB, PATIENCE, open_lab, until
from tests.web.test_access import VERBS

expect.set_options(timeout=PATIENCE)
CHANGING_GETS = [verb for verb in VERBS if verb.proof]
# Elements that make a browser ask for URL by themselves, as a page, a notebook or a mail may have
# them. JupyterLab's sanitizer lets some of them pass.
ELEMENTS = (
    '<img src="URL">',
    '<img srcset="URL 1x">',
    '<img src="URL" crossorigin>',
    '<input type="image" src="URL">',
    '<audio src="URL" autoplay preload="auto"></audio>',
    '<video src="URL" poster="URL" autoplay preload="auto"></video>',
    '<video autoplay preload="auto"><source src="URL"><track src="URL" default></video>',
    '<div style="width: 9px; height: 9px; background: url(URL)">.</div>',
    '<iframe src="URL"></iframe>',
    '<object data="URL"></object>',
    '<embed src="URL">',
    '<svg><image href="URL"/><use href="URL#a"/></svg>',
    '<style>@import "URL"</style>',
    "<style>@font-face {font-family: f; src: url(URL)} b {font: 9px f}</style><b>.</b>",
    '<link rel="stylesheet" href="URL">',
    '<link rel="prefetch" href="URL">',
    '<link rel="prefetch" href="URL" crossorigin>',
)
# What a script of the page has to insert, as no sanitizer lets it pass. It stands for a script's
# own fetch, in all that the server is told.
BY_SANITIZER = (
    '<link rel="preload" as="fetch" href="URL" crossorigin>',
    '<script>fetch("URL")</script>',
    '<img src="x:" onerror="fetch(`URL`)">',
    '<meta http-equiv="refresh" content="0; url=URL">',
)
FETCH = """async ([url, isProven]) => {
    const token = document.cookie.split('; ').find(one => one.startsWith('_xsrf=')).slice(6);
    const headers = isProven ? {'X-XSRFToken': token} : {};
    return (await fetch(url, {headers})).status;
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with JupyterLab and the older routes, and a folder and an openBIS connected."""
    folder = tmp_path_factory.mktemp("intent")
    with Simulator(folder / "openbis") as simulator:
        simulator.store.add({"one.txt": b"one"}, "20240101000000000-77")
        server = start_server(folder, *LAB, "--BridgeApp.openbis_compat=True")
        try:
            (server.root / "store/a").mkdir(parents=True)
            (server.root / "store/a/one.txt").write_text("one")
            login = {"url": simulator.url, "username": "ada", "password": "secret"}
            ask(server, "POST", "bridge/conns", {"name": "bis", "kind": "openbis", **login})
            ask(server, "POST", "bridge/conns", {"name": "lab", "url": str(server.root / "store")})
            yield server
        finally:
            server.stop()


class Doors:
    """The changing GETs of one server, with names for which each would change something."""

    def __init__(self, lab: Server) -> None:
        self._lab = lab
        self.kernel = ask(lab, "POST", "bridge/spawn/python3", {})["id"]

    @property
    def urls(self) -> list[str]:
        """Their paths, each once."""
        urls = []
        for verb in CHANGING_GETS:
            conn, perm_id = ("lab", "a") if verb.top else ("bis", "20240101000000000-77")
            names = {"kernelspec": "python3", "kernel_id": self.kernel, "path": "got"}
            urls.append(verb.url(**names, conn=conn, perm_id=perm_id))
        return urls

    def state(self) -> Any:
        """The kernels that belong to no notebook, and the files of the server."""
        used = {session["kernel"]["id"] for session in ask(self._lab, "GET", "api/sessions")}
        kernels = {kernel["id"] for kernel in ask(self._lab, "GET", "api/kernels")} - used
        root = self._lab.root
        files = {path for path in root.rglob("*") if ".ipynb_checkpoints" not in path.parts}
        return kernels, files

    def clean(self) -> None:
        for kernel in ask(self._lab, "GET", "api/kernels"):
            ask(self._lab, "DELETE", f"api/kernels/{kernel['id']}")
        shutil.rmtree(self._lab.root / "got", ignore_errors=True)


@pytest.fixture
def doors(page: Page, lab: Server) -> Iterator[Doors]:
    doors = Doors(lab)
    yield doors
    page.goto("about:blank")
    doors.clean()


def answers(page: Page) -> dict[str, dict[str, int]]:
    """The statuses that the page's requests get from now on, by path and query.

    0 is an answer that the browser keeps to itself: the host's `nosniff` forbids it to take JSON
    for a style sheet.
    """
    heard: dict[str, dict[str, int]] = {}

    def on_answer(asked: Request, status: int) -> None:
        at = urlsplit(asked.url)
        heard.setdefault(at.path, {})[at.query] = status

    page.on("response", lambda response: on_answer(response.request, response.status))
    page.on("requestfailed", lambda asked: on_answer(asked, 0))
    return heard


def shown(urls: list[str], elements: tuple[str, ...]) -> str:
    """Every element for every address; the query tells which of the elements asked."""
    return "\n\n".join(
        element.replace("URL", f"{url}?{number}")
        for url in urls
        for number, element in enumerate(elements)
    )


def test_an_untrusted_notebook(page: Page, lab: Server, doors: Doors) -> None:
    """Markdown and outputs that name every changing GET: each is asked and refused."""
    text = shown(doors.urls, (*ELEMENTS, *BY_SANITIZER, "![](URL)", "<IMG SRC='URL'>"))
    data = {"text/html": text, "text/markdown": text, "image/svg+xml": f"<svg>{text}</svg>"}
    cell = nbformat.v4.new_code_cell("1", outputs=[
        nbformat.v4.new_output("display_data", {kind: content}) for kind, content in data.items()
    ])  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), cell])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.root / "theirs.ipynb")
    before, heard = doors.state(), answers(page)
    open_lab(page, lab, "lab/tree/theirs.ipynb", panel=False)
    expect(page.locator(".jp-MarkdownOutput img").first).to_be_attached()
    # The browser has asked for each of them, so that the refusals below say something.
    until(page, lambda: set(doors.urls) <= set(heard))
    until(page, lambda: len(ask(lab, "GET", "api/sessions")) == 1)
    page.wait_for_timeout(2000)  # what is let in takes about as long as a kernel needs
    assert doors.state() == before
    for url in doors.urls:
        assert 403 in heard[url].values()
        assert set(heard[url].values()) <= {403, 0}, heard[url]


def test_every_element(page: Page, doors: Doors) -> None:
    """No element that asks by itself is let in, even if no sanitizer had stopped it."""
    before, heard = doors.state(), answers(page)
    body = shown(doors.urls, ELEMENTS)
    page.evaluate("text => { document.body.insertAdjacentHTML('beforeend', text); }", body)
    numbers = {str(number) for number in range(len(ELEMENTS))}
    until(page, lambda: all(set(heard.get(url, ())) == numbers for url in doors.urls))
    page.wait_for_timeout(2000)
    assert doors.state() == before
    for url in doors.urls:
        assert 403 in heard[url].values()
        assert set(heard[url].values()) <= {403, 0}, heard[url]


@pytest.mark.parametrize("is_proven", [True, False], ids=["XSRF token", "none"])
def test_a_script(page: Page, lab: Server, doors: Doors, is_proven: bool) -> None:
    """A script of this origin is let in, with the token or without: the same GETs change things."""
    before = doors.state()
    for url in doors.urls:
        assert page.evaluate(FETCH, [f"{lab.url}{url[1:]}", is_proven]) == 200, url
    kernels, files = doors.state()
    assert doors.kernel in before[0] - kernels
    assert len(kernels - before[0]) == 1
    downloaded = {path.relative_to(lab.root) for path in files - before[1] if path.is_file()}
    assert len(downloaded) == 2, downloaded
