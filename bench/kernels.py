"""The kernel relay, compared with the host's own `/api/kernels/{id}/channels`.

Both are measured in turn, with the same client code, on kernels of their own, on the same server
process or on two equal ones. The host's rate limit is off, because it would discard messages.
Kernels get their instructions over ZMQ, not through the server, so that these do not count.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from jupyter_client.blocking.client import BlockingKernelClient

from bench.harness import MEGA, PeakMemory, Row, Table, cpu_seconds, percentile, serving, wait_idle
from bench.wire import PROBE, Listeners, Received, Socket
from jupyter_bridge.wire import kernel as wire
from tests.conftest import Server

HOST, BRIDGE = "host", "bridge"
BOTH = (HOST, BRIDGE)
# Between two messages of 1 MB, seconds: 20 MB/s, about what leaves one core half idle.
FLOOD_PAUSE = 0.05
# The same where memory is measured: 100 MB/s, which a server can read without a backlog.
MEMORY_PAUSE = 0.01
NO_LIMIT = "--ZMQChannelsWebsocketConnection.limit_rate=False"

# Defined in each kernel. `bench_burst` sends through the kernel's session, as fast as possible.
KERNEL_CODE = """
import sys, threading, time
from IPython.display import display

def bench_send(number, size):
    kernel = get_ipython().kernel
    text = ("@%07d@" % number).ljust(size, "x")
    content = {"data": {"text/plain": text}, "metadata": {}, "transient": {}}
    kernel.session.send(kernel.iopub_socket, "display_data", content, ident=b"display_data")

def bench_burst(count, size=100, pause=0):
    for number in range(count):
        bench_send(number, size)
        if pause:
            time.sleep(pause)

def bench_display(count):
    for number in range(count):
        display({"text/plain": "@%07d@" % number}, raw=True)

def bench_ticks(count, pause):
    for number in range(count):
        print("@%07d@" % number, flush=True)
        time.sleep(pause)
"""


class Kernel:
    """A kernel of the server, and a direct ZMQ connection to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.id = str(request(server, "POST", "api/kernels", {"name": "python3"})["id"])
        self._client = BlockingKernelClient()
        self._client.load_connection_file(str(server.runtime / f"kernel-{self.id}.json"))
        self._client.start_channels(iopub=False, stdin=False, hb=False, control=False)
        self._client.session.session = uuid.uuid4().hex
        self.ask("kernel_info")

    def ask(self, what: str, *args: Any) -> None:
        """Send a request and wait for its reply."""
        msg_id = getattr(self._client, what)(*args)
        while self._client.get_shell_msg(timeout=120)["parent_header"].get("msg_id") != msg_id:
            pass

    def run(self, code: str) -> None:
        self.ask("execute", code)

    def start(self, code: str) -> None:
        """Send code; the next `ask` reads its reply."""
        self._client.execute(code)

    def url(self, side: str, query: str = "") -> str:
        path = f"api/kernels/{self.id}/channels" if side == HOST else f"bridge/channels/{self.id}"
        return f"{self.server.url}{path}?session_id={uuid.uuid4().hex}{query}"

    def connect(self, side: str, **options: Any) -> Socket:
        """Connect a client and wait for the kernel's first answer; then all channels are open."""
        client = Socket(self.url(side), self.server.token, **options)
        client.round_trip("1+1")
        return client

    def listen(self, side: str, clients: int) -> Listeners:
        """Clients in another process, all of which receive the kernel's messages."""
        listeners = Listeners([self.url(side) for _ in range(clients)], self.server.token)
        while not listeners.live:
            self.run(f"bench_send({PROBE}, 100)")
        time.sleep(0.3)  # the last probe's message
        return listeners

    def stop(self) -> None:
        self._client.stop_channels()
        request(self.server, "DELETE", f"api/kernels/{self.id}")


@contextmanager
def kernels(server: Server, count: int = 1, *, prepare: bool = True) -> Iterator[list[Kernel]]:
    """Start prepared kernels, and stop them at the end."""
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            one = Kernel(server)
            stack.callback(one.stop)
            if prepare:
                one.run(KERNEL_CODE)
            started.append(one)
        yield started


def request(server: Server, method: str, path: str, body: Any = None) -> Any:
    """Send an HTTP request on a new connection and return the answer's JSON."""
    with HttpConnection(server) as connection:
        return connection.ask(method, path, body)


class HttpConnection:
    """One HTTP connection that stays open."""

    def __init__(self, server: Server) -> None:
        target = urlsplit(server.url)
        self._path = target.path
        self._headers = {**server.headers, "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(
            target.hostname or "", target.port, timeout=120
        )
        self._connection.connect()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        # One write for head and body: http.client writes twice, and waits for an ACK in between.
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, self._path + path, data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None

    def __enter__(self) -> HttpConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Sizes:
    """The sizes of all measurements."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.trips = 100 if quick else 500
        self.first = 3 if quick else 9
        self.repeats = 1 if quick else 3
        self.many = 2_000 if quick else 10_000
        self.few = (5_000,) if quick else (5_000, 30_000)
        self.flood = 120 if quick else 300
        self.idle = 5 if quick else 30
        self.ticks = 400


# -- the rows ----------------------------------------------------------------------------------


def round_trips(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure websocket and HTTP in turn, and the kernel alone as the lower bound."""
    times: dict[str, list[float]] = {HOST: [], BRIDGE: [], "http": [], "kernel": []}
    with (
        kernels(server, 4) as (host, bridge, http_kernel, alone),
        HttpConnection(server) as connection,
    ):
        clients = {HOST: host.connect(HOST), BRIDGE: bridge.connect(BRIDGE)}
        body = {"code": "1+1"}
        ways: dict[str, Callable[[], object]] = {
            HOST: lambda: clients[HOST].round_trip("1+1"),
            BRIDGE: lambda: clients[BRIDGE].round_trip("1+1"),
            "http": lambda: connection.ask("POST", f"bridge/execute/{http_kernel.id}", body),
            "kernel": lambda: alone.run("1+1"),
        }
        for turn in range(-20, sizes.trips):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                if turn >= 0:
                    times[name].append(1e3 * (time.perf_counter() - start))
        for client in clients.values():
            client.close()
    p50 = {name: statistics.median(found) for name, found in times.items()}
    p95 = {name: f"p95 {percentile(found, 0.95):.1f}" for name, found in times.items()}
    what = "websocket `1+1` round trip, p50"
    table.add(Row(what, "ms", p50[HOST], p50[BRIDGE], 6, p95[HOST], p95[BRIDGE]))
    table.add(Row("HTTP execute-and-wait `1+1`, p50", "ms", None, p50["http"], 8, "", p95["http"]))
    table.remark(
        f"The same kernel asked over ZMQ, without any server: p50 {p50['kernel']:.1f} ms, "
        f"{p95['kernel']} ms."
    )


def first_execution(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure the first execution on a kernel without a relay, and the second one."""
    first: list[float] = []
    second: list[float] = []
    alone = []
    for _ in range(sizes.first):
        with (
            kernels(server, 2, prepare=False) as (one, other),
            HttpConnection(server) as connection,
        ):
            time.sleep(0.5)  # a new kernel still imports modules after its first answer
            for found in (first, second):
                start = time.perf_counter()
                connection.ask("POST", f"bridge/execute/{one.id}", {"code": "1+1"})
                found.append(1e3 * (time.perf_counter() - start))
            start = time.perf_counter()
            other.run("1+1")
            alone.append(1e3 * (time.perf_counter() - start))
    note = f"{min(first):.0f} to {max(first):.0f}"
    median = statistics.median(first)
    table.add(Row("HTTP execute, first on an idle kernel", "ms", None, median, 60, "", note))
    table.remark(
        f"The first `1+1` of a kernel's life takes the kernel itself {statistics.median(alone):.0f}"
        f" ms; the second over HTTP took {statistics.median(second):.0f} ms."
    )


def burst(
    server: Server, side: str, clients: int, count: int
) -> tuple[float, list[Received], float]:
    """Return the server's CPU in µs per message and client, the messages, and messages/s."""
    with kernels(server) as (one,):
        listeners = one.listen(side, clients) if clients else None
        wait_idle(server.process.pid)
        before, start = cpu_seconds(server.process.pid), time.perf_counter()
        one.run(f"bench_burst({count})")
        rate = count / (time.perf_counter() - start)
        received = listeners.finish(count) if listeners else []
        wait_idle(server.process.pid)  # the server's work after the last message counts, too
        spent = cpu_seconds(server.process.pid) - before
    return 1e6 * spent / (count * max(clients, 1)), received, rate


def bursts(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure CPU and delivery of bursts of 100-byte messages, for 20 clients and for one."""
    nobody = min(burst(server, HOST, 0, 5_000)[0] for _ in range(sizes.repeats))
    table.remark(
        "The host reads every kernel's iopub to know what is busy: a burst of 5,000 that nobody "
        f"listens to costs it {nobody:.0f} µs a message. A relay tells it instead."
    )
    for clients, count, goal in [(20, sizes.many, 8.0), *((1, few, 45.0) for few in sizes.few)]:
        found = {
            side: [burst(server, side, clients, count) for _ in range(sizes.repeats)]
            for side in BOTH
        }
        spent = {side: statistics.median(run[0] for run in found[side]) for side in BOTH}
        shares = {side: _delivered(found[side], count) for side in BOTH}
        theirs, ours = (f"{shares[side]:.4g} % delivered" for side in BOTH)
        many = f"{clients} client" + "s" * (clients > 1)
        what = f"server CPU per message and client, {many} x {count:,}"
        complete = shares[BRIDGE] == 100
        table.add(
            Row(what, "µs", spent[HOST], spent[BRIDGE], goal, theirs, ours, complete=complete)
        )
        if clients == 1 and count == max(sizes.few):
            _burst_row(table, found, count)


def _burst_row(
    table: Table, found: dict[str, list[tuple[float, list[Received], float]]], count: int
) -> None:
    ears = {side: [one for _, received, _ in found[side] for one in received] for side in BOTH}
    lost = {side: max(one.lost(count) for one in ears[side]) for side in BOTH}
    theirs, ours = (f"{max(run[2] for run in found[side]):,.0f}/s" for side in BOTH)
    ordered = all(one.ordered for one in ears[BRIDGE])
    what = f"burst of {count:,} from a raw kernel session, the worst run"
    table.add(Row(what, "lost", lost[HOST], lost[BRIDGE], 0, theirs, ours, complete=ordered))


def _delivered(found: list[tuple[float, list[Received], float]], count: int) -> float:
    """Return the percentage of messages that arrived, over all clients and runs."""
    ears = [one for _, received, _ in found for one in received]
    return 100 * (1 - sum(one.lost(count) for one in ears) / (count * len(ears)))


def blocked_loop(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure delivery of 20,000 displays while the event loop is blocked for 3 s."""
    count = 20_000
    lost: dict[str, list[int]] = {side: [] for side in BOTH}
    for _ in range(sizes.repeats):
        for side in BOTH:
            with kernels(server) as (one,):
                listeners = one.listen(side, 1)
                one.start(f"bench_display({count})")
                time.sleep(0.1)
                request(server, "GET", "bench/block?seconds=3")
                one.run("1")
                lost[side].append(listeners.finish(count)[0].lost(count))
    table.add(
        Row(
            "event loop blocked 3 s during 20,000 `display()`",
            "lost",
            max(lost[HOST]),
            max(lost[BRIDGE]),
            0,
        )
    )


def stalled_client(table: Table, sizes: Sizes) -> None:
    """Measure memory, each side on a fresh server, and the delay of another client."""
    growth: dict[tuple[str, float], float] = {}
    for pause in (MEMORY_PAUSE, 0):
        for side in BOTH:
            with serving(NO_LIMIT) as server, kernels(server) as (one,):
                one.connect(side).close()
                stalled = one.connect(side, receive_buffer=1 << 16)
                wait_idle(server.process.pid)
                with PeakMemory(server.process.pid) as memory:
                    one.run(f"bench_burst({sizes.flood}, 1_000_000, {pause})")
                    wait_idle(server.process.pid)
                growth[side, pause] = memory.growth / MEGA
                stalled.close()
    what = f"{sizes.flood} MB to a client that does not read, server RSS"
    table.add(Row(what, "MB", growth[HOST, MEMORY_PAUSE], growth[BRIDGE, MEMORY_PAUSE], 80))
    table.remark(
        f"The {sizes.flood} MB come at 100 MB/s at most. As fast as the kernel can, the host's "
        f"server grew by {growth[HOST, 0]:.0f} MB and the bridge's by {growth[BRIDGE, 0]:.0f} MB: "
        "then messages also wait for the server itself, whoever its clients are."
    )

    # The flood is limited here, so that round trips fit in, with and without the stalled client.
    p95: dict[tuple[str, bool], float] = {}
    for side in BOTH:
        with serving(NO_LIMIT) as server, kernels(server) as (one,):
            for stall in (False, True):
                deaf = one.connect(side, receive_buffer=1 << 16) if stall else None
                p95[side, stall] = _p95_in_flood(one, side, sizes.flood)
                if deaf is not None:
                    deaf.close()
    changes = {side: p95[side, True] / p95[side, False] for side in BOTH}
    theirs, ours = (f"{p95[side, False]:.1f} -> {p95[side, True]:.1f} ms" for side in BOTH)
    what = "meanwhile, p95 round trip of another client: beside its p95 without the stalled one"
    table.add(Row(what, "x", changes[HOST], changes[BRIDGE], 1.2, theirs, ours))


def _p95_in_flood(one: Kernel, side: str, megabytes: int) -> float:
    client = one.connect(side)
    for _ in range(20):
        client.round_trip("1+1")
    work = f"bench_burst, args=({megabytes}, 1_000_000, {FLOOD_PAUSE})"
    client.round_trip(f"flood = threading.Thread(target={work}); flood.start()")
    end = time.monotonic() + FLOOD_PAUSE * megabytes
    times = []
    while time.monotonic() < end:
        times.append(1e3 * client.round_trip("1+1"))
        time.sleep(0.01)
    client.round_trip("flood.join()")
    client.close()
    return percentile(times, 0.95)


def dropped_client(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure what a client loses that disconnects for 1.5 s while another one stays."""
    lost: dict[str, list[int]] = {side: [] for side in BOTH}
    twice: dict[str, list[int]] = {side: [] for side in BOTH}
    for _ in range(sizes.repeats):
        for side in BOTH:
            with kernels(server) as (one,):
                stays = one.listen(side, 1)
                received = _drop(one, side, sizes.ticks)
                lost[side].append(received.lost(sizes.ticks))
                twice[side].append(received.twice)
                if stays.finish(sizes.ticks)[0].lost(sizes.ticks):
                    table.remark(f"The {side}'s client that stayed has lost something, too.")
    what = f"away 1.5 s of a run with {sizes.ticks} messages while another client stays"
    theirs, ours = (f"{max(twice[side])} twice" for side in BOTH)
    complete = max(twice[BRIDGE]) == 0
    table.add(
        Row(what, "lost", max(lost[HOST]), max(lost[BRIDGE]), 0, theirs, ours, complete=complete)
    )


def _drop(one: Kernel, side: str, ticks: int) -> Received:
    received, last = Received(), ""
    url = one.url(side)
    client = Socket(url, one.server.token)
    client.round_trip("1+1")
    pause = 0.01
    one.start(f"bench_ticks({ticks}, {pause})")
    start, away = time.monotonic(), False
    client.raw.settimeout(3)
    while True:
        try:
            frame = client.receive()
        except TimeoutError:
            break
        received.feed(frame)
        channel, parts = wire.parse_v1(frame)
        if channel == "iopub":
            last = wire.parse_header(parts[0]).msg_id
        if not away and time.monotonic() - start > 1:
            away = True
            client.close()
            time.sleep(1.5)
            after = f"&after={last}" if side == BRIDGE else ""
            client = Socket(url + after, one.server.token)
            client.raw.settimeout(3)
        if ticks - 1 in received.numbers:
            break
    client.close()
    one.run("1")
    return received


def descriptors(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure the descriptors that one more client on a kernel opens in the server."""
    more = 5
    each = {}
    process = psutil.Process(server.process.pid)
    for side in BOTH:
        with kernels(server) as (one,):
            clients = [one.connect(side)]
            time.sleep(0.5)
            before = process.num_fds()
            clients += [one.connect(side) for _ in range(more)]
            time.sleep(0.5)
            each[side] = (process.num_fds() - before) / more
            for client in clients:
                client.close()
    table.add(Row("file descriptors for one more client", "fds", each[HOST], each[BRIDGE], 1))


def idle(table: Table, sizes: Sizes) -> None:
    """Measure the server's CPU while five kernels with a client each are idle."""
    share: dict[str, float] = {}
    for side in ("nobody", *BOTH):
        with serving(NO_LIMIT) as server, kernels(server, 5) as five:
            clients = [one.connect(side) for one in five] if side in BOTH else []
            time.sleep(2)
            before, start = cpu_seconds(server.process.pid), time.monotonic()
            time.sleep(sizes.idle)
            spent = cpu_seconds(server.process.pid) - before
            share[side] = 100 * spent / (time.monotonic() - start)
            for client in clients:
                client.close()
    what = "idle CPU with 5 relayed kernels"
    table.add(Row(what, "%", share[HOST], share[BRIDGE], 0.3))
    table.remark(f"Idle CPU with 5 kernels and no client at all: {share['nobody']:.2f} %.")


def measure(only: list[str], *, quick: bool) -> Table:
    """Measure all rows, or those whose function's name begins with one of `only`."""
    table, sizes = Table("kernels"), Sizes(quick)
    shared = (round_trips, first_execution, bursts, blocked_loop, dropped_client, descriptors)
    alone = (stalled_client, idle)

    def wanted(part: Callable[..., None]) -> bool:
        return not only or any(part.__name__.startswith(name) for name in only)

    if any(map(wanted, shared)):
        with serving(NO_LIMIT) as server:
            for part in filter(wanted, shared):
                part(table, server, sizes)
    for lonely in filter(wanted, alone):
        lonely(table, sizes)
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="bench.kernels", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a quick check")
    parser.add_argument("--only", nargs="*", default=[], metavar="ROWS", help="some rows only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument(
        "--markdown", action="store_true", help="write the table into docs/performance.md"
    )
    options = parser.parse_args(argv)
    if options.markdown and options.only:
        parser.error("--markdown writes the whole table, and so needs every row")
    table = measure(options.only, quick=options.quick)
    print(f"\n{table.text()}\n")
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
