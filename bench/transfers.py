"""`python -m bench.transfers`: data sets through the bridge, pyBIS and a minimal client.

The simulator of openBIS is a process of its own, and so is each measured run, so that its memory
can be measured. Each is logged in before its clock starts. The minimal ("bare") client makes the
same requests with aiohttp, as many at the same time, and copies the bytes without any check.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bench.harness import REPOSITORY, PeakMemory, Row, Table
from jupyter_bridge.wire.openbis import fast_download, rpc
from tests.connections.transfers.test_registry import transfers

MIB = 1 << 20
STREAMS = 4
CHUNK = 4 * MIB


# -- one run, in a process of its own ----------------------------------------------------------


class Clock:
    """Measure wall and CPU seconds (all threads of this process) of the transfer alone."""

    def start(self) -> None:
        self._began = time.monotonic(), time.process_time()

    def stop(self) -> None:
        wall, cpu = self._began
        self.seconds, self.cpu = time.monotonic() - wall, time.process_time() - cpu


CLOCK = Clock()


async def _call(client: aiohttp.ClientSession, url: str, path: str, *parts: object) -> object:
    async with client.post(url + path, data=rpc.build_call(*parts)) as reply:  # type: ignore[arg-type]
        return rpc.parse_answer(await reply.read(), Any, 1 << 25)


async def bare_file(url: str, perm_id: str, folder: Path) -> None:
    """Download by one GET, written to a file as it arrives."""
    async with aiohttp.ClientSession(read_bufsize=MIB) as client:
        token = await _call(client, url, rpc.AS_V3, "login", "ada", "secret")
        CLOCK.start()
        path = f"{url}/datastore_server/{perm_id}/original/big?sessionID={token}"
        async with client.get(path) as reply:
            with (folder / "bare").open("wb") as target:
                async for piece in reply.content.iter_any():
                    target.write(piece)
        CLOCK.stop()


async def bare_fast(url: str, perm_id: str, folder: Path) -> None:
    """Download by the streams of one fast download, each written to a file as it arrives."""
    async with aiohttp.ClientSession(read_bufsize=MIB) as client:
        token = await _call(client, url, rpc.AS_V3, "login", "ada", "secret")
        CLOCK.start()
        ids = [rpc.file_id(perm_id, "original/big")]
        made = await _call(client, url, rpc.DSS_V3, "createFastDownloadSession", token, ids, {})
        where = made["downloadUrl"]  # type: ignore[index]

        async def ask(method: str, **values: object) -> bytes:
            body = fast_download.build_request(method, (3, 7), **values)  # type: ignore[arg-type]
            async with client.post(where, data=body) as reply:
                return await reply.read()

        session = fast_download.parse_session(
            await ask(
                "startDownloadSession",
                userSessionId=made["fileTransferUserSessionId"],  # type: ignore[index]
                downloadItemIds=[f"{perm_id}/original/big"],
                wishedNumberOfStreams=str(STREAMS),
            )
        )
        held = session.download_session_id
        await ask("queue", downloadSessionId=held, ranges=", ".join(session.ranges.values()))

        async def drain(stream: str) -> None:
            body = fast_download.build_request(
                "download",
                (3, 7),
                downloadSessionId=held,
                downloadStreamId=stream,
                numberOfChunks="16",
            )
            with (folder / stream).open("wb") as target:
                while True:
                    size = 0
                    async with client.post(where, data=body) as reply:
                        async for piece in reply.content.iter_any():
                            size += target.write(piece)
                    if not size:
                        return

        await asyncio.gather(*map(drain, session.stream_ids))
        CLOCK.stop()


async def bare_upload(url: str, source: str, _: Path) -> None:
    """Upload the same chunks of one file, and make the call that registers them."""
    async with aiohttp.ClientSession() as client:
        token = str(await _call(client, url, rpc.AS_V3, "login", "ada", "secret"))
        CLOCK.start()
        chunks = rpc.upload_chunks(os.stat(source).st_size, CHUNK)
        folder = str(uuid.uuid4())

        async def send() -> None:
            with open(source, "rb") as file:
                for number, start, end in chunks:
                    file.seek(start)
                    query = rpc.upload_query(f"{folder}/big", number, start, end, token)
                    data = file.read(end - start)

                    async def pieces(data: bytes = data) -> object:
                        for at in range(0, len(data), MIB):
                            yield data[at : at + MIB]

                    where = f"{url}{rpc.UPLOAD}?{query}"
                    async with client.post(where, data=pieces()) as reply:
                        rpc.parse_uploaded(await reply.read())

        await asyncio.gather(*(send() for _ in range(STREAMS)))
        creation = rpc.uploaded_data_set(
            folder, "RAW_DATA", sample="20240101000000000-1", parents=[], properties={}
        )
        await _call(client, url, rpc.DSS_V3, "createUploadedDataSet", token, creation)
        CLOCK.stop()


async def bridge_download(url: str, perm_id: str, folder: Path) -> None:
    async with transfers(url, folder) as (all_of_them, one):
        await one.login()
        CLOCK.start()
        transfer = await all_of_them.download("bis", perm_id, str(folder / "down"))
        model = await transfer.wait()
        CLOCK.stop()
        assert model.state == "done", model.problem


async def bridge_upload(url: str, source: str, folder: Path) -> None:
    async with transfers(url, folder) as (all_of_them, one):
        await one.login()
        CLOCK.start()
        about = ([Path(source)], "/LAB/PROJECT/S1")
        transfer = await all_of_them.upload("bis", *about, type="RAW_DATA")
        model = await transfer.wait()
        CLOCK.stop()
        assert model.state == "done", model.problem


async def pybis_download(url: str, perm_id: str, folder: Path) -> None:
    await asyncio.to_thread(_pybis, url, lambda o: o.get_dataset(perm_id).download(
        destination=str(folder / "pybis")))  # fmt: skip


async def pybis_upload(url: str, source: str, _: Path) -> None:
    await asyncio.to_thread(_pybis, url, lambda o: o.new_dataset(
        type="RAW_DATA", experiment="/LAB/PROJECT/E1", files=[source]).save())  # fmt: skip


def _pybis(url: str, do: Callable[[Any], object]) -> None:
    from pybis import Openbis

    allowed = "allow_http_but_do_not_use_this_in_production_and_only_within_safe_networks"
    client = Openbis(url, **{allowed: True})
    client.login("ada", "secret")
    CLOCK.start()
    do(client)
    CLOCK.stop()


RUNS: dict[str, Callable[[str, str, Path], Awaitable[None]]] = {
    run.__name__: run
    for run in (
        *(bare_file, bare_fast, bare_upload, bridge_download, bridge_upload),
        *(pybis_download, pybis_upload),
    )
}


def _one(name: str, url: str, what: str) -> None:
    """Run one transfer, and print its seconds, its CPU seconds and the growth of memory."""
    with tempfile.TemporaryDirectory(dir=os.environ["BENCH_FOLDER"]) as folder:
        os.environ["HOME"] = folder
        with PeakMemory(os.getpid()) as memory:
            asyncio.run(RUNS[name](url, what, Path(folder)))  # type: ignore[arg-type]
    print(json.dumps([CLOCK.seconds, CLOCK.cpu, memory.growth]))


# -- the table ---------------------------------------------------------------------------------


@contextmanager
def simulator(folder: Path, api: str, *, latency: float = 0.0) -> Iterator[tuple[str, str]]:
    """Yield its URL and the permId of the data set made of `folder`/seed; `latency` in seconds."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.simulators.openbis", str(folder)),
            *("--api", api, "--latency", str(latency)),
        ],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        # It is killed and cleans nothing up; its files are deleted with the folder.
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        assert process.stdout is not None
        url, perm_id = process.stdout.readline().decode().split()
        yield url, perm_id
    finally:
        process.kill()
        process.communicate()


class Bench:
    """The measurements; each takes the best of several runs, made in turn."""

    def __init__(self, table: Table, folder: Path, *, quick: bool) -> None:
        self.table = table
        self.folder = folder
        self.mib = 128 if quick else 1024
        self.rounds = 3 if quick else 12
        self.small = 2_000 if quick else 20_000
        (folder / "seed").mkdir()
        self.source = folder / "seed/big"
        piece = os.urandom(MIB)
        with self.source.open("wb") as target:
            for number in range(self.mib):
                target.write(number.to_bytes(8, "big") + piece[8:])

    def run(self, name: str, url: str, what: str) -> tuple[float, float, int]:
        done = subprocess.run(
            [sys.executable, "-m", "bench.transfers", "--one", name, url, what],
            cwd=REPOSITORY,
            env={**os.environ, "BENCH_FOLDER": str(self.folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, cpu, growth = json.loads(done.stdout.splitlines()[-1])
        return seconds, cpu, growth

    def compare(self, what: str, api: str, bare: str, bridge: str, pybis: str) -> None:
        upload = "upload" in bridge
        with simulator(self.folder, api) as (url, perm_id):
            thing = str(self.source) if upload else perm_id
            names = (bare, bridge, pybis)
            self.run(bare, url, thing)  # the disk's cache, and the simulator's checksums
            runs: dict[str, list[tuple[float, float, int]]] = {name: [] for name in names}
            for turn in range(self.rounds):
                # In changing order, because each leaves other things in caches and memory.
                for name in names[turn % 3 :] + names[: turn % 3]:
                    runs[name].append(self.run(name, url, thing))
        best = {name: min(seconds for seconds, _, _ in some) for name, some in runs.items()}
        cpu = {name: min(one for _, one, _ in some) for name, some in runs.items()}
        growth = max(memory for _, _, memory in runs[bridge])
        self.table.add(
            Row(
                f"{what} of {self.mib} MiB",
                "s",
                best[pybis],
                best[bridge],
                best[bare] / 0.9,
                today_note="pyBIS",
                bridge_note=f"{self.mib / best[bridge]:.0f} MiB/s, bare "
                f"{self.mib / best[bare]:.0f}; CPU {cpu[bridge]:.2f} s, bare {cpu[bare]:.2f} s",
            )
        )
        self.table.add(Row(f"{what}: memory grows by", "MiB", None, growth / MIB, 64))

    def fast(self) -> None:
        self.compare("fast download", "3.7", "bare_fast", "bridge_download", "pybis_download")

    def files(self) -> None:
        self.compare(
            "download file by file", "3.5", "bare_file", "bridge_download", "pybis_download"
        )

    def upload(self) -> None:
        self.compare("chunked upload", "3.7", "bare_upload", "bridge_upload", "pybis_upload")

    def small_files(self) -> None:
        folder = self.folder / "many"
        for number in range(self.small):
            path = folder / "seed" / str(number % 100) / str(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % number)
        with simulator(folder, "3.7") as (url, perm_id):
            seconds, _, _ = self.run("bridge_download", url, perm_id)
        goal = self.small / 1000
        note = f"{self.small / seconds:.0f} files/s"
        self.table.add(Row(f"{self.small} small files", "s", None, seconds, goal, bridge_note=note))


ROWS = ("fast", "files", "upload", "small_files")


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="bench.transfers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a quick check")
    parser.add_argument("--only", nargs="*", default=[], metavar="ROW", choices=ROWS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--markdown", action="store_true", help="into docs/performance.md")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        _one(*options.one)
        return 0
    table = Table("transfers")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(table, Path(folder), quick=options.quick)
        for row in options.only or ROWS:
            getattr(bench, row)()
    print(f"\n{table.text()}\n")
    table.save(file=options.json, document=options.markdown)
    return 0 if all(row.met for row in table.rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
