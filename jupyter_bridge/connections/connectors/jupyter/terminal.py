"""The line to one terminal of a plain Jupyter server."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import Callable
from types import NoneType
from urllib.parse import quote

import aiohttp
import anyio
import msgspec

from jupyter_bridge.connections.connectors.jupyter.api import JupyterApi
from jupyter_bridge.connections.connectors.jupyter.upstreams import (
    MAX_CONSOLE_FRAME,
    PAST_SECONDS,
)
from jupyter_bridge.connections.connectors.socket_source import SocketSource
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.problems import Problem, RemoteFailed
from jupyter_bridge.transport.reconnect import Replay, Socket
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# A terminal tells what was said before right behind its greeting, if there is anything; seconds.
_NOTHING_SECONDS = 0.3
# After a break the host may go on writing to the old websocket: until it reads the close, or until
# its ping (every 30 s) is not answered. So long after the mend it is looked at again, seconds.
_CHECKS = (2.0, 90.0)
_LOOK_SECONDS = 10.0


class _Frame(msgspec.Struct, array_like=True):
    """A frame of terminado: a word, and what belongs to it."""

    word: str
    said: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Frame).decode
_decode_text = msgspec.json.Decoder(str).decode


def _told(frame: str | bytes) -> tuple[str, bytes]:
    """The word of a frame, and the output that a `stdout` tells; RemoteFailed for anything else."""
    try:
        told = _decode(frame)
        if told.word != "stdout":
            return told.word, b""
        return told.word, _decode_text(told.said).encode()
    except JSON_ERRORS:
        raise RemoteFailed("The terminal sent a frame that cannot be read.") from None


class PlainTerminalSource(SocketSource):
    """A terminal of a plain Jupyter server, as JupyterLab speaks to it (terminado's protocol).

    That protocol has no offsets and no exit status. Whoever comes is told the last of what the
    terminal said: after a break the known part of it is cut; where it does not go on from there, or
    may not, a gap says so.
    """

    has_shell = True

    def __init__(self, server: JupyterApi, name: str) -> None:
        super().__init__(server.log)
        self._server = server
        self._name = name
        self._replay = Replay()
        self._replayed = False
        self._typed = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = False
        self._checking: asyncio.Task[None] | None = None
        self._told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.title = f"Terminal {name}"

    def recall(self, tail: bytes) -> bool:
        self._replay.recall(tail)
        return True

    async def _dial(self) -> Socket:
        self._replayed = False
        return await self._dial_terminal()

    async def _dial_terminal(self) -> Socket:
        name = quote(self._name, safe="")
        # The websocket may open for a name that is not there: terminado would make it.
        await self._server.call("GET", f"api/terminals/{name}", NoneType)
        return await self._server.dial(f"terminals/websocket/{name}", max_frame=MAX_CONSOLE_FRAME)

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        def on_frame(frame: str | bytes) -> None:
            word, said = _told(frame)
            if word == "setup" and not self._told.done():
                # What was said before comes with it, if there is anything.
                loop = asyncio.get_running_loop()
                loop.call_later(_NOTHING_SECONDS, self._on_told)
            if word == "stdout":
                self._on_told()
                data = said
                if not self._replayed:
                    data, sure = self._replay.rest(data)
                    if not sure:
                        on_gap(1)
                self._replayed = True
                if data:
                    self._replay.passed(data)
                    on_output(data)
            elif word == "disconnect":
                on_lost("the terminal has ended")

        def on_lost(reason: str) -> None:
            self._stop_checking()
            self._line.finish()
            if not self._ended:
                self._ended = True
                on_end(Exit())

        def on_up() -> None:
            self.breaks += 1  # the host may have written to the old websocket meanwhile
            self._send_size()
            self._stop_checking()
            self._checking = asyncio.create_task(self._check())

        await self._line.open(on_frame, on_lost, on_up)
        self._send_size()
        await asyncio.wait({self._told}, timeout=PAST_SECONDS)

    def _on_told(self) -> None:
        if not self._told.done():
            self._told.set_result(None)

    async def _check(self) -> None:
        """After a break, look whether the host has left something out; mend again if it has.

        As long as the host has not noticed that the old websocket is gone, it fails on writing to
        it, and whoever came after it does not get that piece. A second look shows it.
        """
        for pause in _CHECKS:
            await asyncio.sleep(pause)
            try:
                replay = await self._look()
            except Problem as problem:
                self._server.log.debug("%s was not looked at again: %s", self.title, problem.code)
                continue
            if not self._replay.agrees(replay):
                self._server.log.info("%s has left something out; mending.", self.title)
                await self._line.renew()
                return  # a new check begins with the mended line

    async def _look(self) -> bytes:
        """What a newcomer is told of the terminal now."""
        socket = await self._dial_terminal()
        try:
            # One deadline for all: a remote that says other things for ever is not listened to.
            with anyio.fail_after(_LOOK_SECONDS):
                while True:
                    word, said = _told(await socket.receive_str())
                    if word == "stdout":
                        return said
                    await asyncio.sleep(0)
        except (RemoteFailed, TypeError, TimeoutError, aiohttp.ClientError) as error:
            raise RemoteFailed("The terminal did not tell what it had said.") from error
        finally:
            await socket.close()

    def _stop_checking(self) -> None:
        checking, self._checking = self._checking, None
        if checking is not None:
            checking.cancel()

    async def write(self, data: bytes) -> None:
        text = self._typed.decode(data)
        if text:
            await self._line.say(json.dumps(["stdin", text]))

    def _size_frame(self, rows: int, cols: int) -> str:
        return json.dumps(["set_size", rows, cols])

    async def end(self) -> None:
        await self._server.call("DELETE", f"api/terminals/{quote(self._name, safe='')}", NoneType)

    async def close(self) -> None:
        self._stop_checking()
        await super().close()
