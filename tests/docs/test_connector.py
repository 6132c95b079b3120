"""docs/writing-a-connector.md: its connector is complete, and works against a real web server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Context, WrongCredentials, to_fields
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.roles import CanBrowse
from jupyter_bridge.connections.transfers.byte_range import read
from tests.docs.pages import blocks


def shelf() -> Any:
    (block,) = (b for b in blocks("python") if b.page == "writing-a-connector.md")
    names: dict[str, Any] = {"__name__": "shelf"}
    exec(compile(block.text, block.page, "exec", dont_inherit=True), names)
    return names["Shelf"]


async def test_the_connector_of_the_page_works(tmp_path: Path) -> None:
    """The page's connector logs in, browses, reads ranges, and is told a wrong token."""
    files = {"a.bin": bytes(range(256)), "b.txt": b"text"}

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Bearer good":
            return web.Response(status=401)
        name = request.path[1:]
        if name == "index.json":
            return web.json_response({name: len(content) for name, content in files.items()})
        part = request.http_range
        return web.Response(status=206, body=files[name][part])

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    kind = shelf()
    outbound = Outbound(AddressPolicy(allow_loopback=True))
    context = Context("shelf", outbound, tmp_path, tmp_path, logging.getLogger("test"))
    connection = Connection("shelf", kind(to_fields(kind, {"url": url}), context))
    try:
        with pytest.raises(WrongCredentials):
            await connection.login({"token": "bad"})
        await connection.login({"token": "good"})
        items = await connection.use(CanBrowse, lambda connector: connector.browse(""))
        assert [(item.name, item.size) for item in items] == [("a.bin", 256), ("b.txt", 4)]
        pieces = [piece async for piece in read(connection, "a.bin", "a.bin", 10, 20)]
        assert b"".join(pieces) == files["a.bin"][10:20]
    finally:
        await connection.close()
        await runner.cleanup()
