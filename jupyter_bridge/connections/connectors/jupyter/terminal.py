"""The source of one terminal of a plain Jupyter server."""

from __future__ import annotations

import asyncio
import codecs
import copy
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
from jupyter_bridge.transport.answers import off_loop
from jupyter_bridge.transport.reconnect import Socket
from jupyter_bridge.transport.replay import Replay
from jupyter_bridge.wire.json_errors import JSON_ERRORS
from jupyter_bridge.wire.shell.remote_startup import RemoteShell

# Old output, if there is any, follows the greeting within this time. Seconds.
_NOTHING_SECONDS = 0.3
# After a reconnect the host may go on writing to the old websocket, until it reads the close or its
# ping (every 30 s) is not answered. So the output is checked so long after it, seconds.
_CHECKS = (2.0, 90.0)
_LOOK_SECONDS = 10.0


class _Frame(msgspec.Struct, array_like=True):
    """A frame of terminado: a word and its data."""

    word: str
    data: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Frame).decode
_decode_text = msgspec.json.Decoder(str).decode


def _parse(frame: str | bytes) -> tuple[str, bytes]:
    """Return the word of a frame, and the output of `stdout`; RemoteFailed if it is malformed."""
    try:
        parsed = _decode(frame)
        if parsed.word != "stdout":
            return parsed.word, b""
        return parsed.word, _decode_text(parsed.data).encode()
    except JSON_ERRORS:
        raise RemoteFailed("The terminal sent a frame that cannot be read.") from None


class PlainTerminalSource(SocketSource):
    """A terminal of a plain Jupyter server, over terminado's protocol, as JupyterLab uses it.

    That protocol has no offsets and no exit status. A new client gets the last output. After a
    reconnect the known part of it is cut; if the rest may not follow on, there is a gap.
    """

    has_shell = True

    def __init__(self, server: JupyterApi, name: str, shell: RemoteShell | None = None) -> None:
        super().__init__(server.log)
        self.remote_shell = shell
        self._server = server
        self._name = name
        self._replay = Replay()
        self._replayed = self._recalls = False
        self._typed = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = False
        self._checking: asyncio.Task[None] | None = None
        self._past_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.title = f"Terminal {name}"

    def recall(self, tail: bytes) -> bool:
        self._replay.recall(tail)
        self._recalls = True
        return True

    async def _dial(self) -> Socket:
        self._replayed = False
        return await self._dial_terminal()

    async def _dial_terminal(self) -> Socket:
        name = quote(self._name, safe="")
        # Check first: for an unknown name terminado would make a terminal.
        await self._server.call("GET", f"api/terminals/{name}", NoneType)
        return await self._server.dial(f"terminals/websocket/{name}", max_frame=MAX_CONSOLE_FRAME)

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        shell = self.remote_shell
        if shell is not None and not self._recalls:
            shell.lost()  # the terminal may be another one of this name

        async def on_frame(frame: str | bytes) -> None:
            word, data = await off_loop(_parse, frame)
            if word == "setup" and not self._past_read.done():
                # Old output, if there is any, follows.
                loop = asyncio.get_running_loop()
                loop.call_later(_NOTHING_SECONDS, self._on_past_read)
            if word == "stdout":
                if not self._replayed:
                    data, sure = await off_loop(self._replay.rest, data)
                    if not sure:
                        if shell is not None:
                            shell.lost()
                        on_gap(1)
                self._replayed = True
                if data:
                    self._replay.passed(data)
                    if shell is not None:
                        shell.feed(data)
                    on_output(data)
                self._on_past_read()
            elif word == "disconnect":
                on_lost("the terminal has ended")

        def on_lost(reason: str) -> None:
            self._stop_checking()
            self._socket.finish()
            if not self._ended:
                self._ended = True
                if shell is not None:
                    shell.is_over = True
                on_end(Exit())

        def on_up() -> None:
            self.breaks += 1  # output to the old websocket may be lost
            self._send_size()
            self._stop_checking()
            self._checking = asyncio.create_task(self._check())

        await self._socket.open(on_frame, on_lost, on_up)
        self._send_size()
        await asyncio.wait({self._past_read}, timeout=PAST_SECONDS)

    def _on_past_read(self) -> None:
        if not self._past_read.done():
            self._past_read.set_result(None)

    async def _check(self) -> None:
        """After a reconnect, check whether output is missing; if so, reconnect again.

        Until the host notices that the old websocket is gone, a write to it fails, and later
        clients miss that piece of output. A second websocket shows it.
        """
        for pause in _CHECKS:
            await asyncio.sleep(pause)
            try:
                agrees = await self._agrees_with_new_client()
            except Problem as problem:
                self._server.log.debug("%s could not be checked: %s", self.title, problem.code)
                continue
            if not agrees:
                self._server.log.info("%s has missing output; reconnecting.", self.title)
                await self._socket.renew()
                return  # a new check begins with the reconnect

    async def _agrees_with_new_client(self) -> bool:
        """Tell whether the output that a new client of the terminal gets was passed on whole."""
        socket = await self._dial_terminal()
        try:
            # One deadline for all, should a remote send other frames for ever.
            with anyio.fail_after(_LOOK_SECONDS):
                while True:
                    frame = await socket.receive_str()
                    known = copy.copy(self._replay)  # as it is now: more output may come
                    word, data = await off_loop(_parse, frame)
                    if word == "stdout":
                        return await off_loop(known.agrees, data)
                    await asyncio.sleep(0)
        except (RemoteFailed, TypeError, TimeoutError, aiohttp.ClientError) as error:
            raise RemoteFailed("The terminal did not send its output.") from error
        finally:
            await socket.close()

    def _stop_checking(self) -> None:
        checking, self._checking = self._checking, None
        if checking is not None:
            checking.cancel()

    async def write(self, data: bytes) -> None:
        text = self._typed.decode(data)
        if text:
            await self._socket.say(json.dumps(["stdin", text]))

    def _size_frame(self, rows: int, cols: int) -> str:
        return json.dumps(["set_size", rows, cols])

    async def end(self) -> None:
        await self._server.call("DELETE", f"api/terminals/{quote(self._name, safe='')}", NoneType)

    async def close(self) -> None:
        self._stop_checking()
        await super().close()
