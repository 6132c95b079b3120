"""The cost of each hostile input: the slowest answer meanwhile, and the memory it leaves.

Each input goes to a fresh server, from a process of its own, while a second client requests
`/api/status` every 50 ms. It is compared with a server without the bridge under the same input, or,
if the input needs the bridge, with a server under one client that sends small requests.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.consoles import PLAIN
from bench.harness import Row, Table, serving, wait_idle
from tests.conftest import Server
from tests.hostile import over_http, over_remotes, over_sockets  # noqa: F401 - they keep theirs
from tests.hostile.inputs import ATTACKS, Input
from tests.hostile.watching import Attack, Watch, watching

# Goals: ms, and MB.
SLOWEST, GROWN = 250, 64
# After so long without an answer the server counts as dead, seconds.
PATIENCE = 30.0
# The attack is stopped if the server uses more memory than this, bytes.
MEMORY = 2_000_000_000
# How long the server gets to free what a client left, seconds.
SETTLED = 3.0
BESIDE = ["what", "beside it", "under the input", "ratio", "goal", ""]


@dataclass
class Found:
    """The effect of one attack on one server."""

    worst: float  # ms
    grown: float  # MB, afterwards
    peak: float  # MB, at most
    sent: int
    failed: str

    @property
    def note(self) -> str:
        return self.failed or f"{self.sent:,} sent"


def attacked(server: Server, name: str, seconds: float, *, settled: float = SETTLED) -> Found:
    """Attack a server that does nothing else; memory is measured after the preparation."""
    attack = Attack(server, name, seconds)
    wait_idle(server.process.pid, patience=10)
    with watching(server, PATIENCE, MEMORY) as watch:
        sent = attack.run(watch)
    grown = _left(server, watch, settled)
    return Found(watch.worst, grown, _mb(watch.peak - watch.start), sent, watch.failed)


def _left(server: Server, watch: Watch, settled: float) -> float:
    if watch.failed:
        server.process.kill()  # it may react to nothing else
        return _mb(watch.peak - watch.start)
    time.sleep(settled)
    wait_idle(server.process.pid, patience=10)
    return max(0.0, _mb(watch.rss() - watch.start))


def _mb(size: int) -> float:
    return round(size / 1e6, 1)


def beside(chosen: Input, server: Server, seconds: float) -> tuple[str, Found]:
    """Return the comparison: the host under the same input, or the server under a benign client."""
    if not chosen.peer:
        return "benign", attacked(server, "benign", seconds / 6, settled=0.5)
    with serving(PLAIN, *chosen.options) as plain:
        return "the host", attacked(plain, chosen.name, seconds / 3)


def rows(table: Table, chosen: Input, seconds: float) -> None:
    """Add both rows of one input."""
    with serving(*chosen.options) as server:
        wait_idle(server.process.pid)
        who, peer = beside(chosen, server, seconds)
        ours = attacked(server, chosen.name, seconds)
    table.add(
        Row(
            f"{chosen.what}: slowest answer",
            "ms",
            peer.worst,
            ours.worst,
            SLOWEST,
            who,
            ours.note,
            complete=not ours.failed,
        )
    )
    table.add(
        Row(
            f"{chosen.what}: memory",
            "MB",
            peer.grown,
            ours.grown,
            GROWN,
            who,
            f"{ours.peak:.0f} meanwhile",
            complete=not ours.failed,
        )
    )


def measure(only: list[str], *, quick: bool) -> Table:
    """Measure all inputs, or those whose name begins with one of `only`."""
    table = Table("hostile", head=BESIDE)
    seconds = 5.0 if quick else 60.0
    for name, chosen in ATTACKS.items():
        if only and not name.startswith(tuple(only)):
            continue
        try:
            rows(table, chosen, seconds)
        except (OSError, TimeoutError) as error:
            _broken(table, chosen, error)
    table.remark(
        f"Each input for {seconds:.0f} s, except where all of it was sent before; memory is "
        f"resident size {SETTLED:.0f} s after the attacker has gone, less that before it came."
    )
    return table


def _broken(table: Table, chosen: Input, error: Any) -> None:
    """Count an input that could not be tried as a missed goal."""
    note = " ".join(str(error).split())[:80]
    table.add(Row(chosen.what, "ms", None, 0, SLOWEST, "", note, complete=False))


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="bench.hostile", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 s of each input, not 60")
    parser.add_argument("--only", nargs="*", default=[], metavar="INPUT", help="some inputs only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument(
        "--markdown", action="store_true", help="write the table into docs/performance.md"
    )
    options = parser.parse_args(argv)
    if options.markdown and options.only:
        parser.error("--markdown writes the whole table, and so needs every input")
    table = measure(options.only, quick=options.quick)
    print(f"\n{table.text()}\n")
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
