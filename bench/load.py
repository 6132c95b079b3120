"""200 consoles and 50 kernels with 500 clients, compared with the host alone.

Two servers run at the same time, so that other load on the machine affects both alike: one without
the bridge, with clients on the host's websockets, and one with the bridge, with clients on `tail`
and `channels`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.consoles import PLAIN
from bench.crowd import BRIDGE, HOST, TERMINALS, Audience, Crowd, audience, status_times
from bench.harness import Row, Table, cpu_seconds, percentile, rss, run_whole, serving, wait_idle
from tests.conftest import Server

# Clients on each terminal and kernel.
EACH = 2
# How many times each server's latency is measured, in turn.
TURNS = 4
# The client that started the kernels' output has disconnected. The host would buffer all output for
# it, on the side where no other client uses the host's websockets.
NO_BUFFER = "--MappingKernelManager.buffer_offline_messages=False"


@dataclass
class Side:
    """One server with its consoles, kernels and clients."""

    server: Server
    clients: Audience
    status: list[float] = field(default_factory=list)  # ms

    def marks(self) -> tuple[float, float, list[int]]:
        """Return the time, the CPU seconds so far, and the bytes of each client so far."""
        return time.monotonic(), cpu_seconds(self.server.process.pid), self.clients.received()


@dataclass
class Found:
    """The results of one side."""

    status: list[float]
    bytes_a_second: float
    cpu: float  # CPU seconds per second
    rss: int
    deaf: int  # clients that received nothing


@contextmanager
def crowded(side: str, terminals: int, kernels: int) -> Iterator[Side]:
    options = [TERMINALS, NO_BUFFER, *([PLAIN] if side == HOST else [])]
    with serving(*options) as server:
        crowd = Crowd(server)
        crowd.grow(terminals, kernels)
        crowd.talk()
        wait_idle(server.process.pid, below=0.5)
        with audience(crowd.endpoints(side, EACH), server.token) as clients:
            yield Side(server, clients)


def watch(sides: dict[str, Side], seconds: float) -> dict[str, Found]:
    """Measure the latency of each side in turn, while both are loaded."""
    before = {name: side.marks() for name, side in sides.items()}
    for _ in range(TURNS):
        for side in sides.values():
            side.status += status_times(side.server, seconds / TURNS)
    found = {}
    for name, side in sides.items():
        start, spent, received = before[name]
        end, spent_now, received_now = side.marks()
        got = [b - a for a, b in zip(received, received_now, strict=True)]
        found[name] = Found(
            side.status,
            sum(got) / (end - start),
            (spent_now - spent) / (end - start),
            rss(side.server.process.pid),
            sum(count == 0 for count in got),
        )
    return found


def measure(*, quick: bool) -> Table:
    """Measure all rows."""
    table = Table("load")
    terminals, kernels, seconds = (40, 10, 8.0) if quick else (200, 50, 20.0)
    clients = EACH * (terminals + kernels)
    with ExitStack() as stack:
        sides = {
            side: stack.enter_context(crowded(side, terminals, kernels)) for side in (HOST, BRIDGE)
        }
        time.sleep(3)  # the last client has received the earlier output
        found = watch(sides, seconds)
    host, ours = found[HOST], found[BRIDGE]
    notes = {side: f"{one.deaf} of {clients} heard nothing" for side, one in found.items()}
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
            notes[HOST],
            notes[BRIDGE],
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
    """Measure, print and save; return 1 if a goal was missed."""
    return run_whole(measure, argv, prog="bench.load", about=__doc__, quick="a fifth of everything")


if __name__ == "__main__":
    raise SystemExit(main())
