"""The costs of a kernel, a console, a viewer and a journaled gigabyte, for docs/operations.md.

Memory is resident size. Each figure is the growth that a number of the things cause, divided by
that number. Of kernels and shells the unshared memory (USS) counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil

from bench.consoles import PLAIN
from bench.crowd import BRIDGE, Crowd, Endpoint, audience
from bench.harness import REPOSITORY, cpu_seconds, machine, rss, serving, wait_idle, write_between
from bench.kernels import request
from tests.conftest import Server

DOCUMENT = REPOSITORY / "docs" / "operations.md"
KIB, MIB = 1 << 10, 1 << 20


class Cost(NamedTuple):
    """One row of the table."""

    what: str
    memory: str
    sockets: str
    note: str = ""


def _usage(server: Server) -> tuple[int, int]:
    pid = server.process.pid
    wait_idle(pid)
    return rss(pid), psutil.Process(pid).num_fds()


def _children(server: Server) -> float:
    """Return the average private bytes of a child of the server."""
    own: list[int] = [
        child.memory_full_info().uss for child in psutil.Process(server.process.pid).children()
    ]
    return sum(own) / len(own)


def _each(server: Server, count: int, more: Callable[[], Any]) -> tuple[float, float]:
    """Return the growth of the server's bytes and descriptors per thing; `more` makes `count`."""
    memory, sockets = _usage(server)
    more()
    after, then = _usage(server)
    return (after - memory) / count, (then - sockets) / count


def servers(starts: int) -> list[Cost]:
    """Measure servers without and with the bridge: medians of `starts` starts, alternating."""
    sides: dict[str, list[str]] = {"the host alone": [PLAIN], "the host with the bridge": []}
    found: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
    for _ in range(starts):
        for side, options in sides.items():
            with serving(*options) as server:
                found[side].append((*_usage(server), cpu_seconds(server.process.pid)))
    medians = {
        side: [median(row) for row in zip(*rows, strict=True)] for side, rows in found.items()
    }
    return [
        Cost(
            f"a server: {side}",
            f"{memory / MIB:.0f} MiB",
            f"{sockets:.0f}",
            f"{seconds:.2f} s of CPU to start",
        )
        for side, (memory, sockets, seconds) in medians.items()
    ]


def kernels(count: int) -> list[Cost]:
    """Measure a kernel, its relay, and each further viewer."""
    with serving() as server:
        crowd = Crowd(server)
        crowd.grow(0, 1)
        started = _each(server, count, lambda: crowd.grow(0, count))

        def relay() -> None:
            for kernel in crowd.kernels[1:]:
                request(server, "POST", f"bridge/execute/{kernel}", {"code": "1"})

        request(server, "POST", f"bridge/execute/{crowd.kernels[0]}", {"code": "1"})
        line = _each(server, count, relay)
        own = _children(server)  # all have run code, so all are ready
        viewer = _viewers(server, crowd.endpoints(BRIDGE, 40))
    return [
        Cost("a python3 kernel, its process", f"{own / MIB:.0f} MiB", "-", "without what it loads"),
        Cost("a kernel, in the server", f"{started[0] / KIB:.0f} KiB", f"{started[1]:.1f}"),
        Cost(
            "its relay, once somebody uses it",
            f"{line[0] / KIB:.0f} KiB",
            f"{line[1]:.1f}",
            "and what its ring holds, 40 MiB at most",
        ),
        Cost("a viewer of a kernel", f"{viewer[0] / KIB:.0f} KiB", f"{viewer[1]:.1f}"),
    ]


def _viewers(server: Server, endpoints: list[Endpoint]) -> tuple[float, float]:
    memory, sockets = _usage(server)
    with audience(endpoints, server.token):
        after, then = _usage(server)
    return (after - memory) / len(endpoints), (then - sockets) / len(endpoints)


def consoles(count: int) -> list[Cost]:
    """Measure a terminal with its shell, and each viewer."""
    with serving() as server:
        crowd = Crowd(server)
        crowd.grow(1, 0)
        one = _each(server, count, lambda: crowd.grow(count, 0))
        own = _children(server)
        viewer = _viewers(server, crowd.endpoints(BRIDGE, 10))
    return [
        Cost("a terminal, its shell", f"{own / MIB:.1f} MiB", "-"),
        Cost("a console, in the server", f"{one[0] / KIB:.0f} KiB", f"{one[1]:.1f}"),
        Cost("a viewer of a console", f"{viewer[0] / KIB:.0f} KiB", f"{viewer[1]:.1f}"),
    ]


def journal(megabytes: int) -> list[Cost]:
    """Measure output that is saved to disk, without a console's usual size limit."""
    bounds = (f"--BridgeApp.console_bytes={4 << 30}", f"--BridgeApp.console_total_bytes={8 << 30}")
    with serving(*bounds) as server:
        pid = server.process.pid
        memory, _ = _usage(server)
        command = ["/bin/sh", "-c", f"stty -opost; yes | head -c {megabytes}000000"]
        body = {"shell_command": command}
        spent, start = cpu_seconds(pid), time.monotonic()
        name = request(server, "POST", "bridge/consoles", body)["name"]
        while (model := request(server, "GET", f"bridge/consoles/{name}"))["state"] == "live":
            time.sleep(0.05)
        took = time.monotonic() - start
        after, _ = _usage(server)
        spent = cpu_seconds(pid) - spent
        size = model["end_offset"]
        kept = sum(path.stat().st_size for path in (server.root.parent / "data").rglob("*.log"))
        kept = kept or sum(
            path.stat().st_size
            for path in (server.root.parent / "data" / "bridge").rglob("*")
            if path.is_file()
        )
    giga = size / 1e9
    return [
        Cost(
            "a gigabyte that consoles say",
            f"{(after - memory) / MIB / giga:.0f} MiB",
            "-",
            f"{kept / 1e9 / giga:.2f} GB of disk while it is kept, {spent / giga:.0f} s of CPU "
            f"({size / 1e6 / took:.0f} MB/s)",
        )
    ]


def measure(*, quick: bool) -> str:
    """The table, as Markdown."""
    costs = [
        *servers(1 if quick else 5),
        *kernels(4 if quick else 15),
        *consoles(20 if quick else 100),
        *journal(100 if quick else 1000),
    ]
    lines = ["| what | memory | descriptors of the server | |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(cost)} |" for cost in costs]
    return "\n".join([*lines, "", machine()])


def main(argv: list[str] | None = None) -> int:
    """Measure and print; these figures have no goals."""
    parser = argparse.ArgumentParser(prog="bench.costs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="not for this one")
    parser.add_argument(
        "--markdown", action="store_true", help="write the table into docs/operations.md"
    )
    options = parser.parse_args(argv)
    text = measure(quick=options.quick)
    print(text)
    if options.markdown:
        write_between(DOCUMENT, "costs", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
