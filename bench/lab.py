"""The JupyterLab panel in a real browser: the time until it is usable, and its startup cost.

`python -m bench.lab [--quick] [--only panel|start …] [--json FILE] [--markdown]`
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench.harness import Row, Table, serving
from jupyter_bridge.consoles.journal.archive import Archive
from tests.conftest import Server
from tests.support.asking import ask
from tests.support.browsing import LAB, launch, open_lab

# The path of the panel's files, below any base URL.
OURS = "/lab/extensions/jupyter-bridge/"
CONNECTIONS, CONSOLES = 500, 200


@dataclass(frozen=True)
class Sizes:
    """The number of repetitions."""

    openings: int = 9
    starts: int = 7


QUICK = Sizes(openings=3, starts=3)


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few repetitions only")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", action="store_true", help="write docs/performance.md")
    options = parser.parse_args(argv)
    table, sizes = Table("lab"), QUICK if options.quick else Sizes()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for name in options.only:
            ROWS[name](browser, table, sizes)
        browser.close()
    print("\n" + table.text())
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1


# -- the panel -----------------------------------------------------------------------------------

# Resolves with the milliseconds from the command until both long lists are painted.
_OPENING = """async () => {
  const start = performance.now();
  void jupyterapp.commands.execute('bridge:show');
  const shown = id => document.querySelector(`#jupyter-bridge-${id} .jp-Bridge-row`);
  while (!(shown('connections') && shown('consoles'))) {
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - start;
}"""


def measure_panel(browser: Browser, table: Table, sizes: Sizes) -> None:
    """Measure the time from the command that shows the panel until its rows are painted."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder, "consoles"))
        known = [{"name": f"store-{n:03}", "url": folder} for n in range(CONNECTIONS)]
        config = Path(folder, "config.py")
        config.write_text(
            f"c.BridgeApp.connections = {known}\n"
            f"c.BridgeApp.console_dir = {str(Path(folder, 'consoles'))!r}\n"
        )
        with serving(*LAB, f"--config={config}") as server:
            took = []
            for _ in range(sizes.openings):
                with shown(browser, server) as page:
                    took.append(page.evaluate(_OPENING))
    note = f"{min(took):.0f} to {max(took):.0f}"
    what = f"panel usable after activation, {CONNECTIONS} connections and {CONSOLES} consoles"
    table.add(Row(what, "ms", None, statistics.median(took), 100, bridge_note=note))


def fill(folder: Path) -> None:
    """Create as many ended consoles as after a busy month, each with a screen of output."""
    archive = Archive(folder)
    for number in range(CONSOLES):
        about = {
            "name": f"node{number}",
            "kind": "terminal",
            "title": f"node{number}",
            "epoch": f"e{number}",
            "started": "2026-01-01T00:00:00Z",
            "ended": "2026-01-02T00:00:00Z",
        }
        _, journal = archive.create(about)
        journal.append(b"".join(b"line %d of %d\r\n" % (n, number) for n in range(40)))
    archive.stop()


@contextmanager
def shown(browser: Browser, server: Server) -> Iterator[Page]:
    """A fresh page with JupyterLab, idle."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    open_lab(page, server)
    page.wait_for_load_state("networkidle")
    yield page
    context.close()


# -- the start -----------------------------------------------------------------------------------


def measure_start(browser: Browser, table: Table, sizes: Sizes) -> None:
    """Measure the panel's part of the startup's CPU time, by the profiler, and its bytes."""
    spent, with_panel, without = [], [], []
    loaded: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as others:
        for extension in Path(sys.prefix, "share", "jupyter", "labextensions").iterdir():
            if extension.name != "jupyter-bridge":
                (Path(others) / extension.name).symlink_to(extension)
        without_panel = f"--LabApp.labextensions_path={[others]}"
        with serving(*LAB) as server, serving(*LAB, without_panel) as bare:
            for _ in range(sizes.starts):
                without.append(start(browser, bare, expected=False)[0])
                seconds, own, loaded = start(browser, server, expected=True)
                with_panel.append(seconds)
                spent.append(own)
    unpacked = sum(map(len, loaded.values()))
    packed = sum(len(gzip.compress(body)) for body in loaded.values())
    note = f"{min(spent):.1f} to {max(spent):.1f}"
    what = "added to JupyterLab's start-up: CPU time in the panel's code"
    table.add(Row(what, "ms", None, statistics.median(spent), 20, bridge_note=note))
    what = "loaded before the panel opens, gzip"
    note = f"{len(loaded)} files, {unpacked / 1024:.0f} KiB unpacked"
    table.add(Row(what, "KiB", None, packed / 1024, 60, bridge_note=note))
    table.remark(
        f"JupyterLab stood after {statistics.median(with_panel):.2f} s with the panel and after "
        f"{statistics.median(without):.2f} s without it (median of {sizes.starts}, in turns)."
    )


def start(
    browser: Browser, server: Server, *, expected: bool
) -> tuple[float, float, dict[str, bytes]]:
    """Return the seconds of the startup, the milliseconds in the panel's code, and its files."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    loaded: dict[str, bytes] = {}

    def on_response(response: Any) -> None:
        if OURS in response.url:
            loaded[response.url] = response.body()

    page.goto(f"{server.url}login?token={server.token}")
    session = context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.setSamplingInterval", {"interval": 100})
    page.on("response", on_response)
    session.send("Profiler.start")
    began = time.perf_counter()
    open_lab(page, server, panel=expected)
    seconds = time.perf_counter() - began
    page.wait_for_load_state("networkidle")
    profile = session.send("Profiler.stop")["profile"]
    context.close()
    assert bool(loaded) == expected, "the panel is loaded when it is enabled, and only then"
    return seconds, own_milliseconds(profile), loaded


def own_milliseconds(profile: dict[str, Any]) -> float:
    """Return the time of all samples with a function of the panel on the stack, ms."""
    parents = {child: node["id"] for node in profile["nodes"] for child in node.get("children", [])}
    urls = {node["id"]: node["callFrame"]["url"] for node in profile["nodes"]}

    def is_ours(node: int | None) -> bool:
        while node is not None:
            if OURS in urls[node]:
                return True
            node = parents.get(node)
        return False

    known: dict[int, bool] = {}
    total = 0
    for node, microseconds in zip(profile["samples"], profile["timeDeltas"], strict=True):
        if node not in known:
            known[node] = is_ours(node)
        total += microseconds if known[node] else 0
    return total / 1000


# -- consoles ------------------------------------------------------------------------------------

# Records tasks that block the page for longer than 50 ms, the browser's definition of long.
_WATCH = """() => {
  window.longTasks = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
  }).observe({ entryTypes: ['longtask'] });
}"""
_HEAP = "() => performance.memory.usedJSHeapSize / 2 ** 20"
STREAM_SECONDS = 15
# Writes 20 MB/s in lines of 80 bytes.
_STREAM = (
    "import os, time\n"
    "line = b'x' * 78 + b'\\r\\n'\n"
    "piece, start, sent = line * 2500, time.monotonic(), 0\n"
    f"while time.monotonic() - start < {STREAM_SECONDS}:\n"
    "    os.write(1, piece); sent += len(piece)\n"
    "    time.sleep(max(0, sent / 20e6 - (time.monotonic() - start)))\n"
)


def measure_stream(browser: Browser, table: Table, sizes: Sizes) -> None:
    """Measure a page that shows a console with 20 MB/s of output: its longest task, its memory."""
    with serving(*LAB) as server, shown(browser, server) as page:
        (server.root / "stream.py").write_text(_STREAM)
        name = str(ask(server, "POST", "bridge/consoles", {"name": "stream"})["name"])
        open_console(page, name)
        page.wait_for_timeout(3000)
        page.evaluate(_WATCH)
        before = page.evaluate(_HEAP)
        command = f"{sys.executable} stream.py"
        ask(server, "POST", "bridge/send/stream?newline=1", command.encode())
        heap = []
        for _ in range(STREAM_SECONDS * 2):
            page.wait_for_timeout(500)
            heap.append(page.evaluate(_HEAP))
        page.wait_for_timeout(1000)
        tasks = page.evaluate("() => window.longTasks")
        size = ask(server, "GET", f"bridge/consoles/{name}")["end_offset"]
    longest = max(tasks, default=0)
    rate = size / STREAM_SECONDS / 1e6
    what = "a console that says 20 MB/s: the page's longest task"
    note = f"{sum(task >= 100 for task in tasks)} of 100 ms and more; it said {rate:.0f} MB/s"
    table.add(Row(what, "ms", None, longest, 100, bridge_note=note))
    what = "a console that says 20 MB/s: the page's memory grows in its last two thirds by"
    grown = max(0, max(heap[-10:]) - max(heap[:10]))
    note = f"in all {max(heap) - before:.0f} MiB, for 10,000 rows and what is not collected yet"
    table.add(Row(what, "MiB", None, grown, 16, bridge_note=note))


# Resolves with the milliseconds from the command until the last line is on the screen.
_FIRST_SCREEN = """async ([name, last]) => {
  const start = performance.now();
  const widget = await jupyterapp.commands.execute('bridge:open-console', { name, mode: 'watch' });
  const { term } = widget.content.model.screen;
  for (;;) {
    const { active } = term.buffer;
    for (let row = Math.max(0, active.length - 60); row < active.length; row++) {
      if (active.getLine(row)?.translateToString(true) === last) {
        await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
        return performance.now() - start;
      }
    }
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}"""


def measure_journal(browser: Browser, table: Table, sizes: Sizes) -> None:
    """Measure the time from the command until the last screen of a 1 GB journal is painted."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder), max_bytes=2 << 30, total_bytes=4 << 30)
        about = {
            "name": "big",
            "kind": "terminal",
            "title": "big",
            "epoch": "big",
            "started": "2026-01-01T00:00:00Z",
            "ended": "2026-01-02T00:00:00Z",
        }
        _, journal = archive.create(about)
        piece = b"".join(b"line %07d of the journal\r\n" % n for n in range(40_000))
        while journal.end_offset < 1_000_000_000:
            journal.append(piece)
            journal.write_pending()
        journal.append(b"the very last line\r\n")
        archive.stop()
        limits = [f"--BridgeApp.console_{what}bytes={4 << 30}" for what in ("", "total_")]
        with serving(*LAB, *limits, f"--BridgeApp.console_dir={folder}") as server:
            took = []
            for _ in range(sizes.openings):
                with shown(browser, server) as page:
                    took.append(page.evaluate(_FIRST_SCREEN, ["big", "the very last line"]))
    note = f"{min(took):.0f} to {max(took):.0f}, in a fresh page each time"
    what = "opening a journal of 1 GB: first screen"
    table.add(Row(what, "ms", None, statistics.median(took), 200, bridge_note=note))


def open_console(page: Page, name: str) -> None:
    page.evaluate(
        "args => jupyterapp.commands.execute('bridge:open-console', args).then(() => 0)",
        {"name": name, "mode": "join"},
    )


ROWS: dict[str, Callable[[Browser, Table, Sizes], None]] = {
    "panel": measure_panel,
    "start": measure_start,
    "stream": measure_stream,
    "journal": measure_journal,
}

if __name__ == "__main__":
    raise SystemExit(main())
