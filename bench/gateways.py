"""Kernels behind a Kernel Gateway and an Enterprise Gateway, beside kernels of the server's own.

All three servers run at once, and the same client sends requests to them in turn. Each kernel is
controlled over the bridge, because nothing else can reach the gateways' kernels.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.harness import HEAD, Row, Table, percentile, run_whole, serving
from bench.kernels import KERNEL_CODE, HttpConnection
from bench.wire import PROBE, Listeners, Received, Socket
from tests.conftest import Server
from tests.support import gateways

OWN = "own"
KINDS = ("kernel", "enterprise")
NAMES = {"kernel": "Kernel Gateway", "enterprise": "Enterprise Gateway"}
QUIET_LOG = "--ServerApp.log_level=WARN"


class Kernel:
    """A kernel of one server, controlled over the bridge."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection = HttpConnection(server)
        self.id = str(self.connection.ask("POST", "bridge/spawn/python3", {})["id"])
        self.run(KERNEL_CODE)

    @property
    def url(self) -> str:
        return f"{self.server.url}bridge/channels/{self.id}?session_id={uuid.uuid4().hex}"

    def run(self, code: str) -> None:
        status = self.connection.ask("POST", f"bridge/execute/{self.id}", {"code": code})["status"]
        assert status == "ok", status

    def stop(self) -> None:
        self.connection.ask("DELETE", f"bridge/shutdown/{self.id}")
        self.connection.__exit__()


@contextmanager
def kernels(*, own: bool = True, configured: bool = True) -> Iterator[dict[str, Kernel]]:
    """Start a kernel behind each gateway, and one without a gateway if requested, each on a
    server of its own."""
    with ExitStack() as stack:
        found = {OWN: Kernel(stack.enter_context(serving()))} if own else {}
        for kind in KINDS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running = stack.enter_context(gateways.gateway(kind, folder, configured=configured))
            server = gateways.start_behind(folder / "server", running.url, QUIET_LOG)
            stack.callback(server.stop)
            found[kind] = Kernel(server)
        for one in found.values():
            stack.callback(one.stop)
        yield found


def round_trips(table: Table, found: dict[str, Kernel], turns: int) -> None:
    """Measure `1+1` over a websocket and over HTTP, in turn."""
    clients = {kind: Socket(one.url, one.server.token) for kind, one in found.items()}
    asked: dict[str, dict[str, list[float]]] = {"websocket": {}, "HTTP": {}}
    for turn in range(-10, turns):
        for kind, one in found.items():
            start = time.perf_counter()
            clients[kind].round_trip("1+1")
            middle = time.perf_counter()
            one.run("1+1")
            end = time.perf_counter()
            if turn >= 0:
                asked["websocket"].setdefault(kind, []).append(1e3 * (middle - start))
                asked["HTTP"].setdefault(kind, []).append(1e3 * (end - middle))
    for client in clients.values():
        client.close()
    for what, times in asked.items():
        p50 = {kind: statistics.median(took) for kind, took in times.items()}
        p95 = {kind: f"p95 {percentile(took, 0.95):.1f}" for kind, took in times.items()}
        for kind in KINDS:
            name = f"{NAMES[kind]}: {what} `1+1`, p50"
            table.add(Row(name, "ms", p50[OWN], p50[kind], 20, p95[OWN], p95[kind]))


def burst(one: Kernel, count: int, pause: float) -> tuple[Received, float]:
    """Send numbered messages to one client, with a pause (seconds) in between; return the numbers
    that arrived, and how many the kernel sent per second."""
    listeners = Listeners([one.url], one.server.token)
    while not listeners.live:
        one.run(f"bench_send({PROBE}, 100)")
    time.sleep(0.3)  # the last probe's message
    start = time.perf_counter()
    one.run(f"bench_burst({count}, 100, {pause})")
    rate = count / (time.perf_counter() - start)
    return listeners.finish(count)[0], rate


def bursts(table: Table, found: dict[str, Kernel], count: int, pause: float) -> None:
    """Measure how many messages of the same burst are lost from each kernel."""
    received = {kind: burst(one, count, pause) for kind, one in found.items()}
    lost = {kind: 100 * one.lost(count) / count for kind, (one, _) in received.items()}
    notes = {kind: f"{rate:,.0f}/s" for kind, (_, rate) in received.items()}
    paced = f", one each {1e3 * pause:g} ms" if pause else ""
    for kind in KINDS:
        what = f"{NAMES[kind]}: {count:,} messages{paced}"
        row = Row(what, "% lost", lost[OWN], lost[kind], 0, notes[OWN], notes[kind])
        row.complete = received[kind][0].ordered and not received[kind][0].twice
        table.add(row)


def as_they_come(table: Table, count: int) -> None:
    """Measure the losses of gateways with default queue limits."""
    with kernels(own=False, configured=False) as found:
        lost = {kind: burst(one, count, 0)[0].lost(count) / count for kind, one in found.items()}
    losses = " and ".join(f"{lost[kind]:.1%} behind the {NAMES[kind]}" for kind in KINDS)
    table.remark(
        "The gateways' queues have no limit, as docs/operations.md has it. As they come they read "
        f"their kernels through queues of 1,000 messages: of {count:,} {losses} were lost there."
    )


def measure(*, quick: bool) -> Table:
    """Measure all rows."""
    head = [HEAD[0], "the server's own kernel", "behind the gateway", *HEAD[3:]]
    table = Table("gateways", head=head)
    many = 5_000 if quick else 30_000
    with kernels() as found:
        round_trips(table, found, 50 if quick else 300)
        bursts(table, found, 500 if quick else 2_000, 0.002)
        bursts(table, found, many, 0)
    as_they_come(table, many)
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    return run_whole(
        measure,
        argv,
        prog="bench.gateways",
        about=__doc__,
        quick="smaller sizes, for a first look",
    )


if __name__ == "__main__":
    raise SystemExit(main())
