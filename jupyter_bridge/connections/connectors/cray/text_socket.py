"""A websocket whose text frames arrive as the bytes that were sent.

Console services cut their output into text frames anywhere, also inside a character. A strict
client must close then; here the frames come as bytes, and whoever reads puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import aiohttp

from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.transport.reconnect import Socket

# A service sends what its log has, cut anywhere; 4 MiB are 50,000 lines. Bytes.
MAX_FRAME = 4 << 20


async def dial(outbound: Outbound, url: str, headers: Mapping[str, str]) -> Socket:
    """As `Outbound.websocket`, but nothing is decoded."""
    return await _Undecoded(outbound).websocket(url, headers=headers, max_frame=MAX_FRAME)


class _Undecoded(Outbound):
    """The same network under the same policy and trust; holds nothing of its own."""

    def __init__(self, inner: Outbound) -> None:
        super().__init__(inner.policy)
        self._inner = inner

    async def _open(self) -> aiohttp.ClientSession:
        return cast(aiohttp.ClientSession, _Session(await self._inner._open()))


class _Session:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ws_connect(self, url: str, **options: Any) -> Socket:
        return await self._session.ws_connect(url, decode_text=False, **options)
