"""Hostile websockets, kernels and consoles: too many, too large, too small, never read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import quote

import anyio

from tests.hostile.inputs import again, at_once, hostile
from tests.hostile.target import TEXT, Socket, Target, frame, shaking

# Makes a kernel send messages directly, so that its streams do not merge them.
LESSON = """
import threading, time
def say(kind, make):
    kernel = get_ipython().kernel
    def talk():
        while True:
            content = make()
            kernel.session.send(kernel.iopub_socket, kind, content, ident=kind.encode())
    threading.Thread(target=talk, daemon=True).start()
"""
STREAMS = LESSON + 'say("stream", lambda: {"name": "stdout", "text": "x\\n"})'
DISPLAYS = LESSON + (
    'big = "x" * 50_000_000\n'
    'say("display_data", lambda: time.sleep(0.5) or '
    '{"data": {"text/plain": big}, "metadata": {}, "transient": {}})'
)
# Valid and invalid sequences that may stall a terminal's parser.
ESCAPES = r"""
import sys
out = sys.stdout.buffer
pieces = [
    b"\x1b]0;" + b"t" * 100_000, b"\x1bP" + b"d" * 100_000, b"\x1b[" + b"1;" * 50_000 + b"m",
    b"\x1b[?1049h\x1b[?2004h\x1b[?1000h\x1b[?1049l", b"\x1b" * 100_000, b"\x9b" * 50_000,
    b"\x1b]52;c;" + b"QUFB" * 20_000 + b"\x07", b"\r" * 100_000, b"\b" * 100_000, b"x" * 500_000,
    b"\xf0\x9f\x98" * 30_000, b"\n" * 100_000,
]
while True:
    for piece in pieces:
        out.write(piece)
        out.flush()
"""
KERNEL_SEATS = ("channels", "shell", "iopub", "stdin", "control")


async def _hear(socket: Socket) -> None:
    """Read and discard until the other side closes the connection."""
    try:
        while await socket.reader.read(1 << 18):
            pass
    except OSError:
        pass


@hostile("JSON of 9 MB, lists in lists, on each websocket")
async def nested_frames(target: Target) -> AsyncIterator[None]:
    size = 9_000_000
    head = b'{"channel":"shell","header":{"msg_type":"x","msg_id":"1","session":"s"},"content":'
    payloads = [
        b"[" * size,
        head + b"[" + b"[]," * (size // 3) + b"0]}",
        head + b'{"a":' * (size // 5),
        head + b"9" * size + b"}",
    ]
    async with AsyncExitStack() as stack:
        kernel = await stack.enter_async_context(target.kernel())
        name = await stack.enter_async_context(target.console("/bin/sh", "-c", "exec cat"))
        paths = [f"bridge/{seat}/{kernel}" for seat in KERNEL_SEATS]
        paths += [f"bridge/interact/{name}", f"bridge/tail/{name}"]
        yield
        while True:
            for path in paths:
                for payload in payloads:

                    async def one(path: str = path, payload: bytes = payload) -> None:
                        async with target.socket(path) as socket:
                            target.sent += 1
                            with anyio.move_on_after(5):
                                await socket.send(payload)
                                await _hear(socket)

                    await again(one())


async def _tiny(target: Target, paths: list[str], data: bytes) -> None:
    async def one(number: int) -> None:
        async def once() -> None:
            async with target.socket(paths[number % len(paths)]) as socket:
                hearing = asyncio.create_task(_hear(socket))
                try:
                    for _ in range(100):
                        target.sent += 1000
                        socket.writer.write(data)
                        await socket.writer.drain()
                finally:
                    hearing.cancel()
                    await asyncio.wait({hearing})

        await again(once())

    await at_once(len(paths), one)


@hostile("100,000 tiny frames on each websocket, again and again")
async def tiny_frames(target: Target) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        kernel = await stack.enter_async_context(target.kernel())
        name = await stack.enter_async_context(target.console("/bin/sh", "-c", "exec cat"))
        paths = [f"bridge/interact/{name}?mode=join", f"bridge/channels/{kernel}"]
        yield
        await _tiny(target, paths, frame(b"a") * 1000)


@hostile("frames that are one fragment after the other, and pings", peer=True)
async def fragments(target: Target) -> AsyncIterator[None]:
    name = (await target.made("POST", "api/terminals", {}))["name"]
    path = f"terminals/websocket/{name}"
    data = frame(b"[", TEXT, fin=False) + frame(b"", 0, fin=False) * 500 + frame(b"", 9) * 499
    bridged = (await target.ask("GET", "bridge/consoles")).status == 200
    yield
    try:
        await _tiny(target, [f"bridge/interact/{name}"] if bridged else [path], data)
    finally:
        with anyio.CancelScope(shield=True):
            await target.ask("DELETE", f"api/terminals/{name}")


@hostile("500 websockets that are asked for and left half open", peer=True)
async def half_open(target: Target) -> AsyncIterator[None]:
    name = (await target.made("POST", "api/terminals", {}))["name"]
    bridged = (await target.ask("GET", "bridge/consoles")).status == 200
    path = f"bridge/tail/{name}?follow=true" if bridged else f"terminals/websocket/{name}"
    asked = target.head("GET", path, shaking(), login=True)
    yield

    async def one(number: int) -> None:
        async def once() -> None:
            async with target.connection() as (_, writer):
                target.sent += 1
                writer.write(asked if number % 2 else asked[:-2])
                writer.write(frame(b"", claims=9_000_000))  # a frame that never arrives
                await asyncio.sleep(2 + number % 7)

        await again(once())

    try:
        await at_once(500, one)
    finally:
        with anyio.CancelScope(shield=True):
            await target.ask("DELETE", f"api/terminals/{name}")


@hostile("a kernel that says as many stream messages as it can; one reader in two reads")
async def streams(target: Target) -> AsyncIterator[None]:
    async for step in _talking_kernel(target, STREAMS):
        yield step


@hostile("a kernel that displays 50 MB twice a second; one reader in two reads")
async def displays(target: Target) -> AsyncIterator[None]:
    async for step in _talking_kernel(target, DISPLAYS):
        yield step


async def _talking_kernel(target: Target, lesson: str) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        kernel = await stack.enter_async_context(target.kernel())
        sockets = [
            await stack.enter_async_context(target.socket(f"bridge/{seat}/{kernel}"))
            for seat in ("channels", "iopub")
        ]
        yield
        await target.ask("POST", f"bridge/execute/{kernel}", {"code": lesson})

        async def count(number: int) -> None:
            try:
                while await sockets[0].reader.read(1 << 18):  # the other reader never reads
                    target.sent += 1
            except OSError:
                pass
            await asyncio.sleep(1)

        await at_once(1, count)


@hostile("executions of 10 MB of output each, whose results are kept")
async def executions(target: Target) -> AsyncIterator[None]:
    async with target.kernel() as kernel:
        yield
        while True:
            path = f"bridge/execute/{kernel}"
            await target.ask("POST", path, {"code": "print('x' * 10_000_000)"})


@hostile("runs of 8 MB of output each, whose results are kept")
async def runs(target: Target) -> AsyncIterator[None]:
    yield
    while True:
        command = "head -c 8000000 /dev/zero | tr '\\0' x"
        await target.ask("POST", "bridge/run", {"command": command})


@hostile("a console that floods with escape sequences; read stripped, listed, recorded")
async def escapes(target: Target) -> AsyncIterator[None]:
    script = target.root / "escapes.py"
    script.write_text(ESCAPES)
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(target.console("python3", str(script)))
        paths = [f"interact/{name}?mode=watch", f"tail/{name}?follow=true&strip=ansi"]
        sockets = [await stack.enter_async_context(target.socket(f"bridge/{p}")) for p in paths]
        yield

        async def one(number: int) -> None:
            if number < len(sockets):
                await _hear(sockets[number])
                await asyncio.sleep(1)
                return
            await target.ask("GET", "bridge/consoles")
            await target.ask("GET", f"bridge/tail/{name}?lines=50&strip=ansi")

        await at_once(len(sockets) + 1, one)


@hostile("a console that floods, and 50 readers that never read")
async def never_read(target: Target) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(target.console("/bin/sh", "-c", "exec yes"))
        path = f"bridge/tail/{name}?follow=true"
        for number in range(50):
            if number % 2:
                await stack.enter_async_context(target.socket(path))
                continue
            _, writer = await stack.enter_async_context(target.connection())
            writer.write(target.head("GET", f"{path}&format=ndjson", {}, login=True))
        yield
        await asyncio.sleep(3600)


@hostile("questions about a journal of 60 MB: all lines, stripped, until, since, searched")
async def journal(target: Target) -> AsyncIterator[None]:
    script = "stty -opost; i=0; yes 'error: a line of some length, 0123456789' | head -c 60000000"
    async with target.console("/bin/sh", "-c", f"{script}; echo; echo done; exec cat") as name:
        until = f"bridge/tail/{name}?lines=50&until=done&timeout=60"
        await target.ask("GET", until, patience=60)
        tail = f"bridge/tail/{name}"
        paths = [
            f"{tail}?lines=1000000&strip=ansi",
            f"{tail}?offset=0&until=zzz&follow=false",
            f"{tail}?since=3600&strip=ansi&format=ndjson",
            f"bridge/recording/{name}",
            f"bridge/search?q=zzz&console={name}",
            f"bridge/search?q={quote('(e|r)*:.*9?$')}&regex=true&console={name}&limit=100000",
        ]
        yield

        async def one(number: int) -> None:
            head = target.head("GET", paths[number], {"Connection": "close"}, login=True)
            with anyio.move_on_after(20):
                async with target.connection() as (reader, writer):
                    target.sent += 1
                    writer.write(head)
                    while await reader.read(1 << 18):
                        pass

        await at_once(len(paths), one)


@hostile("a message for a seat that is not its own, and junk, in both subprotocols")
async def wrong_seats(target: Target) -> AsyncIterator[None]:
    message = {
        "header": {"msg_type": "execute_request", "msg_id": "1", "session": "s", "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "content": {"code": "1" * 100_000},
        "buffers": [],
    }
    texts = [json.dumps({**message, "channel": seat}).encode() for seat in ("iopub", "x", "stdin")]
    junk = [b"\xff" * 1000, b"\0" * 8, (2**63).to_bytes(8, "little") * 100]
    async with target.kernel() as kernel:
        yield

        async def one(number: int) -> None:
            async def once() -> None:
                seat = KERNEL_SEATS[target.sent % len(KERNEL_SEATS)]
                v1 = "v1.kernel.websocket.jupyter.org" if number % 2 else ""
                async with target.socket(f"bridge/{seat}/{kernel}", protocol=v1) as socket:
                    for payload in junk if number % 2 else texts:
                        await socket.send(payload, 2 if number % 2 else TEXT)
                    with anyio.move_on_after(0.5):
                        await _hear(socket)

            await again(once())

        await at_once(4, one)
