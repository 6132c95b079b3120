"""`python -m bench.connections`: the speed of connections, and their behaviour under faults.

The simulator of openBIS runs in a thread of this process, or in a process of its own where the
event loop or the disk is measured. Remotes are on loopback; sshd is real.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.harness import PeakMemory, Row, Table, percentile
from bench.transfers import simulator as openbis_process
from jupyter_bridge.connections.config.files import ConfigFiles
from jupyter_bridge.connections.config.saved import SavedConnections
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector_registry import ConnectorRegistry
from jupyter_bridge.connections.mounts import sshfs, table
from jupyter_bridge.connections.mounts.registry import MountRegistry
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.registry import ConnectionRegistry
from jupyter_bridge.connections.roles import HasObjects
from jupyter_bridge.connections.secrets.vault import Vault
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.problems import Problem, Unavailable
from tests.conftest import start_server
from tests.connections.mounts.test_registry import processes, resolve, what
from tests.connections.net.test_address_policy import NEVER
from tests.connections.transfers.test_registry import HOSTILE, left_over, transfers
from tests.simulators.openbis.client import connection
from tests.simulators.openbis.fixtures import CONTENT
from tests.simulators.openbis.simulator import Simulator
from tests.support.broken_yaml import broken_file
from tests.support.killing import MIB, kill
from tests.support.sshd import start_sshd

LOG = logging.getLogger("bench")
# The size of a chunk of openBIS's own client: the most that is on the way in one stream. Bytes.
STREAMS = 4
CHUNK = 10
_AN = {"download": "a download", "upload": "an upload"}


def make(folder: Path, policy: AddressPolicy | None = None) -> ConnectionRegistry:
    """A ConnectionRegistry as in a server, configured by the files in `folder`."""
    return ConnectionRegistry(
        ConnectorRegistry(),
        SavedConnections(folder, Vault(folder / "vault", LOG, "memory"), LOG),
        sources=ConfigFiles([], [folder], {}),
        policy=policy,
        folder=folder / "state",
        root_dir=folder,
        log=LOG,
    )


class Bench:
    """The measurements, each in a folder of its own; they add rows to the table."""

    def __init__(self, table: Table, folder: Path, *, quick: bool) -> None:
        self.table = table
        self.folder = folder
        self.quick = quick

    # -- life ----------------------------------------------------------------------------------

    def loop(self) -> None:
        """Measure the event loop's delays during 100 logins to a remote that answers after 3 s."""
        # In a process: a thread that answers 100 logins would delay this loop by the GIL.
        with openbis_process(self.folder / "openbis", "3.7", latency=3.0) as (url, _):
            late = asyncio.run(self._logins(url, 100))
        self.table.add(
            Row(
                "event loop held up while 100 logins take 3 s an answer, p99",
                "ms",
                5700,
                percentile(late, 0.99) * 1000,
                20,
                today_note="one login",
                bridge_note=f"worst {max(late) * 1000:.0f}",
            )
        )

    async def _logins(self, url: str, count: int) -> list[float]:
        remotes = make(self.folder, AddressPolicy(allow_loopback=True))
        given = {"url": url, "username": "ada", "password": "secret"}
        made = [await remotes.add(f"c{n}", "openbis", given) for n in range(count)]
        logins = asyncio.gather(*(one.login() for one in made))
        late = []
        while not logins.done():
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append(time.perf_counter() - began - 0.005)
        await logins
        await remotes.close()
        return late

    def list(self) -> None:
        """Measure GET conns over HTTP, with 500 folders and 500 unreachable remotes."""
        config = self.folder / "config"
        config.mkdir(parents=True)
        lines = ["connections:"]
        for n in range(500):
            lines.append(f"- {{name: live{n}, kind: folder, url: {self.folder}}}")
            lines.append(
                f"- {{name: dead{n}, kind: openbis, url: 'https://127.0.0.1:1', username: a, "
                "password: b}"
            )
        path = config / "bridge-connections.yaml"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
        server = start_server(
            self.folder / "server",
            "--BridgeApp.allow_loopback=True",
            "--ServerApp.log_level=ERROR",
            env={"JUPYTER_CONFIG_PATH": str(config)},
        )
        try:
            request = urllib.request.Request(f"{server.url}bridge/conns", headers=server.headers)
            seconds, states = [], set()
            for _ in range(21):
                began = time.perf_counter()
                with urllib.request.urlopen(request, timeout=60) as answer:
                    body = answer.read()
                seconds.append(time.perf_counter() - began)
                listed = json.loads(body)["connections"]
                states |= {one["state"] for one in listed if one["name"].startswith("dead")}
        finally:
            server.stop()
        self.table.add(
            Row(
                "list of 1,000 connections over HTTP, 500 of them dead, p50",
                "ms",
                None,
                statistics.median(seconds[1:]) * 1000,
                50,
                bridge_note=f"first {seconds[0] * 1000:.0f}, worst {max(seconds[1:]) * 1000:.0f}",
                complete=len(listed) == 1000 and "connected" not in states,
            )
        )

    def login(self) -> None:
        """Count the logins of 64 calls whose session has expired."""
        with Simulator(self.folder / "openbis") as simulator:

            async def work() -> int:
                async with connection(simulator.url, self.folder) as one:
                    await one.login()
                    simulator.store.end_all()
                    before = simulator.store.logins
                    await asyncio.gather(
                        *(one.use(HasObjects, lambda c: c.dataset_types()) for _ in range(64))
                    )
                    return simulator.store.logins - before

            logins = asyncio.run(work())
        name = "logins when a session is killed while 64 calls wait"
        self.table.add(Row(name, "logins", None, logins, 1))

    def mounts(self) -> None:
        """Measure 50 mounts and unmounts by sshfs."""
        missing = sshfs.available()
        if missing is not None:
            self.table.remark(f"No mounts were measured: {missing}")
            return
        sshd = start_sshd(self.folder / "sshd")
        home = self.folder / "home"
        home.mkdir()
        seconds = []

        async def work() -> None:
            mounts = MountRegistry(self.folder / "state", home, LOG)
            try:
                for _ in range(10 if self.quick else 50):
                    began = time.monotonic()
                    await mounts.mount("data", what(sshd), resolve)
                    await mounts.unmount("data")
                    seconds.append(time.monotonic() - began)
            finally:
                await mounts.close()

        try:
            asyncio.run(work())
        finally:
            sshd.stop()
        there = [one for one in table.read() if one.mountpoint.startswith(str(home))]
        left = len(there) + len(processes(self.folder / "state"))
        note = f"{statistics.median(seconds):.2f} s a cycle"
        name = f"mounts and processes left by {len(seconds)} cycles"
        self.table.add(Row(name, "left", None, left, 0, bridge_note=note))

    # -- what is refused -----------------------------------------------------------------------

    def addresses(self) -> None:
        """Try each URL of the address policy's tests that leads to a forbidden address."""

        async def passes(url: str) -> bool:
            outbound = Outbound(AddressPolicy())
            try:
                await outbound.ask("GET", url, timeout=5)
            except Unavailable as problem:
                return "is not known" not in problem.message
            except Problem:
                return False
            finally:
                await outbound.close()
            return True

        async def work() -> int:
            return sum([await passes(url) for url in NEVER])

        name = f"of {len(NEVER)} URLs to forbidden addresses got through"
        self.table.add(Row(name, "URLs", None, asyncio.run(work()), 0))

    def yaml(self) -> None:
        """Start with 2,000 broken configuration files; the valid parts must still be used."""
        chance, count = random.Random(4), 200 if self.quick else 2000

        async def work() -> int:
            failed = 0
            for n in range(count):
                folder = self.folder / str(n)
                folder.mkdir(parents=True)
                path = folder / "bridge-connections.yaml"
                path.write_bytes(broken_file(chance))
                path.chmod(0o600)
                remotes = make(folder)
                try:
                    await remotes.add("one", "folder", {"url": str(folder)})
                    failed += not any(one.name == "one" for one in remotes.list())
                except Problem as problem:
                    failed += problem.code != "conflict"
                finally:
                    await remotes.close()
            return failed

        logging.disable(logging.WARNING)  # the reports of the files are not checked here
        failed = asyncio.run(work())
        logging.disable(logging.NOTSET)
        name = f"failed starts with {count:,} broken YAML files"
        self.table.add(Row(name, "starts", None, failed, 0))

    def refused(self) -> None:
        """Count the data sets that were delivered despite flipped bits, hostile names or links."""
        with Simulator(self.folder / "openbis") as simulator:
            made = simulator.store.add(CONTENT)
            tries = delivered = 0
            for api in ("3.5", "3.6", "3.7"):
                simulator.knobs.api = api
                for name in ("rotten", *HOSTILE):
                    simulator.knobs.rotten = {"original/a.txt"} if name == "rotten" else set()
                    simulator.knobs.hostile_listing = [] if name == "rotten" else [name]
                    place = self.folder / str(tries)
                    state = self._download(simulator, made.perm_id, place)
                    tries += 1
                    # The received part stays in the staging folder, for a resume.
                    delivered += state == "done" or (place / made.perm_id).exists()
                simulator.knobs.rotten, simulator.knobs.hostile_listing = set(), []
                place = self.folder / f"link-{api}"
                (place / made.perm_id).mkdir(parents=True)
                outside = self.folder / f"outside-{api}"
                outside.mkdir()
                (place / made.perm_id / "original").symlink_to(outside)
                state = self._download(simulator, made.perm_id, place)
                tries += 1
                delivered += state == "done" or any(outside.iterdir())
        name = f"of {tries} data sets with flipped bits, hostile names or links delivered"
        self.table.add(Row(name, "sets", None, delivered, 0))

    def _download(self, simulator: Simulator, perm_id: str, place: Path) -> str:
        async def work(all_of_them: TransferStore, _: Connection) -> str:
            transfer = await all_of_them.download("bis", perm_id, str(place))
            return (await transfer.wait()).state

        beside = place.with_name(place.name + ".state")
        state: str = self._with_transfers(simulator, beside, work)
        return state

    def _with_transfers(
        self,
        simulator: Simulator,
        folder: Path,
        do: Callable[[TransferStore, Connection], Awaitable[Any]],
    ) -> Any:
        async def main() -> Any:
            async with transfers(simulator.url, folder) as (all_of_them, one):
                return await do(all_of_them, one)

        return asyncio.run(main())

    # -- transfers in trouble ------------------------------------------------------------------

    def kills(self) -> None:
        """Kill transfers of both directions at random points."""
        size, count = (64 * MIB, 5) if self.quick else (1024 * MIB, 20)
        for direction in ("download", "upload"):
            with Simulator(self.folder / f"openbis-{direction}") as simulator:
                folder = self.folder / direction
                folder.mkdir()
                outcome = kill(simulator, folder, direction, size, count)
            sound = outcome.same and not outcome.early and not outcome.left
            self.table.add(
                Row(
                    f"kill -9 at {count} points of {_AN[direction]} of {size // MIB} MiB: "
                    "sent again, a time and stream",
                    "MiB",
                    None,
                    outcome.again / count / STREAMS / MIB,
                    CHUNK,
                    bridge_note="same bytes, none early" if sound else outcome.said[:60],
                    complete=sound,
                )
            )

    def cancel(self) -> None:
        """Measure the seconds until a cancel is answered, while the remote is silent."""
        rounds = 3 if self.quick else 10
        for direction in ("download", "upload"):
            seconds, left = [], 0
            with Simulator(self.folder / f"openbis-{direction}") as simulator:
                source = self.folder / "big"
                source.write_bytes(os.urandom(MIB) * 200)
                made = simulator.store.add({"big": source})
                what = source if direction == "upload" else made.perm_id
                for n in range(rounds):
                    folder = self.folder / f"{direction}{n}"
                    seconds.append(asyncio.run(_cancel(simulator, folder, what)))
                    left += len(left_over(folder))
            self.table.add(
                Row(
                    f"cancel of {_AN[direction]}, worst of {rounds}",
                    "ms",
                    None,
                    max(seconds) * 1000,
                    200,
                    bridge_note=f"p50 {statistics.median(seconds) * 1000:.0f}, {left} left over",
                    complete=not left,
                )
            )

    def many(self) -> None:
        """Measure listing and downloading a data set of very many files."""
        count = 10_000 if self.quick else 100_000
        for n in range(count):
            path = self.folder / "seed" / str(n % 100) / str(n)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % n)
        # In a process of its own, so that only the bridge is measured.
        with openbis_process(self.folder, "3.7") as (url, perm_id):
            place = self.folder / "down"

            async def work() -> str:
                async with transfers(url, self.folder / "state") as (all_of_them, one):
                    await one.login()
                    transfer = await all_of_them.download("bis", perm_id, str(place))
                    return (await transfer.wait()).state

            with PeakMemory(os.getpid()) as memory:
                began = time.monotonic()
                state = asyncio.run(work())
                seconds = time.monotonic() - began
        there = sum(1 for path in place.rglob("*") if path.is_file())
        whole = state == "done" and there == count
        note = f"{count / seconds:.0f} files/s"
        name = f"a data set of {count:,} files"
        goal = count / 1000
        self.table.add(Row(name, "s", None, seconds, goal, bridge_note=note, complete=whole))
        self.table.add(Row(f"{name}: memory grows by", "MiB", None, memory.growth / MIB, 256))


async def _cancel(simulator: Simulator, folder: Path, what: Path | str) -> float:
    """Start an upload or a download; return the seconds until a cancel is answered."""
    async with transfers(simulator.url, folder) as (all_of_them, _):
        if isinstance(what, Path):
            about = ([what], "/LAB/PROJECT/S1")
            transfer = await all_of_them.upload("bis", *about, type="RAW_DATA")
        else:
            transfer = await all_of_them.download("bis", what, str(folder / "down"))
        # Not with `watch`, which reports four times a second: the transfer may be complete by then.
        while not transfer.model().done and transfer.state in ("queued", "running"):
            await asyncio.sleep(0.001)
        assert transfer.state == "running", transfer.model()
        simulator.knobs.latency = 5.0
        began = time.monotonic()
        await all_of_them.cancel(transfer.id)
        seconds = time.monotonic() - began
        simulator.knobs.latency = 0.0
        assert transfer.state == "cancelled"
        return seconds


ROWS = (
    *("loop", "list", "login", "mounts", "addresses", "yaml", "refused"),
    *("kills", "cancel", "many"),
)


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="bench.connections", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a quick check")
    parser.add_argument("--only", nargs="*", default=[], metavar="ROW", choices=ROWS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--markdown", action="store_true", help="into docs/performance.md")
    options = parser.parse_args(argv)
    # The simulator logs each dropped connection, and here most are dropped.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    table = Table("connections")
    for row in options.only or ROWS:
        with tempfile.TemporaryDirectory() as folder:
            getattr(Bench(table, Path(folder), quick=options.quick), row)()
    print(f"\n{table.text()}\n")
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
