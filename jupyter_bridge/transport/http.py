"""What all outgoing HTTP has in common: the client's to a bridge, and that of connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
from yarl import URL


def shown(url: URL) -> str:
    """An address as it may be read by anybody: without login and query, where tokens are."""
    return str(url.with_query(None).with_fragment(None).with_user(None))


def never_redirected(
    refuse: Callable[[aiohttp.ClientResponse], Exception],
) -> aiohttp.TraceConfig:
    """Has `ws_connect`, which follows redirects and cannot be told not to, raise that instead."""

    async def stop(session: Any, context: Any, told: aiohttp.TraceRequestRedirectParams) -> None:
        told.response.close()
        raise refuse(told.response)

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(stop)
    return config
