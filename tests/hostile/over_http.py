"""Hostile HTTP requests, with and without a login."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from urllib.parse import quote

import anyio

from tests.hostile.inputs import again, at_once, hostile
from tests.hostile.target import TEXT, Reply, Target

POLLING = "bridge/socket.io/?EIO=4&transport=polling"
# The console need not exist: only the query is read.
ANY_TAIL = "bridge/tail/none"
# Tornado's limit for a header line, less the rest of the head. Bytes.
HEADER = 60_000


async def polled(target: Target) -> str:
    """Return the id of a new anonymous socket.io connection; empty if it was refused."""
    reply = await target.ask("GET", POLLING, login=False)
    return reply.body.decode("latin-1").partition('"sid":"')[2].partition('"')[0]


async def posted(target: Target, body: bytes) -> Reply:
    """Send the first packets of a new anonymous connection, and return the answer."""
    path = f"{POLLING}&sid={await polled(target)}"
    return await target.ask("POST", path, body, login=False)


@hostile("anonymous socket.io: 100,000 packets in a request")
async def packets(target: Target) -> AsyncIterator[None]:
    body = b"\x1e".join([b"40/a,"] * 100_000)
    yield
    while True:
        await posted(target, body)


@hostile("anonymous socket.io: one packet of 9.9 MB, lists in lists")
async def nested_packet(target: Target) -> AsyncIterator[None]:
    body = b'42["msg",' + b"[]," * 3_300_000 + b"0]"
    yield
    while True:
        await posted(target, body)


@hostile("anonymous socket.io: packets that a server sends")
async def wrong_packets(target: Target) -> AsyncIterator[None]:
    yield

    async def one(number: int) -> None:
        await posted(target, (b"2", b"2probe", b"0{}", b"6", b"5", b"3")[target.sent % 6])

    await at_once(4, one)


@hostile("anonymous socket.io: frames of 9 MB on a websocket")
async def anonymous_frames(target: Target) -> AsyncIterator[None]:
    payload = b'42["msg",' + b'{"a":[]},' * 1_000_000 + b"0]"
    path = POLLING.replace("polling", "websocket")
    yield
    while True:
        try:
            async with target.socket(path, login=False) as socket:
                for _ in range(5):
                    target.sent += 1
                    await socket.send(payload, TEXT)
        except (OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.01)


@hostile("anonymous socket.io: as many connections as come")
async def handshakes(target: Target) -> AsyncIterator[None]:
    yield

    async def one(number: int) -> None:
        await polled(target)

    await at_once(4, one)


async def _until(target: Target, pattern: str) -> AsyncIterator[None]:
    script = "stty -echo; printf %060d 0 | tr 0 a; exec cat"
    async with target.console("/bin/sh", "-c", script) as name:
        query = f"lines=50&timeout=5&until={quote(pattern)}"
        yield
        while True:
            await target.ask("GET", f"bridge/tail/{name}?{query}", patience=60)


@hostile("until=(?:.|a)*X on 60 times a")
async def until_alternatives(target: Target) -> AsyncIterator[None]:
    async for step in _until(target, "(?:.|a)*X"):
        yield step


@hostile("until=a*a*a*a*a*a*a*a*a*X on 60 times a")
async def until_stars(target: Target) -> AsyncIterator[None]:
    async for step in _until(target, "a*" * 9 + "X"):
        yield step


@hostile("until=(?:a{0,20}){0,20}X on 60 times a")
async def until_counts(target: Target) -> AsyncIterator[None]:
    async for step in _until(target, "(?:a{0,20}){0,20}X"):
        yield step


@hostile("until= of a pattern as large as a request may have")
async def until_large(target: Target) -> AsyncIterator[None]:
    async for step in _until(target, "(?:" + "a{0,999}" * 2_000 + ")X"):
        yield step


@hostile("15 x 100 MB with Idempotency-Keys")
async def large_keys(target: Target) -> AsyncIterator[None]:
    body = bytes(100_000_000)
    async with target.kernel() as kernel:
        yield
        for number in range(15):
            headers = {"Idempotency-Key": f"k{number}"}
            path = f"bridge/interrupt/{kernel}"
            await target.ask("POST", path, body, headers=headers, patience=60)


@hostile("Idempotency-Keys with 1 MB each, without end")
async def many_keys(target: Target) -> AsyncIterator[None]:
    body = b'{"shell_command": ["true"], "no such field": "' + b"x" * 1_000_000 + b'"}'
    async with target.kernel() as kernel:
        yield

        async def one(number: int) -> None:
            target.sent += 1
            headers = {"Idempotency-Key": f"{target.sent}"}
            await target.ask("POST", f"bridge/interrupt/{kernel}", body, headers=headers)

        await at_once(2, one)


@hostile("numbers of 5,000 digits in headers and queries")
async def digits(target: Target) -> AsyncIterator[None]:
    number = "9" * 5000
    script = "echo here; exec cat"
    async with target.console("/bin/sh", "-c", script) as name:
        path = f"bridge/tail/{name}"
        yield
        while True:
            await target.ask("GET", path, headers={"Cray-Console-Lines": number})
            for word in ("lines", "offset", "since", "timeout"):
                await target.ask("GET", f"{path}?{word}={number}")
            await target.ask("GET", "bridge/conns", headers={"Prefer": f"wait={number}"})
            await target.ask("GET", "bridge/transfers", headers={"Last-Event-ID": number})


@hostile("bodies of 1 MB: deep, wide, long numbers, repeated names")
async def bodies(target: Target) -> AsyncIterator[None]:
    size = 1_000_000
    hostile_bodies = [
        b"[" * size,
        b'{"props":' * (size // 9),
        b'{"command":"true","env":{' + b",".join([b'"a":"b"'] * (size // 8)) + b"}}",
        b'{"timeout":' + b"9" * size + b"}",
        b'{"timeout":1e' + b"9" * 300 + b"}",
        b'{"name":"' + b"\\u0000" * (size // 6) + b'"}',
        b'{"props":{"a":[' + b"[]," * (size // 3 - 10) + b"[]]}}",
    ]
    paths = ("run", "consoles", "conns", "execute", "transfers", "dataset/none")
    yield
    while True:
        for body in hostile_bodies:
            for path in paths:
                await target.ask("POST", f"bridge/{path}", body)


@hostile("a header of 60 kB in each request", peer=True)
async def long_header(target: Target) -> AsyncIterator[None]:
    yield

    async def one(number: int) -> None:
        name = ("Accept", "Prefer", "Cookie", "X-XSRFToken", "If-None-Match")[target.sent % 5]
        await target.ask("GET", "api/status", headers={name: "a=1, " * (HEADER // 5)})
        await target.ask("GET", ANY_TAIL, headers={name: "q;=," * (HEADER // 4)})

    await at_once(2, one)


@hostile("20,000 arguments in each query", peer=True)
async def arguments(target: Target) -> AsyncIterator[None]:
    query = "&".join(["a=1"] * (HEADER // 4))
    yield

    async def one(number: int) -> None:
        await target.ask("GET", f"api/kernels?{query}")
        await target.ask("GET", f"{ANY_TAIL}?{query}")

    await at_once(2, one)


@hostile("300 requests that come one byte at a time, 300 heads that never end", peer=True)
async def slow_loris(target: Target) -> AsyncIterator[None]:
    head = target.head("POST", "bridge/run", {"Content-Length": "500"}, login=True)
    yield

    async def one(number: int) -> None:
        async with target.connection() as (_, writer):
            target.sent += 1
            data = head if number % 2 else head[:40]
            writer.write(data)
            for _ in range(100):
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.5)

    await at_once(600, lambda number: again(one(number), 0.2))


@hostile("Range headers of thousands of ranges, on a file of 1 GB")
async def ranges(target: Target) -> AsyncIterator[None]:
    folder = target.root / "ranged"
    folder.mkdir()
    with (folder / "big").open("wb") as file:
        file.truncate(1 << 30)
    await target.made("POST", "bridge/conns", {"name": "ranged", "url": str(folder)})
    many = "bytes=" + ",".join(f"{n}-{n + 9}" for n in range(0, 60_000, 12))
    odd = ("bytes=0-", f"bytes=-{'9' * 4000}", f"bytes={'9' * 4000}-", "bytes=5-1", many[:50_000])
    yield

    async def one(number: int) -> None:
        for asked in odd:
            path = "bridge/content/ranged/big"
            await target.ask("GET", path, headers={"Range": asked})

    await at_once(2, one)


@hostile("browsing a folder of 50,000 files and one 1,500 folders deep")
async def deep_tree(target: Target) -> AsyncIterator[None]:
    folder = target.root / "tree"
    wide = folder / "wide"
    wide.mkdir(parents=True)
    for number in range(50_000):
        (wide / f"{number}.txt").touch()
    path = "/".join("d" * 1500)
    deep = folder / "deep"
    deep.mkdir()
    for _ in range(1500):  # Path.mkdir(parents=True) would recurse too deep
        deep /= "d"
        deep.mkdir()
    await target.made("POST", "bridge/conns", {"name": "tree", "url": str(folder)})
    yield

    async def one(number: int) -> None:
        await target.ask("GET", "bridge/conn/tree/browse/wide")
        await target.ask("GET", "bridge/dataset/tree/wide")
        await target.ask("GET", f"bridge/conn/tree/browse/deep/{path}")
        await target.ask("GET", f"bridge/dataset/tree/deep%2F{quote(path, safe='')}")

    try:
        await at_once(2, one)
    finally:  # Python 3.11's rmtree recurses as deep
        subprocess.run(["rm", "-rf", str(folder)], check=True)


@hostile("a paused transfer asked again and again with Prefer: wait")
async def waiting_polls(target: Target) -> AsyncIterator[None]:
    folder = target.root / "store"
    folder.mkdir()
    with (folder / "big").open("wb") as file:
        file.truncate(8 << 30)
    await target.made("POST", "bridge/conns", {"name": "store", "url": str(folder)})
    asked = {"connection": "store", "direction": "download", "permId": "big", "path": "here"}
    made = await target.made("POST", "bridge/transfers", asked)
    path = f"bridge/transfers/{made['transfer']}"
    await target.ask("POST", f"{path}/pause", {})
    yield

    async def one(number: int) -> None:
        await target.ask("GET", path, headers={"Prefer": "wait=0.001"})

    try:
        await at_once(4, one)
    finally:
        with anyio.CancelScope(shield=True):
            await target.ask("DELETE", path)
