"""200 consoles and 50 kernels with 500 clients, beside the host doing the same work alone.

Two servers, one after the other: the host without the bridge, its clients on its own websockets,
and the same with the bridge, its clients on tail and channels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.bench.consoles import PLAIN
from tests.bench.crowd import BRIDGE, HOST, TERMINALS, Crowd, audience, status_times
from tests.bench.harness import (
    Row,
    Table,
    cpu_seconds,
    percentile,
    rss,
    run_whole,
    serving,
    wait_idle,
)

# Clients on each terminal and kernel.
EACH = 2
# Whoever had the kernels begin to talk is gone: the host would keep all they say for a return, on
# the side where nobody else comes by its own websockets.
NO_BUFFER = "--MappingKernelManager.buffer_offline_messages=False"


@dataclass
class Found:
    """What one side did."""

    status: list[float]
    bytes_a_second: float
    cpu: float  # seconds a second
    rss: int
    deaf: int  # clients that heard nothing


def run(side: str, terminals: int, kernels: int, seconds: float) -> Found:
    """One server with everything on it, watched for so long."""
    options = [TERMINALS, NO_BUFFER, *([PLAIN] if side == HOST else [])]
    with serving(*options) as server:
        pid = server.process.pid
        crowd = Crowd(server)
        crowd.grow(terminals, kernels)
        crowd.talk()
        wait_idle(pid, below=0.5)
        with audience(crowd.seats(side, EACH), server.token) as clients:
            time.sleep(3)  # who came last has been told what there was
            before, spent, start = clients.heard(), cpu_seconds(pid), time.monotonic()
            status = status_times(server, seconds)
            took = time.monotonic() - start
            spent = cpu_seconds(pid) - spent
            got = [b - a for a, b in zip(before, clients.heard(), strict=True)]
            resident = rss(pid)
        return Found(status, sum(got) / took, spent / took, resident, sum(n == 0 for n in got))


def measure(*, quick: bool) -> Table:
    """Every row."""
    table = Table("load")
    terminals, kernels, seconds = (40, 10, 8.0) if quick else (200, 50, 20.0)
    clients = EACH * (terminals + kernels)
    found = {side: run(side, terminals, kernels, seconds) for side in (HOST, BRIDGE)}
    host, ours = found[HOST], found[BRIDGE]
    heard = {side: f"{one.deaf} of {clients} heard nothing" for side, one in found.items()}
    whole = ours.deaf == 0
    for share, goal in ((0.5, 10.0), (0.99, 50.0)):
        p = {side: percentile(one.status, share) for side, one in found.items()}
        what = f"/api/status p{100 * share:.0f} meanwhile"
        table.add(Row(what, "ms", p[HOST], p[BRIDGE], goal))
    table.add(
        Row(
            "server CPU per client",
            "ms/s",
            1e3 * host.cpu / clients,
            1e3 * ours.cpu / clients,
            max(0.1, 1e3 * host.cpu / clients),
            f"{100 * host.cpu:.0f} % of a core",
            f"{100 * ours.cpu:.0f} % of a core",
        )
    )
    table.add(
        Row(
            "clients that heard nothing",
            "clients",
            host.deaf,
            ours.deaf,
            0,
            heard[HOST],
            heard[BRIDGE],
            complete=whole,
        )
    )
    table.add(
        Row(
            "server memory",
            "MB",
            host.rss / 1e6,
            ours.rss / 1e6,
            1.5 * host.rss / 1e6,
        )
    )
    table.remark(
        f"{terminals} consoles, {kernels} kernels, {clients} clients; each console and kernel says "
        f"100 bytes a second. Bytes a second that came, with what frames them: "
        f"{host.bytes_a_second:,.0f} from the host, {ours.bytes_a_second:,.0f} from the bridge, "
        "which records the consoles as well."
    )
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure, print, save; 1 if a goal was missed."""
    return run_whole(
        measure, argv, prog="tests.bench.load", about=__doc__, quick="a fifth of everything"
    )


if __name__ == "__main__":
    raise SystemExit(main())
