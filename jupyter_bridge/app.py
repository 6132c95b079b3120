"""BridgeApp: the traits, the parts, the routes; built at the start and stopped in reverse."""

from __future__ import annotations

from typing import Any

import msgspec
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.gateway.gateway_client import GatewayClient
from traitlets import Float, Int

from jupyter_bridge import __version__, observe, openapi
from jupyter_bridge.relay import handlers as relay_handlers
from jupyter_bridge.relay.executions import Executions
from jupyter_bridge.relay.kernels import Kernels
from jupyter_bridge.relay.relays import Relays
from jupyter_bridge.relay.socketio import SocketIO
from jupyter_bridge.web import BridgeHandler, NoSuchRoute, Route, verb


class BridgeApp(ExtensionApp):
    """The server extension `jupyter_bridge`."""

    name = "jupyter_bridge"
    description = "One door on a Jupyter server to everything that runs behind it."
    load_other_extensions = True

    ring_bytes = Int(
        64 << 20,
        min=1 << 16,
        help="Bytes kept, for each kernel, of what it said lately; clients can resume from there.",
    ).tag(config=True)

    execution_keep = Float(
        3600.0,
        min=0,
        help="Seconds that the result of an execution can be read after its end.",
    ).tag(config=True)

    def initialize_handlers(self) -> None:
        """Build the parts and list every route; called once, when the server has its managers."""
        server: Any = self.serverapp
        self.log.addFilter(observe.Redact())
        remote = bool(server.gateway_config.gateway_enabled)
        events = observe.Events(server.event_logger)
        kernels = Kernels(
            server.kernel_manager, server.kernel_spec_manager, remote=remote, log=self.log
        )
        self.relays = Relays(
            kernels,
            ring_bytes=self.ring_bytes,
            deadline=server.kernel_manager.kernel_info_timeout,
            gateway=GatewayClient.instance() if remote else None,
            event_logger=server.event_logger,
            log=self.log,
        )
        self.executions = Executions(self.relays, keep=self.execution_keep)
        self.socketio = SocketIO(self.relays, max_frame=_max_frame(server))
        self.routes = [
            Route("/?", IndexHandler),
            Route("/openapi.json", OpenAPIHandler, {"app": self}),
            *relay_handlers.routes(self.relays, self.executions, events),
        ]
        handlers: list[tuple[str, Any, dict[str, Any]]] = [
            *((route.pattern, route.handler, route.parts) for route in self.routes),
            *((pattern, self.socketio.handler, {}) for pattern in self.socketio.patterns),
            (r"/bridge/.*", NoSuchRoute, {}),
        ]
        self.handlers.extend(handlers)

    async def stop_extension(self) -> None:
        """Close everything this extension opened; kernels are the host's to stop."""
        await self.socketio.close()
        await self.executions.close()
        await self.relays.close()


def _max_frame(server: Any) -> int:
    settings = server.web_app.settings if server.web_app else server.tornado_settings
    return int(settings.get("websocket_max_message_size", 10 << 20))


class Index(msgspec.Struct):
    """What the bridge is and where its parts are."""

    name: str
    version: str
    parts: dict[str, str]
    links: dict[str, str]


class IndexHandler(BridgeHandler):
    """`GET B/`."""

    resources = ("bridge",)

    @verb("read", "Name the version, the parts and where they are", reply=Index)
    async def get(self) -> Index:
        return Index(
            name="jupyter_bridge",
            version=__version__,
            parts={"kernels": self.link("/kernels")},
            links={
                "openapi": self.link("/openapi.json"),
                "socket.io": self.link("/socket.io/"),
                "metrics": f"{self.base_url.rstrip('/')}/metrics",
            },
        )


class OpenAPIHandler(BridgeHandler):
    """`GET B/openapi.json`."""

    resources = ("bridge",)

    def initialize(self, app: BridgeApp) -> None:
        self.app = app

    @verb("read", "Describe every route")
    async def get(self) -> dict[str, Any]:
        # "/?" is the index with and without its slash; readers want to see the slash.
        routes = [
            Route("/", route.handler) if route.path == "/?" else route for route in self.app.routes
        ]
        return openapi.describe(routes, base=self.link(""), version=__version__)
