"""Sends the requests of `fuzzing.py` to a server, and checks the answers and the server.

Some faults show only afterwards: in the server's log, its state, or its latency for others. Then
the requests of the batch are repeated one by one, until one reproduces the fault.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio

from tests.conftest import Server
from tests.hostile import pools
from tests.hostile.fuzzing import Asked, Maker
from tests.hostile.target import NO_REPLY, Reply, Target, read_reply
from tests.hostile.watching import watching
from tests.web.test_request_base import log_in

# Requests at the same time, and in one batch.
AT_ONCE, BATCH = 8, 250
# A request that waits longer than this is cancelled, seconds.
PATIENCE = 2.0
# How long a websocket is read after its last frame was sent, seconds.
LISTENED = 0.15
# The errors besides 4xx that the contract allows; `start-failed`: a kernel that does not start.
BY_CONTRACT = {501, 502, 503, 504}
# What no log may contain; a refused request never causes any of these.
ALARMS = re.compile(
    r"Traceback|Internal error|Uncaught exception|never retrieved|was never awaited"
    r"|Task was destroyed|Exception in callback|Exception ignored"
)
# A kernel that is ended while it answers writes its error into the same file.
OF_A_KERNEL = "[IPKernelApp]"
# A fault of the host: while it starts a kernel, its lists of kernels may fail.
OF_THE_HOST = "The 'last_activity' trait of a ServerKernelManager instance"


class Found(AssertionError):
    """A fault, with the seed and the request that reproduce it."""


@dataclass
class Fuzzer:
    """The fuzzing of one server; `slow` is the longest latency allowed for others, ms."""

    server: Server
    slow: float
    statuses: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    worst: float = 0.0
    unexplained: list[str] = field(default_factory=list)
    _marks: dict[str, str] = field(default_factory=dict)
    _read: int = 0

    def __post_init__(self) -> None:
        self.target = Target(self.server.url, self.server.token, str(self.server.root))

    async def furnish(self) -> None:
        """Create what requests name: a kernel, a console that echoes, a connection, files."""
        root = self.server.root
        (root / "store/a").mkdir(parents=True, exist_ok=True)
        (root / "store/a/one.txt").write_text("one")
        (root / "a.txt").write_text("a")
        cookies = await log_in(self.server)
        self._marks = {
            pools.COOKIE: "; ".join(f"{name}={value}" for name, value in cookies.items()),
            pools.XSRF: cookies["_xsrf"],
            pools.TOKEN: self.server.token,
            pools.HOST: urlsplit(self.server.url).netloc,
            pools.ROOT: str(root),
        }
        await self.tidy()
        self.alarms()  # records of the start

    async def tidy(self) -> None:
        """Remove what requests have created, and restore what they have ended."""
        ask, made = self.target.ask, self.target.made
        kernels = [str(kernel["id"]) for kernel in await made("GET", "api/kernels")]
        if self._marks.get(pools.KERNEL) not in kernels:
            kernel = str((await made("POST", "bridge/spawn/python3", {}))["id"])
            self._marks[pools.KERNEL] = kernel
        for kernel in set(kernels) - {self._marks[pools.KERNEL]}:
            await ask("DELETE", f"api/kernels/{kernel}")
        terminals = {str(terminal["name"]) for terminal in await made("GET", "api/terminals")}
        for name in terminals - {"one"}:
            await ask("DELETE", f"api/terminals/{name}")
        if "one" not in terminals:
            await ask("DELETE", "bridge/consoles/one?purge=1")
            command = ["/bin/sh", "-c", "stty raw -echo; exec cat"]
            await made("POST", "bridge/consoles", {"name": "one", "shell_command": command})
        for transfer in await made("GET", "bridge/transfers"):
            await ask("DELETE", f"bridge/transfers/{transfer['transfer']}")
        known = {str(one["name"]) for one in (await made("GET", "bridge/conns"))["connections"]}
        for name in known - {"lab"}:
            await ask("DELETE", f"bridge/conn/{quote(name, safe='')}")
        if "lab" not in known:
            added = {"name": "lab", "url": str(self.server.root / "store")}
            await made("POST", "bridge/conns", added)

    async def state(self) -> dict[str, Any]:
        """Return everything that a client without a login may not change."""
        made = self.target.made
        connections = (await made("GET", "bridge/conns"))["connections"]
        names = ("name", "kind", "url", "state", "isMounted", "mountpoint")
        return {
            "kernels": sorted(kernel["id"] for kernel in await made("GET", "api/kernels")),
            "terminals": sorted(one["name"] for one in await made("GET", "api/terminals")),
            "sessions": await made("GET", "api/sessions"),
            "connections": [{name: one.get(name) for name in names} for one in connections],
            "transfers": await made("GET", "bridge/transfers"),
            "files": _files(self.server.root),
            "mounts": _mounts(str(self.server.root.parent)),
        }

    def alarms(self) -> list[str]:
        """Return the alarming records of the log since the last call."""
        text = self.server.log.read_bytes()[self._read :]
        self._read += len(text)
        begins = rf"^(?=\[[A-Z] |{re.escape(OF_A_KERNEL)})"
        records = re.split(begins, text.decode("utf-8", "replace"), flags=re.MULTILINE)
        return [
            one
            for one in records
            if ALARMS.search(one) and OF_THE_HOST not in one and not one.startswith(OF_A_KERNEL)
        ]

    # -- one request -----------------------------------------------------------------------------

    async def send(self, asked: Asked) -> None:
        """Send a request; raises Found for an answer that no request may have."""
        self.sent += 1
        with anyio.move_on_after(PATIENCE):
            async with self.target.connection() as (reader, writer):
                writer.write(self.filled(asked.data))
                reply = await read_reply(reader) if not asked.frames else await _head_of(reader)
                self._judge(asked, reply)
                if reply.status == 101:
                    writer.write(self.filled(asked.frames))
                    self._judge_close(asked, await _close_code(reader))
            sid = reply.body.decode("latin-1").partition('"sid":"')[2].partition('"')[0]
            for data in asked.then:
                marked = data.replace(pools.SID.encode(), (sid or "none").encode())
                self._judge(asked, await self.target.exchange(self.filled(marked), patience=0.5))

    def filled(self, data: bytes) -> bytes:
        """Return the request with its placeholders filled in, and the new length of its body."""
        head, end, body = data.partition(b"\r\n\r\n")
        filled = body
        for mark, value in self._marks.items():
            head = head.replace(mark.encode(), value.encode())
            filled = filled.replace(mark.encode(), value.encode())
        lengths = b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(filled)
        return head.replace(*lengths) + end + filled

    def _judge(self, asked: Asked, reply: Reply) -> None:
        self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
        if reply.status >= 500 and not _by_contract(asked, reply):
            raise Found(f"{reply.status} {reply.body[:500]!r}\n{asked}")

    def _judge_close(self, asked: Asked, code: int) -> None:
        if code == 1011 or (4500 <= code < 4600 and code - 4000 not in BY_CONTRACT):
            raise Found(f"closed with {code}\n{asked}")

    # -- many --------------------------------------------------------------------------------------

    async def run(self, maker: Maker, numbers: range) -> None:
        """Send the requests in batches, and check the server after each batch."""
        for start in range(numbers.start, numbers.stop, BATCH):
            batch = range(start, min(start + BATCH, numbers.stop))
            await self._check([maker.make(number) for number in batch], proven=maker.proven)

    async def _check(self, batch: list[Asked], *, proven: bool) -> None:
        before = None if proven else await self.state()
        fault = await self._tried(batch, before)
        if fault is not None:
            await self._narrow(batch, before, fault)
        if proven:
            await self.tidy()
            self.alarms()  # messages about ended things are expected

    async def _tried(self, batch: list[Asked], before: dict[str, Any] | None) -> str | None:
        """Return the fault that the batch has caused; None if there is none."""
        limit = anyio.CapacityLimiter(AT_ONCE)

        async def one(asked: Asked) -> None:
            async with limit:
                await self.send(asked)

        with watching(self.server) as watch:
            tasks = [asyncio.create_task(one(asked)) for asked in batch]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            await asyncio.sleep(0.1)
        self.worst = max(self.worst, watch.worst)
        if watch.failed:
            raise Found(f"{watch.failed}, after one of\n" + "\n".join(map(str, batch)))
        if alarms := self.alarms():
            return f"in the log: {alarms[0][:3000]}"
        if before is not None and (changed := _changed(before, await self.state())):
            return f"changed: {changed}"
        return f"others waited {watch.worst:.0f} ms" if watch.worst > self.slow else None

    async def _narrow(self, batch: list[Asked], before: Any, fault: str) -> None:
        """Raise Found with the request that reproduces the fault, if there is one.

        A fault that no request reproduces may come from other load on the machine.
        """
        for asked in batch:
            if before is not None:
                before = await self.state()
            again = await self._tried([asked], before)
            if again is not None and again.split()[0] == fault.split()[0]:
                raise Found(f"{again}\n{asked}")
        told = f"{fault}, in numbers {batch[0].number} to {batch[-1].number}"
        if not fault.startswith("others waited"):
            raise Found(f"{told} of seed {batch[0].seed}, and by none of them alone")
        self.unexplained.append(told)


def _by_contract(asked: Asked, reply: Reply) -> bool:
    """Tell whether a 5xx is an expected error: a Problem, or one of jupyter-openbis-server."""
    if reply.status == 500:
        own = b" /openbis/" in asked.data or b" /requirements" in asked.data
        return b'"start-failed"' in reply.body or (
            own and b"Something went wrong" not in reply.body
        )
    return reply.status in BY_CONTRACT


def _files(root: Path) -> dict[str, str]:
    """Return each file below `root` with its digest."""
    return {
        str(path.relative_to(root)): hashlib.sha1(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(root.rglob("*"))
    }


def _mounts(folder: str) -> list[str]:
    """The mounts of this server; others on the machine have theirs."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if folder in line]


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


async def _head_of(reader: asyncio.StreamReader) -> Reply:
    """Read only the status: frames follow a handshake."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return NO_REPLY
    return Reply(int(head.split()[1]), {}, b"")


async def _close_code(reader: asyncio.StreamReader) -> int:
    """Return the close code of a websocket; 0 if it is open, or was closed without a code."""
    deadline = time.monotonic() + LISTENED
    code = 0
    try:
        while time.monotonic() < deadline:
            with anyio.fail_after(max(0.01, deadline - time.monotonic())):
                first, size = await reader.readexactly(2)
                if size >= 126:
                    size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
                payload = await reader.readexactly(size)
            if first & 15 == 8:
                return int.from_bytes(payload[:2], "big")
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        pass
    return code


def summary(fuzzer: Fuzzer) -> str:
    """Summarize the run in one line."""
    statuses = dict(sorted(fuzzer.statuses.items()))
    return (
        f"{fuzzer.sent:,} requests, slowest other answer {fuzzer.worst:.0f} ms, "
        f"statuses {json.dumps(statuses)}, unexplained {fuzzer.unexplained}"
    )
