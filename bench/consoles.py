"""Consoles, compared with the host's `/terminals/websocket` and with the program `tail`.

    python -m bench.consoles [--quick] [--only NAME ...] [--json FILE] [--markdown]

A stalled paste, the end of a terminal, and throughput are measured in this process, once with the
host's class of terminals and once with the recording class. The rest is measured over HTTP and
websockets, on a server process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import itertools
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from jupyter_server_terminals.terminalmanager import TerminalManager

from bench.harness import MEGA, PeakMemory, Row, Table, percentile, rss, serving
from jupyter_bridge.consoles.journal.archive import Archive
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.terminals.manager import recorded
from jupyter_bridge.wire import console as wire
from tests.conftest import Server

PLAIN = "--ServerApp.jpserver_extensions=jupyter_bridge=False"


# -- in this process -----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def manager_of(record: bool) -> AsyncIterator[Any]:
    """The host's terminal manager, without or with recording to disk; ends its terminals."""
    with tempfile.TemporaryDirectory() as folder:
        consoles, cls = None, TerminalManager
        if record:
            root = Path(folder)
            consoles = ConsoleRegistry(Archive(root / "consoles"), root_dir=root)
            cls = recorded(TerminalManager, consoles.record, consoles.shells.prepare)  # type: ignore[assignment]
        manager: Any = cls(shell_command=["/bin/sh"])
        try:
            yield manager
        finally:
            for terminal in list(manager.terminals.values()):
                await terminal.terminate(force=True)
            while manager.terminals:
                await asyncio.sleep(0.01)
            if consoles is not None:
                await consoles.close()
            else:
                manager.blocking_io_executor.shutdown(wait=False, cancel_futures=True)


class Page:
    """A client of the host's terminal: types through the host's executor, stores the output."""

    size = (None, None)

    def __init__(self, manager: Any, terminal: Any) -> None:
        self.terminal = terminal
        self.text = ""
        self.died = asyncio.Event()
        self._manager = manager
        terminal.clients.append(self)

    def on_pty_read(self, text: str) -> None:
        self.text = (self.text + text)[-4096:]

    def on_pty_died(self) -> None:
        self.died.set()

    def type(self, text: str) -> Any:
        return self._manager.blocking_io_executor.submit(
            lambda page: page.terminal.ptyproc.write(text), self
        )

    async def shows(self, text: str, patience: float = 60.0) -> float:
        start = time.perf_counter()
        while text not in self.text:
            if time.perf_counter() - start > patience:
                break
            await asyncio.sleep(0.0005)
        return time.perf_counter() - start


def open_page(manager: Any, script: str) -> Page:
    name = manager.create(shell_command=["/bin/sh", "-c", script])["name"]
    return Page(manager, manager.terminals[name])


async def stalled_paste(record: bool, patience: float) -> None:
    """Print the seconds until terminal B echoes while nothing reads a paste into A.

    It exits at once, because the host's loop would hang for ever when it closes A.
    """
    async with manager_of(record) as manager:
        a = open_page(manager, "stty raw -echo; echo ready; sleep 1000")
        b = open_page(manager, "cat")
        await a.shows("ready")
        a.type("x" * 1_000_000)
        await asyncio.sleep(0.2)
        b.type("hello\n")
        print(await b.shows("hello", patience), flush=True)
        os._exit(0)


def apart(call: str) -> float:
    """Run a coroutine of this module in a new process and return its output."""
    script = f"import asyncio; from bench.consoles import *; asyncio.run({call})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return float(done.stdout.split()[-1])


async def stall_of_exit(record: bool, count: int) -> float:
    """Measure the event loop's longest pause when a terminal ends, as the median of `count`."""
    stalls = []
    async with manager_of(record) as manager:
        for _ in range(count):
            page = open_page(manager, "read x")
            await asyncio.sleep(0.05)
            turns: list[float] = []

            async def spin(turns: list[float] = turns) -> None:
                while True:
                    turns.append(time.perf_counter())
                    await asyncio.sleep(0)

            spinning = asyncio.ensure_future(spin())
            page.type("\n")
            await page.died.wait()
            await asyncio.sleep(0.02)
            spinning.cancel()
            stalls.append(max(b - a for a, b in itertools.pairwise(turns)))
    return percentile(stalls, 0.5)


async def throughput(record: bool, size: int) -> float:
    """Measure bytes per second of a terminal at full speed, with one client."""
    async with manager_of(record) as manager:
        page = open_page(manager, f"stty -opost; read x; yes 0123456789abcdef | head -c {size}")
        await asyncio.sleep(0.1)
        start = time.perf_counter()
        page.type("\n")
        await page.died.wait()
        return size / (time.perf_counter() - start)


# -- on a server ---------------------------------------------------------------------------------


class Client:
    """HTTP requests to a server, without a client library."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self.server.url}{path}"
        async with self.session.request(
            method, url, headers=self.server.headers, **options
        ) as answer:
            body = await answer.read()
            assert answer.status < 400, (answer.status, body)
            return json.loads(body) if body else None

    async def terminal(self, script: str) -> str:
        body = {"shell_command": ["/bin/sh", "-c", script]}
        return str((await self.ask("POST", "api/terminals", json=body))["name"])

    def socket(self, path: str, *protocols: str) -> Any:
        return self.session.ws_connect(
            f"{self.server.url}{path}",
            headers=self.server.headers,
            protocols=protocols,
            max_msg_size=0,
        )


@contextlib.asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Client(server, session)


async def first_byte(client: Client, path: str) -> tuple[float, int]:
    """Measure the seconds until the first byte of an answer (the best of five), and its size."""
    best, size = 1e9, 0
    for _ in range(5):
        start = time.perf_counter()
        async with client.session.get(
            f"{client.server.url}{path}", headers=client.server.headers
        ) as answer:
            first = await answer.content.readany()
            best = min(best, time.perf_counter() - start)
            size = len(first) + len(await answer.read())
    return best, size


async def disconnects(client: Client, cuts: int) -> tuple[int, int]:
    """Return the bytes lost or wrong, and all bytes, over so many cut connections."""
    count = max(cuts * 300, 30_000)
    name = await client.terminal(f"read x; seq {count}; exit 0")
    dice = random.Random(3)
    got = bytearray()
    await client.ask("POST", f"bridge/send/{name}?newline=1")
    done, made = False, 0
    while not done:
        path = f"bridge/tail/{name}?offset={len(got)}&follow=true"
        async with client.socket(path, wire.SUBPROTOCOL) as socket:
            budget = dice.randint(0, 3000) if made < cuts else 1 << 60
            async for message in socket:
                frame = wire.from_server_frame(message.data)
                if isinstance(frame, wire.OutputFrame):
                    # Cut within a frame, of which only a part was read.
                    taken = frame.data[:budget]
                    wrong = frame.offset != len(got)
                    if wrong:
                        return abs(frame.offset - len(got)), len(got)
                    got += taken
                    budget -= len(taken)
                    if len(taken) < len(frame.data) or not budget:
                        break
                done = isinstance(frame, wire.Ended)
        made += 1
    expected = b"\r\n" + b"".join(b"%d\r\n" % i for i in range(1, count + 1))
    lost = sum(a != b for a, b in zip(got, expected, strict=False))
    return lost + abs(len(got) - len(expected)), len(expected)


class Probe:
    """Requests `/api/status` repeatedly during a `with` block, from a process of its own, so that
    the benchmark's own work does not count in `latencies`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.latencies: list[float] = []

    def __enter__(self) -> Probe:
        call = f"probe({self._server.url!r}, {self._server.token!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from bench.consoles import probe; {call}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # after its first request
        return self

    def __exit__(self, *_: object) -> None:
        printed = self._process.communicate(timeout=60)[0]
        self.latencies = json.loads(printed)


def probe(url: str, token: str) -> None:
    """Run in a Probe's process until its stdin is closed; then print the latencies, seconds."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port)
    latencies: list[float] = []
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        start = time.perf_counter()
        connection.request(
            "GET", f"{where.path}api/status", headers={"Authorization": f"token {token}"}
        )
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        if not latencies:
            print("ready", flush=True)
        latencies.append(time.perf_counter() - start)
    print(json.dumps(latencies))


async def flood(
    client: Client, size: int, watch: Callable[[str], Awaitable[list[Any]]]
) -> tuple[float, int, list[float]]:
    """Write `size` bytes to a terminal while the sockets of `watch(name)` do not read.

    Return the seconds, the growth of the server's memory, and the latencies of `/api/status`.
    """
    name = await client.terminal(
        f"stty -opost; read x; yes 0123456789abcdef | head -c {size}; echo; echo DONE; sleep 1000"
    )
    sockets = await watch(name)
    await asyncio.sleep(0.5)
    asking = Probe(client.server)
    with PeakMemory(client.server.process.pid) as memory, asking:
        # A websocket of the host reads, and shows when the producer has finished.
        async with client.socket(f"terminals/websocket/{name}") as reader:
            start = time.perf_counter()
            await reader.send_str(json.dumps(["stdin", "\n"]))
            rest = ""
            async for message in reader:
                kind, *texts = json.loads(message.data)
                rest = (rest + texts[0])[-100:] if kind == "stdout" else rest
                if "DONE" in rest:
                    break
            seconds = time.perf_counter() - start
    for socket in sockets:
        socket._response.close()
    await client.ask("DELETE", f"api/terminals/{name}")
    return seconds, memory.growth, asking.latencies


async def stalled(client: Client, count: int, path: str, *protocols: str) -> list[Any]:
    """Open websockets that read nothing: their transports are paused before any data arrives."""
    sockets = []
    for _ in range(count):
        socket = await client.socket(path, *protocols)
        socket._response.connection.transport.pause_reading()
        sockets.append(socket)
    return sockets


async def fan_out(client: Client, viewers: int, size: int, bridge: bool) -> float:
    """Measure the seconds until all viewers have received `size` bytes of one terminal."""
    name = await client.terminal(
        f"stty -opost -echo; read x; yes 0123456789abcdef | head -c {size}; sleep 1000"
    )

    async def see(ready: asyncio.Event, left: list[int]) -> None:
        path = (
            f"bridge/tail/{name}?offset=0&follow=true" if bridge else f"terminals/websocket/{name}"
        )
        async with client.socket(path, *([wire.SUBPROTOCOL] if bridge else [])) as socket:
            left[0] -= 1
            if not left[0]:
                ready.set()
            seen = 0
            async for message in socket:
                if bridge:
                    seen += len(message.data) - 9 if message.data[:1] == b"o" else 0
                else:
                    kind, *texts = json.loads(message.data)
                    seen += len(texts[0]) if kind == "stdout" else 0
                if seen >= size:
                    return

    ready, left = asyncio.Event(), [viewers]
    tasks = [asyncio.ensure_future(see(ready, left)) for _ in range(viewers)]
    await ready.wait()
    await asyncio.sleep(0.3)
    start = time.perf_counter()
    async with client.socket(f"terminals/websocket/{name}") as typist:
        await typist.send_str(json.dumps(["stdin", "\n"]))
        await asyncio.gather(*tasks)
    seconds = time.perf_counter() - start
    await client.ask("DELETE", f"api/terminals/{name}")
    return seconds


def write_lines(path: Path, size: int) -> None:
    block = b"".join(b"%07d a line of a log that goes on for a while\n" % i for i in range(20_000))
    with path.open("wb") as file:
        for _ in range(size // len(block) + 1):
            file.write(block)


NEEDLE = b"2026-11-30 worker 4711 gave up: connection refused after 30 s\n"
# The text and a pattern that match NEEDLE alone, for `grep` and for the bridge.
SOUGHT = {"literal": "connection refused", "pattern": "worker [0-9]+ gave up: .* after [0-9]+ s$"}


def write_log(path: Path, size: int) -> None:
    """Write lines of a log, of any words, with NEEDLE as the last."""
    dice = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(dice.choices(letters, k=dice.randint(3, 9))) for _ in range(2000)]
    lines = (
        f"2026-11-30T12:{i // 60 % 60:02}:{i % 60:02} INFO worker-{i % 16} "
        f"{' '.join(dice.choices(words, k=8))}\n"
        for i in range(200_000)
    )
    block = "".join(lines).encode()
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)
        file.write(NEEDLE)


async def searched(client: Client, name: str, kind: str) -> float:
    """Search a console; return the seconds."""
    query = f"bridge/search?q={quote(SOUGHT[kind])}&console={quote(name)}"
    query += "&regex=true" if kind == "pattern" else ""
    start = time.perf_counter()
    found = await client.ask("GET", query)
    seconds = time.perf_counter() - start
    assert [hit["line"] for hit in found["hits"]] == [NEEDLE.decode().strip()], found
    return seconds


def grepped(path: Path, kind: str) -> float:
    """Return the seconds of `grep` for the same, in this locale."""
    option = "-F" if kind == "literal" else "-E"
    start = time.perf_counter()
    subprocess.run(["grep", option, SOUGHT[kind], path], check=True, capture_output=True)
    return time.perf_counter() - start


def write_journal(folder: Path, size: int) -> None:
    """Create an ended console with `size` bytes in `folder`."""
    about = {"name": "huge", "kind": "terminal", "title": "", "epoch": "e", "started": "2026-01-01"}
    path = folder / "huge~e"
    path.mkdir(parents=True)
    journal = Journal(path, "e", max_bytes=1 << 40)
    block = b"".join(b"%07d a line of a log that goes on for a while\n" % i for i in range(20_000))
    for _ in range(size // len(block) + 1):
        journal.append(block)
        journal.write_pending()
    journal.close()
    (path / "meta.json").write_text(json.dumps({**about, "ended": "2026-01-02"}))


# -- the rows ------------------------------------------------------------------------------------


class Bench:
    def __init__(self, table: Table, *, quick: bool) -> None:
        self.table = table
        self.scale = 0.1 if quick else 1.0

    async def paste(self) -> None:
        patience = 12.0 if self.scale == 1 else 3.0
        today, ours = (apart(f"stalled_paste({record}, {patience})") for record in (False, True))
        note = f"gave up after {patience:g} s" if today >= patience else ""
        what = "terminal A blocked on a 1 MB paste, echo in B"
        self.table.add(Row(what, "ms", today * 1e3, ours * 1e3, 50, today_note=note))

    async def end(self) -> None:
        count = int(20 * self.scale) or 2
        today, ours = await stall_of_exit(False, count), await stall_of_exit(True, count)
        self.table.add(Row("loop stall on terminal exit", "ms", today * 1e3, ours * 1e3, 5))

    async def recording(self) -> None:
        size = int(50e6 * self.scale)
        await throughput(False, size)  # the first in a process is always slower
        plain: list[float] = []
        ours: list[float] = []
        for turn in range(15 if self.scale == 1 else 5):
            # In pairs with alternating order, so that other load on the machine affects both alike.
            for record in (False, True) if turn % 2 else (True, False):
                (ours if record else plain).append(await throughput(record, size))
        ratios = [mine / host for mine, host in zip(ours, plain, strict=True)]
        cost = 100 * (1 - percentile(ratios, 0.5))
        low, high = (100 * (1 - percentile(ratios, share)) for share in (0.75, 0.25))
        middle = (
            f"{percentile(ours, 0.5) / MEGA:.1f} MB/s; half of the pairs {low:.0f} to {high:.0f}"
        )
        self.table.add(
            Row(
                "recording's cost in terminal throughput (negative: faster than without)",
                "%",
                0,
                cost,
                5,
                f"{percentile(plain, 0.5) / MEGA:.1f} MB/s",
                middle,
            )
        )

    async def tails(self) -> None:
        size = int(2e9 * self.scale)
        with tempfile.TemporaryDirectory() as kept:
            folder = Path(kept)
            write_journal(folder, size)
            with serving(
                f"--BridgeApp.console_dir={folder}",
                "--BridgeApp.console_keep=1e12",
                "--BridgeApp.console_bytes=10000000000",
                "--BridgeApp.console_total_bytes=10000000000",
            ) as server:
                path = server.root / "huge.log"
                write_lines(path, size)
                (server.root / "flat.log").write_bytes(b"x" * int(200e6 * self.scale))
                start = time.perf_counter()
                subprocess.run(["tail", "-n", "1000", path], capture_output=True, check=True)
                tail = time.perf_counter() - start
                start = time.perf_counter()
                flat = server.root / "flat.log"
                subprocess.run(["tail", "-n", "10", flat], capture_output=True, check=True)
                tail_flat = time.perf_counter() - start
                async with client_of(server) as client:
                    await client.ask("GET", "api/status")
                    for what, name in (("file", "file:huge.log"), ("journal", "huge")):
                        seconds, sent = await first_byte(client, f"bridge/tail/{name}?lines=1000")
                        row = f"last 1,000 lines of a {size / 1e9:g} GB {what}, first byte"
                        self.table.add(
                            Row(
                                row,
                                "ms",
                                tail * 1e3,
                                seconds * 1e3,
                                20,
                                "tail -n",
                                f"{sent} B",
                                sent == 49_000,
                            )
                        )
                    seconds, sent = await first_byte(client, "bridge/tail/file:flat.log?lines=10")
                    self.table.add(
                        Row(
                            f"{200 * self.scale:g} MB without a newline, lines=10",
                            "ms",
                            tail_flat * 1e3,
                            seconds * 1e3,
                            50,
                            "tail -n, all of it",
                            f"{sent / (1 << 20):.2f} MiB sent",
                            sent <= 1 << 20,
                        )
                    )

    async def resume(self) -> None:
        cuts = int(1000 * self.scale)
        with serving() as server:
            async with client_of(server) as client:
                lost, size = await disconnects(client, cuts)
        what = f"{cuts:,} random disconnects while producing, resumed by offset: lost or twice"
        self.table.add(Row(what, "bytes", None, lost, 0, bridge_note=f"of {size:,}"))

    async def stalls(self) -> None:
        size, count = int(100e6 * self.scale), 100
        with serving() as server:
            async with client_of(server) as client:
                _, today, _ = await flood(
                    client, size, lambda name: stalled(client, 1, f"terminals/websocket/{name}")
                )
        rounds = 5 if self.scale == 1 else 2
        alone: list[float] = []
        slower, grown, meanwhile, quiet = [], [], [], []
        with serving() as server:
            async with client_of(server) as client:
                await flood(client, size, lambda name: stalled(client, 0, ""))
                for _ in range(rounds):
                    with_them, growth, latencies = await flood(
                        client,
                        size,
                        lambda name: stalled(
                            client, count, f"bridge/tail/{name}?follow=true", wire.SUBPROTOCOL
                        ),
                    )
                    without, _, others = await flood(
                        client, size, lambda name: stalled(client, 0, "")
                    )
                    grown.append(growth)
                    meanwhile += latencies
                    quiet += others
                    alone.append(without)
                    slower.append(100 * (with_them / without - 1))
                held = rss(server.process.pid)
        what = f"{count} stalled viewers during {size / 1e6:g} MB"
        self.table.add(
            Row(
                f"{what}: server memory",
                "MB",
                today / MEGA,
                max(grown) / MEGA,
                32,
                "one viewer",
                f"the most of {rounds}; {held / MEGA:.0f} MB RSS in the end",
            )
        )
        self.table.add(
            Row(
                f"{what}: /api/status p99",
                "ms",
                None,
                percentile(meanwhile, 0.99) * 1e3,
                50,
                bridge_note=f"p50 {percentile(meanwhile, 0.5) * 1e3:.1f}; with no viewer p99 "
                f"{percentile(quiet, 0.99) * 1e3:.1f}",
            )
        )
        self.table.add(
            Row(
                f"{what}: producer slower by",
                "%",
                None,
                percentile(slower, 0.5),
                10,
                bridge_note=f"{rounds} pairs, {min(slower):.0f} to {max(slower):.0f}; "
                f"{size / percentile(alone, 0.5) / MEGA:.1f} MB/s without",
            )
        )

    async def fan(self) -> None:
        viewers, size = 50, int(5e6 * self.scale)
        with serving(PLAIN) as server:
            async with client_of(server) as client:
                today = min([await fan_out(client, viewers, size, False) for _ in range(2)])
        with serving() as server:
            async with client_of(server) as client:
                ours = min([await fan_out(client, viewers, size, True) for _ in range(2)])
        self.table.add(Row(f"{viewers} viewers x {size / 1e6:g} MB", "s", today, ours, 1.5))

    async def search(self) -> None:
        size = int(1e9 * self.scale)
        with serving() as server:
            log = server.root / "log"
            write_log(log, size)
            async with client_of(server) as client:
                for kind, goal in (("literal", 2), ("pattern", 3)):
                    grep, ours, latencies = [], [], []
                    for _ in range(5):  # in turns, so that other load affects both alike
                        grep.append(grepped(log, kind))
                        with Probe(server) as asking:
                            ours.append(await searched(client, "file:log", kind))
                        latencies += asking.latencies
                    best = min(ours)
                    what = f"search of {size / 1e9:g} GB, {kind}"
                    self.table.add(
                        Row(
                            f"{what}, beside grep",
                            "x",
                            1,
                            best / min(grep),
                            goal,
                            f"grep, {min(grep):.2g} s",
                            f"{best:.2g} s",
                        )
                    )
                    p99 = percentile(latencies, 0.99) * 1e3
                    self.table.add(Row(f"{what}: /api/status p99 meanwhile", "ms", None, p99, 20))


ROWS = ("paste", "end", "recording", "tails", "resume", "stalls", "fan", "search")


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="bench.consoles", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a quick check")
    parser.add_argument("--only", nargs="*", default=[], metavar="ROW", choices=ROWS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--markdown", action="store_true", help="into docs/performance.md")
    options = parser.parse_args(argv)
    table = Table("consoles")
    bench = Bench(table, quick=options.quick)
    for row in options.only or ROWS:
        asyncio.run(getattr(bench, row)())
    print(f"\n{table.text()}\n")
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
