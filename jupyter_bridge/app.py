"""BridgeApp: the traits, the parts, the routes; built at the start and stopped in reverse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.gateway.gateway_client import GatewayClient
from traitlets import Bool, Float, Int, Unicode

from jupyter_bridge import __version__, observe, openapi
from jupyter_bridge.consoles import handlers as console_handlers
from jupyter_bridge.consoles import terminals
from jupyter_bridge.consoles.archive import Archive
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.consoles import Consoles
from jupyter_bridge.consoles.runs import Runs
from jupyter_bridge.consoles.sources.kernel import KernelSource
from jupyter_bridge.consoles.sources.terminal import TerminalSource
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

    record_terminals = Bool(
        True,
        help="Keep what consoles say on the disk; otherwise the newest part, in memory only.",
    ).tag(config=True)

    console_dir = Unicode(
        "",
        help="The folder for what consoles said; by default one below the Jupyter data dir.",
    ).tag(config=True)

    console_bytes = Int(
        64 << 20, min=1 << 16, help="Bytes kept on the disk of what one console said."
    ).tag(config=True)

    console_total_bytes = Int(
        1 << 30, min=1 << 16, help="Bytes kept on the disk of what all consoles said, together."
    ).tag(config=True)

    console_keep = Float(
        7 * 24 * 3600.0, min=0, help="Seconds for which is kept what a console said."
    ).tag(config=True)

    run_keep = Float(
        3600.0, min=0, help="Seconds that the result of a run can be read after its end."
    ).tag(config=True)

    def _link_jupyter_server_extension(self, serverapp: Any) -> None:
        """Also have the host make its terminals with a record; it makes its manager after this."""
        super()._link_jupyter_server_extension(serverapp)
        terminals.adopt(serverapp, self._record)

    def _record(self, name: str, source: TerminalSource) -> None:
        self.consoles.record(name, source)

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
        self.consoles = self._consoles(server, events)
        self.consoles.load()
        self.runs = Runs(self.consoles, root_dir=Path(server.root_dir), keep=self.run_keep)
        self.routes = [
            Route("/?", IndexHandler),
            Route("/openapi.json", OpenAPIHandler, {"app": self}),
            *relay_handlers.routes(self.relays, self.executions, events),
            *console_handlers.routes(self.consoles, self.runs, events),
        ]
        handlers: list[tuple[str, Any, dict[str, Any]]] = [
            *((route.pattern, route.handler, route.parts) for route in self.routes),
            *((pattern, self.socketio.handler, {}) for pattern in self.socketio.patterns),
            (r"/bridge/.*", NoSuchRoute, {}),
        ]
        self.handlers.extend(handlers)

    def _consoles(self, server: Any, events: observe.Events) -> Consoles:
        folder = Path(self.console_dir or Path(jupyter_data_dir()) / "bridge" / "consoles")
        archive = Archive(
            folder if self.record_terminals else None,
            max_bytes=self.console_bytes,
            total_bytes=self.console_total_bytes,
            max_age=self.console_keep,
            on_trouble=self._on_disk_trouble,
        )

        async def kernel(kernel_id: str) -> KernelSource:
            relay = await self.relays.get(kernel_id)
            return KernelSource(relay, lambda: self.relays.kernels.interrupt(kernel_id))

        def ended(console: Console) -> None:
            events.emit("console_end", console=console.name, kind=console.kind)

        return Consoles(
            archive,
            root_dir=Path(server.root_dir),
            # The host makes its manager after this, and not at all where terminals are off.
            manager=lambda: server.web_app.settings.get("terminal_manager"),
            kernels=kernel,
            allow_hidden=bool(server.contents_manager.allow_hidden),
            on_ended=ended,
        )

    def _on_disk_trouble(self, error: OSError) -> None:
        self.log.warning(
            "What consoles say cannot be kept on the disk, only the newest part in memory: %s",
            error,
        )

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Record also the terminals of a manager that is not ours; the host has made it now."""
        self.consoles.attach()

    def current_activity(self) -> dict[str, Any] | None:
        """Live terminals, so that a server with some is not taken for idle; None without."""
        return {
            console.name: console.to_json()
            for console in self.consoles
            if console.kind == "terminal" and console.state == "live"
        } or None

    async def stop_extension(self) -> None:
        """Close everything this extension opened; kernels are the host's to stop."""
        await self.runs.close()
        await self.consoles.stop()
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
            parts={"kernels": self.link("/kernels"), "consoles": self.link("/consoles")},
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
