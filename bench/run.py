"""Shell commands over HTTP: latency, exactness against `subprocess`, and bulk output.

`python -m bench.run [--quick] [--only latency|fuzz|bulk …] [--json FILE] [--markdown]`
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.harness import MEGA, PeakMemory, Row, Table, percentile, serving, wait_idle
from jupyter_bridge.consoles.run.store import RunStore
from tests.conftest import Server
from tests.consoles.conftest import house
from tests.support.shell_fuzzing import Fuzz, cases

# The usual script sleeps for 5 s after each command, and learns no status. ms.
SCRIPT_SECONDS = 5.0


@dataclass(frozen=True)
class Sizes:
    """The sizes of all measurements."""

    commands: int = 1000
    cases: int = 10_000
    megabytes: int = 50


QUICK = Sizes(commands=100, cases=500, megabytes=20)


class Caller:
    """One HTTP connection that stays open."""

    def __init__(self, server: Server) -> None:
        url = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=600)
        self._base = f"{url.path}bridge"
        self._headers = server.headers

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of its answer."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, self._base + path, content, self._headers)
        answer = self._connection.getresponse()
        received = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {received!r}")
        return json.loads(received) if received else None

    def events(self, body: Any) -> Iterator[dict[str, Any]]:
        """Yield the events of a run as they arrive."""
        headers = {**self._headers, "Accept": "application/x-ndjson"}
        self._connection.request("POST", f"{self._base}/run", json.dumps(body), headers)
        answer = self._connection.getresponse()
        decoder = msgspec.json.Decoder(dict[str, Any])
        while line := answer.readline():
            if line.strip():
                yield decoder.decode(line)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def latency(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure `run true` in a running bash, one after the other."""
    caller = Caller(server)
    caller.ask("POST", "/consoles", {"name": "warm", "shell_command": ["bash", "-l"]})
    body = {"command": "true", "console": "warm", "queue": True}
    seconds = []
    for number in range(sizes.commands + 20):
        start = time.perf_counter()
        answer = caller.ask("POST", "/run", body)
        if number >= 20:
            seconds.append(time.perf_counter() - start)
        assert (answer["status"], answer["exit_code"]) == ("done", 0), answer
    caller.ask("DELETE", "/consoles/warm")
    caller.close()
    for share, goal in ((0.5, 10), (0.99, 50)):
        table.add(
            Row(
                f"`run true` in a warm bash over HTTP, p{share * 100:g} of {sizes.commands}",
                "ms",
                SCRIPT_SECONDS * 1000,
                percentile(seconds, share) * 1000,
                goal,
                today_note="a script's `sleep 5`",
            )
        )


def fuzz(table: Table, sizes: Sizes, seed: int) -> None:
    """Compare the results of random commands with those of `subprocess`."""
    seconds, wrong = asyncio.run(_fuzz(sizes.cases, seed))
    table.add(
        Row(
            f"wrong status or bytes in {sizes.cases:,} fuzzed commands, 6 shells, typed text",
            "wrong",
            None,
            len(wrong),
            0,
            bridge_note=f"seed {seed}, {seconds:.0f} s",
        )
    )
    for trouble in wrong[:5]:
        print(trouble, flush=True)


async def _fuzz(count: int, seed: int) -> tuple[float, list[str]]:
    known = ("bash", "bash", "dash", "zsh", "ksh", "mksh", "busybox")
    shells = tuple(shell for shell in known if shutil.which(shell))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        async with house(Path(folder)) as consoles:
            runs = RunStore(consoles, root_dir=Path(folder), keep=1)
            start = time.perf_counter()
            queue = iter(cases(seed, count, shells))
            wrong: list[str] = []

            async def work() -> None:
                one = Fuzz(consoles, runs, Path(tempfile.mkdtemp(dir=folder)))
                for case in queue:
                    trouble = await one.check(case)
                    if trouble is not None:
                        wrong.append(trouble)

            await asyncio.gather(*(work() for _ in range(4)))
            seconds = time.perf_counter() - start
            await runs.close()
    return seconds, wrong


def bulk(table: Table, server: Server, sizes: Sizes) -> None:
    """Measure a run with many megabytes of output: it must be complete, and not held in memory."""
    line = "0123456789abcdef" * 6 + "xyz\n"
    count = sizes.megabytes * 10_000
    expected = hashlib.sha256((line * count).encode()).hexdigest()
    caller = Caller(server)
    caller.ask("POST", "/consoles", {"name": "bulk", "shell_command": ["bash", "-l"]})
    for mode in ("tty", "split"):
        caller.ask("POST", "/run", {"command": "true", "console": "bulk", "queue": True})
        wait_idle(server.process.pid)
        body = {
            "command": f"yes {line.strip()} | head -n {count}",
            "console": "bulk",
            "queue": True,
            "output": mode,
            "max_output": 1 << 30,
        }
        digest = hashlib.sha256()
        last: dict[str, Any] = {}
        with PeakMemory(server.process.pid) as memory:
            start = time.perf_counter()
            for event in caller.events(body):
                if event["event"] == "output":
                    digest.update(event["data"]["text"].encode())
                last = event
            seconds = time.perf_counter() - start
        whole = digest.hexdigest() == expected and last["data"]["exit_code"] == 0
        size = len(line) * count / MEGA
        table.add(
            Row(
                f"{size:.0f} MB of output through run ({mode}, NDJSON)",
                "s",
                None,
                seconds,
                size / 10,
                bridge_note=f"{size / seconds:.0f} MB/s",
                complete=whole,
            )
        )
        table.add(
            Row(
                f"resident memory meanwhile ({mode})",
                "MB",
                None,
                memory.growth / MEGA,
                32,
                bridge_note="above the start",
            )
        )
    caller.ask("DELETE", "/consoles/bulk")
    caller.close()


def measure(only: list[str], *, quick: bool, seed: int) -> Table:
    """Measure the given rows, or all of them."""
    sizes = QUICK if quick else Sizes()
    table = Table("run")
    rows: dict[str, Callable[[Server], None]] = {
        "latency": lambda server: latency(table, server, sizes),
        "bulk": lambda server: bulk(table, server, sizes),
    }
    for name, row in rows.items():
        if not only or name in only:
            with serving() as server:
                row(server)
    if not only or "fuzz" in only:
        fuzz(table, sizes, seed)
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a quick check")
    parser.add_argument("--only", nargs="*", default=[], metavar="ROWS", help="some rows only")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument(
        "--markdown", action="store_true", help="write the table into docs/performance.md"
    )
    options = parser.parse_args(argv)
    # In a script's background job SIGINT is ignored, here and in every child process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    table = measure(options.only, quick=options.quick, seed=options.seed)
    print(f"\n{table.text()}\n")
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
