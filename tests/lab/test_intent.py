"""Opening a notebook that somebody else wrote changes nothing on the server."""

from __future__ import annotations

from urllib.parse import quote

import nbformat
from playwright.sync_api import Page

from tests.conftest import Server
from tests.support.asking import ask
from tests.support.browsing import open_lab, until


def names(lab: Server) -> list[str]:
    return sorted(str(path) for path in lab.root.rglob("*"))


def test_images_of_an_untrusted_notebook(page: Page, lab: Server) -> None:
    """Images whose addresses spawn, shut down and download are asked for, and do nothing.

    A script of the page does with the same addresses what they say, so the test would see it.
    """
    store = lab.root / "store" / "data"
    store.mkdir(parents=True)
    (store / "zz.py").write_text("print('run')")
    ask(lab, "POST", "bridge/conns", {"name": "lure", "url": "store"})
    kernel = ask(lab, "POST", "bridge/spawn/python3")["id"]
    routes = [
        "bridge/spawn/python3",
        f"bridge/shutdown/{kernel}",
        f"bridge/dataset/lure/data/{quote('startup', safe='')}",
    ]
    images = "\n\n".join(f'<img src="/{route}">' for route in routes)
    cells = [
        nbformat.v4.new_markdown_cell(images),
        nbformat.v4.new_markdown_cell("\n\n".join(f"![](/{route})" for route in routes)),
        nbformat.v4.new_raw_cell(images),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), lab.root / "lure.ipynb")
    before = names(lab)
    asked: dict[str, int] = {}

    def on_response(response: object) -> None:
        path = response.url.removeprefix(lab.url)  # type: ignore[attr-defined]
        asked[path] = response.status  # type: ignore[attr-defined]

    page.on("response", on_response)
    open_lab(page, lab, "lab/tree/lure.ipynb")
    until(page, lambda: set(routes) <= asked.keys())
    assert [asked[route] for route in routes] == [403, 403, 403]
    assert [one["id"] for one in ask(lab, "GET", "bridge/kernels")] == [kernel]
    assert [name for name in names(lab) if "checkpoint" not in name] == before
    status = page.evaluate("url => fetch(url).then(answer => answer.status)", f"/{routes[2]}")
    assert status == 200
    assert (lab.root / "startup" / "data" / "zz.py").exists()
    page.evaluate("url => fetch(url)", f"/{routes[1]}")
    assert ask(lab, "GET", "bridge/kernels") == []
    ask(lab, "DELETE", "bridge/conn/lure")
