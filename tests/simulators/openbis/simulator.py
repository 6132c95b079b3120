"""The simulator: an aiohttp application in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.simulators.openbis.calls import Calls
from tests.simulators.openbis.dto import to_jackson
from tests.simulators.openbis.files import Files
from tests.simulators.openbis.knobs import Knobs
from tests.simulators.openbis.store import Refusal, Store

# An upload request of pyBIS has up to 10 MiB.
MAX_BODY = 64 << 20


class Simulator:
    """One openBIS (application server and data store server at one address); a context manager.

    `tls` is a PEM file with certificate and key. After `start`, `url` is its address.
    """

    def __init__(self, folder: Path, *, port: int = 0, tls: Path | None = None) -> None:
        self.knobs = Knobs()
        self.store = Store(folder, self.knobs)
        self.calls = Calls(self.store)
        self.files = Files(self.store, self.calls)
        self.url = ""
        self.queries: list[str] = []  # the path and query of every request
        self.headers: list[dict[str, str]] = []
        self._port = port
        self._tls = tls
        self._thread = threading.Thread(target=self._run, name="openbis", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(20)
        assert self.url, "the simulator did not start"

    def stop(self) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._meet])
        for path in ("openbis/openbis/rmi-application-server-v3.json",
                     "openbis/openbis/rmi-query-v1.json",
                     "datastore_server/rmi-data-store-server-v3.json"):  # fmt: skip
            app.router.add_post(f"/{path}", self._on_call)
        app.router.add_post("/datastore_server/file-transfer", self.files.on_transfer)
        app.router.add_post("/datastore_server/session_workspace_file_upload", self.files.on_upload)
        app.router.add_get("/datastore_server/{perm_id}/{path:.+}", self.files.on_file)
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await runner.setup()
        trust = None
        if self._tls is not None:
            trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            trust.load_cert_chain(self._tls)
        site = web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=trust)
        await site.start()
        port = runner.addresses[0][1]
        self.url = self.calls.base = f"{'https' if trust else 'http'}://127.0.0.1:{port}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @web.middleware
    async def _meet(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.queries.append(request.path_qs)
        self.headers.append(dict(request.headers))
        if self.knobs.latency:
            await asyncio.sleep(self.knobs.latency)
        if self.knobs.redirect is not None:
            return web.Response(status=302, headers={"Location": self.knobs.redirect})
        return await handler(request)

    async def _on_call(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
        try:
            result = self.calls.call(body["method"], body["params"])
            answer["result"] = to_jackson(result, references=self.knobs.references)
        except Refusal as error:
            answer["error"] = {"code": -32000, "message": str(error), "data": None}
        text = json.dumps(answer)
        if self.knobs.padding:
            text = text[:-1] + ', "padding": "' + "x" * self.knobs.padding + '"}'
        return web.Response(text=text, content_type="application/json")
