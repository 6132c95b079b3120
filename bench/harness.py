"""The base of all benchmarks: CPU and memory of a process, percentiles, a table with goals."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import Server, start_server

REPOSITORY = Path(__file__).parents[1]
DOCUMENT = REPOSITORY / "docs" / "performance.md"
MEGA = 1e6
# The text of a cell without a figure.
NOTHING = "-"


@contextlib.contextmanager
def serving(*options: str) -> Iterator[Server]:
    """A new server process with the bridge and the routes of blocking.py."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = start_server(
            Path(folder),
            "--ServerApp.jpserver_extensions=bench.blocking=True",
            "--ServerApp.log_level=WARN",
            *options,
            env={"PYTHONPATH": str(REPOSITORY)},
        )
        try:
            yield server
        finally:
            server.stop()


# -- a process from outside --------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, user and system, all threads, seconds."""
    if platform.system() == "Linux":
        # The process's CPU clock, in nanoseconds; /proc has steps of 10 ms.
        return time.clock_gettime((~pid << 3) | 2)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def rss(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(psutil.Process(pid).memory_info().rss)


class PeakMemory:
    """Measure the largest growth of a process's resident bytes during a `with` block."""

    def __init__(self, pid: int, period: float = 0.02) -> None:
        self._pid = pid
        self._period = period
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.start = self.peak = 0

    def __enter__(self) -> PeakMemory:
        self.start = self.peak = rss(self._pid)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(self._period):
            self.peak = max(self.peak, rss(self._pid))

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, rss(self._pid))

    @property
    def growth(self) -> int:
        return self.peak - self.start


def wait_idle(pid: int, *, below: float = 0.05, period: float = 0.25, patience: float = 60) -> None:
    """Wait until the process uses less than this share of a core."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        before = cpu_seconds(pid)
        time.sleep(period)
        if cpu_seconds(pid) - before < below * period:
            return


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values are."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


# -- the table ---------------------------------------------------------------------------------


@dataclass
class Row:
    """One row of the table: what was measured, the host's figure, the bridge's, and the goal.

    `today` is the host's figure, None if the host has no such feature. The goal is met if the
    bridge's figure is at most `goal`, and `complete` is true: everything was delivered.
    """

    what: str
    unit: str
    today: float | None
    bridge: float
    goal: float
    today_note: str = ""
    bridge_note: str = ""
    complete: bool = True

    @property
    def met(self) -> bool:
        return self.complete and self.bridge <= self.goal

    @property
    def ratio(self) -> str:
        if not self.today or self.bridge <= 0:
            return NOTHING
        return f"{self.today / self.bridge:.1f} x"

    def cells(self) -> list[str]:
        return [
            self.what,
            NOTHING if self.today is None else self._figure(self.today, self.today_note),
            self._figure(self.bridge, self.bridge_note),
            self.ratio,
            f"<= {_number(self.goal)} {self.unit}" if self.goal else f"0 {self.unit}",
            "met" if self.met else "MISSED",
        ]

    def _figure(self, value: float, note: str) -> str:
        return f"{_number(value)} {self.unit}" + (f" ({note})" if note else "")


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


HEAD = ["what", "the host today", "the bridge", "ratio", "goal", ""]


@dataclass
class Table:
    """The rows of one bench, and where and when they were measured."""

    name: str
    rows: list[Row] = field(default_factory=list)
    # The headings of the columns, if they are not the host and the bridge.
    head: list[str] = field(default_factory=lambda: list(HEAD))
    remarks: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a row and print it at once, because a benchmark takes minutes."""
        self.rows.append(row)
        what, *cells, met = row.cells()
        print(f"  {met:6}  {what}\n          " + " | ".join(cells), flush=True)

    def remark(self, text: str) -> None:
        self.remarks.append(text)
        print(f"          {text}", flush=True)

    def text(self) -> str:
        lines = [self.head, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        lines = [f"| {' | '.join(self.head)} |", "|" + "---|" * len(self.head)]
        lines += [f"| {' | '.join(row.cells())} |" for row in self.rows]
        lines += ["", *(f"- {remark}" for remark in [*self.remarks, machine()])]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        rows = [{**asdict(row), "met": row.met} for row in self.rows]
        return {"bench": self.name, "machine": machine(), "rows": rows, "remarks": self.remarks}

    def save(self, *, file: Path | None, document: bool) -> None:
        """Write the rows as JSON to `file`, and the table into `document`, if these are given."""
        if file is not None:
            file.write_text(json.dumps(self.to_json(), indent=1) + "\n")
        if document:
            write_between(DOCUMENT, self.name, self.markdown())


def write_between(document: Path, name: str, text: str) -> None:
    """Put `text` between the marks of the benchmark `name` in `document`, or at its end."""
    between = (f"<!-- bench {name} -->", f"<!-- end bench {name} -->")
    written = document.read_text()
    if between[0] not in written:
        written += f"\n## {name.capitalize()}\n\n{between[0]}\n{between[1]}\n"
    before, rest = written.split(between[0])
    after = rest.split(between[1])[1]
    document.write_text(f"{before}{between[0]}\n{text}\n{between[1]}{after}")


def machine() -> str:
    """Describe this machine and the measured versions in one line."""
    gib = psutil.virtual_memory().total / (1 << 30)
    names = ("jupyter_server", "jupyter_client", "ipykernel", "pyzmq", "tornado", "msgspec")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"Measured on {os.cpu_count()} cores and {gib:.0f} GiB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, {versions}; "
        f"commit {_commit()}, {time.strftime('%Y-%m-%d', time.gmtime())}."
    )


def _commit() -> str:
    """Return the measured commit, and whether files outside docs differ from it."""

    def git(*words: str) -> str:
        command = ("git", "-C", str(REPOSITORY), *words)
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    elsewhere = ("--", ".", ":(exclude)docs")
    changed = git("status", "--porcelain", "--untracked-files=no", *elsewhere)
    return (git("describe", "--always") or "?") + ("-dirty" if changed else "")


def run_whole(
    measure: Callable[..., Table],
    argv: list[str] | None,
    *,
    prog: str,
    about: str | None,
    quick: str,
) -> int:
    """Run the command of a benchmark that has two sizes; return 1 if a goal was missed.

    `measure(quick=…)` returns the table; `quick` is the help text of that option.
    """
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument(
        "--markdown", action="store_true", help="write the table into docs/performance.md"
    )
    options = parser.parse_args(argv)
    table = measure(quick=options.quick)
    print(f"\n{table.text()}\n")
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1
