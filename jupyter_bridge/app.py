"""BridgeApp: builds the parts and the routes at the start, and closes them at the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.gateway.gateway_client import GatewayClient
from traitlets import Bool, Dict, Enum, Float, Int, List, Unicode, default

from jupyter_bridge import asyncapi, memory, openapi
from jupyter_bridge.aio.idempotency import Idempotency
from jupyter_bridge.aio.turns import Turns
from jupyter_bridge.connections import environment
from jupyter_bridge.connections import handlers as connection_handlers
from jupyter_bridge.connections.audit import Audit
from jupyter_bridge.connections.config.files import ConfigFiles
from jupyter_bridge.connections.config.saved import SavedConnections
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector_registry import ConnectorRegistry
from jupyter_bridge.connections.kernels import KernelsOfConnection
from jupyter_bridge.connections.mounts.registry import MountRegistry
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.registry import ConnectionRegistry
from jupyter_bridge.connections.secrets.vault import Vault
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.consoles import handlers as console_handlers
from jupyter_bridge.consoles.connection_consoles import ConnectionConsoles
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.archive import Archive
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.run.store import RunStore
from jupyter_bridge.consoles.sources.kernel import KernelSource
from jupyter_bridge.consoles.terminals import manager
from jupyter_bridge.consoles.terminals.spawn import pass_on_no_ignored_signals
from jupyter_bridge.kernels import handlers as relay_handlers
from jupyter_bridge.kernels.connection_kernels import ConnectionKernels
from jupyter_bridge.kernels.executions.store import ExecutionStore
from jupyter_bridge.kernels.handlers.socketio import SocketIO
from jupyter_bridge.kernels.host.backend import HostBackend
from jupyter_bridge.kernels.host.manager import HostKernels
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.models.environments import EnvironmentModel
from jupyter_bridge.models.executions import ExecuteBody
from jupyter_bridge.observe import redaction
from jupyter_bridge.observe.events import Events
from jupyter_bridge.private_files import folders_open, tighten
from jupyter_bridge.web import TURNS, NoSuchRoute, Route, StoredAnswer, index

# The parts to close, in this order. A failed start, due to another extension or the host's
# settings, has made only some of them, and the host stops the extension all the same.
_CLOSED = (
    *("repeats", "runs", "remote_consoles", "consoles", "transfers", "mounts", "remotes"),
    *("socketio", "executions", "relays", "audit"),
)


class BridgeApp(ExtensionApp):
    """The server extension `jupyter_bridge`."""

    name = "jupyter_bridge"
    description = (
        "HTTP and websocket access to the kernels, consoles and connections of a Jupyter server."
    )
    load_other_extensions = True
    _recovering: asyncio.Task[None] | None = None

    ring_bytes = Int(
        36 << 20,
        min=1 << 16,
        help="Bytes kept of each kernel's latest messages, from which clients can resume.",
    ).tag(config=True)

    execution_keep = Float(
        3600.0,
        min=0,
        help="Seconds for which the result of an execution can be read after its end.",
    ).tag(config=True)

    tell_activity = Bool(
        True,
        help="Report the activity of relayed kernels to the host, so it need not read it itself.",
    ).tag(config=True)

    record_terminals = Bool(
        True,
        help="Save the output of consoles to disk; otherwise keep only the newest part, in memory.",
    ).tag(config=True)

    console_dir = Unicode(
        "",
        help="The folder for the output of consoles; by default below the Jupyter data directory.",
    ).tag(config=True)

    console_bytes = Int(
        64 << 20, min=1 << 16, help="Bytes of output saved to disk per console."
    ).tag(config=True)

    console_total_bytes = Int(
        1 << 30, min=1 << 16, help="Bytes of output saved to disk for all consoles together."
    ).tag(config=True)

    console_keep = Float(
        7 * 24 * 3600.0, min=0, help="Seconds for which the output of a console is kept."
    ).tag(config=True)

    run_keep = Float(
        3600.0, min=0, help="Seconds for which the result of a run can be read after its end."
    ).tag(config=True)

    connections = List(
        Dict(),
        help="Connections, each a dict of name, url, kind and the kind's fields, as in YAML files.",
    ).tag(config=True)

    connections_dir = Unicode(
        help="The folder of connections: settings, known hosts, the vault's file (0700)."
    ).tag(config=True)

    vault = Enum(
        ["auto", "keyring", "file", "memory"],
        "auto",
        help="Where secrets of saved connections are kept; auto takes the first that works.",
    ).tag(config=True)

    allow_private_networks = Bool(
        True, help="Allow connections to private networks (10.x, 192.168.x, fc00::…)."
    ).tag(config=True)

    allow_loopback = Bool(
        False, help="Allow connections to this machine itself, also by plain http."
    ).tag(config=True)

    insecure_http_hosts = List(
        Unicode(), help="Hosts that connections may reach by plain http, without encryption."
    ).tag(config=True)

    transfer_roots = List(
        Unicode(),
        help="Folders besides the server's root for downloads and uploads of data sets.",
    ).tag(config=True)

    openbis_compat = Bool(
        False, help="Also serve /openbis/… and /requirements as jupyter-openbis-server does."
    ).tag(config=True)

    @default("connections_dir")
    def _connections_dir(self) -> str:
        return str(Path(jupyter_data_dir(), "jupyter_bridge", "connections"))

    def _link_jupyter_server_extension(self, serverapp: Any) -> None:
        """Also make the host use a terminal manager that records; it creates that after this."""
        super()._link_jupyter_server_extension(serverapp)
        # `self.consoles` is made later, but before the first terminal.
        manager.adopt(
            serverapp,
            lambda name, source: self.consoles.record(name, source),
            lambda argv, env: self.consoles.shells.prepare(argv, env),
        )

    def initialize_settings(self) -> None:
        self.repeats: Idempotency[StoredAnswer] = Idempotency(size=lambda answer: len(answer.body))
        self.settings["bridge_repeats"] = self.repeats
        self.settings["bridge_turns"] = Turns(TURNS)

    def initialize_handlers(self) -> None:
        """Build the parts and the routes; called once, when the server has its managers."""
        server: Any = self.serverapp
        for log in (self.log, server.log):  # handlers use the host's log
            redaction.redact(log)
        pass_on_no_ignored_signals()
        remote = bool(server.gateway_config.gateway_enabled)
        events = Events(server.event_logger)
        self.make_connections(server, events)
        self.kernels = HostKernels(
            server.kernel_manager, server.kernel_spec_manager, remote=remote, log=self.log
        )
        relayed: dict[str, Any] = {
            "ring_bytes": self.ring_bytes,
            "deadline": server.kernel_manager.kernel_info_timeout,
            "log": self.log,
        }
        host = HostBackend(
            self.kernels,
            gateway=GatewayClient.instance() if remote else None,
            tell_activity=self.tell_activity,
            event_logger=server.event_logger,
            on_state=lambda kernel_id, state: events.emit(
                "kernel_state", kernel_id=kernel_id, state=state
            ),
            **relayed,
        )
        self.relays = KernelRegistry(
            host, ConnectionKernels(self._kernels_of, self.kernels.policy, **relayed)
        )
        self.remotes.watch(self._on_connection)
        self.executions = ExecutionStore(self.relays, keep=self.execution_keep)
        self.socketio = SocketIO(self.relays, max_frame=_max_frame(server))
        self.remote_consoles = ConnectionConsoles(self.remotes)
        self.consoles = self._consoles(server, events)
        self.consoles.load()
        self.runs = RunStore(self.consoles, root_dir=Path(server.root_dir), keep=self.run_keep)
        self.routes: list[Route] = []
        self.routes += [
            *index.routes(),
            *openapi.routes(self.routes),
            *asyncapi.routes(self.routes),
            *relay_handlers.routes(self.relays, self.executions, events),
            *console_handlers.routes(self.consoles, self.runs, events),
            *connection_handlers.routes(
                self.remotes,
                self.mounts,
                self.transfers,
                events,
                self.audit,
                server.root_dir,
                self.places,
                self.ask_environment,
                openbis_compat=self.openbis_compat,
            ),
        ]
        handlers: list[tuple[str, Any, dict[str, Any]]] = [
            *(route.rule for route in self.routes),
            *self.socketio.rules(),
            (r"/bridge/.*", NoSuchRoute, {}),
        ]
        self.handlers.extend(handlers)

    async def _kernels_of(self, connection: str) -> KernelsOfConnection:
        """Return the kernels of a connection."""
        await self.remotes.loaded()
        return KernelsOfConnection(self.remotes.get(connection))

    def _on_connection(self, connection: Connection, gone: bool) -> None:
        if gone or connection.state == "disconnected":
            self.relays.remotes.leave(connection.name)

    @property
    def _journals(self) -> Path:
        return Path(self.console_dir or Path(jupyter_data_dir()) / "bridge" / "consoles")

    def _consoles(self, server: Any, events: Events) -> ConsoleRegistry:
        archive = Archive(
            self._journals if self.record_terminals else None,
            max_bytes=self.console_bytes,
            total_bytes=self.console_total_bytes,
            max_age=self.console_keep,
            on_trouble=self._on_disk_trouble,
            log=self.log,
        )

        async def kernel(kernel_id: str) -> KernelSource:
            relay = await self.relays.get(kernel_id)
            return KernelSource(relay, lambda: self.relays.interrupt(kernel_id))

        def ended(console: Console) -> None:
            events.emit("console_end", console=console.name, kind=console.kind)

        return ConsoleRegistry(
            archive,
            root_dir=Path(server.root_dir),
            # The host makes its manager after this, or never if terminals are disabled.
            manager=lambda: server.web_app.settings.get("terminal_manager"),
            kernels=kernel,
            remotes=self.remote_consoles,
            allow_hidden=bool(server.contents_manager.allow_hidden),
            on_ended=ended,
            on_state=lambda name, kind, state: events.emit(
                "console_state", console=name, kind=kind, state=state
            ),
        )

    def _close_folders(self) -> None:
        """Make folders of earlier versions private; warn of configured ones that are not."""
        connections, data = Path(self.connections_dir), Path(jupyter_data_dir())
        ours = [connections / name for name in ("vault", "state", "transfers", "mounts")]
        for usual in (data / "jupyter_bridge" / "connections", data / "bridge" / "consoles"):
            ours += [usual.parent, usual]
        given = [folder for folder in {connections, self._journals} if folder not in ours]
        for folder in [*tighten(ours), *folders_open(given)]:
            self.log.warning("Other users can enter %s: chmod 700 it.", folder)

    def _on_disk_trouble(self, error: OSError) -> None:
        self.log.warning(
            "The output of consoles cannot be saved to disk, only the newest part is kept: %s",
            error,
        )

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Record the server's terminals, read the connections, resume the transfers."""
        # The host has made its terminal manager now, perhaps another class than ours.
        self.consoles.attach()
        self.relays.host.states.start()
        self.remotes.start()
        self._recovering = asyncio.ensure_future(self._recover())
        memory.settle()

    def current_activity(self) -> dict[str, Any] | None:
        """Return the live terminals, so that a server with some is not idle; None without."""
        return {
            console.name: msgspec.to_builtins(console.model())
            for console in self.consoles
            if console.kind == "terminal" and console.state == "live"
        } or None

    def make_connections(self, server: Any, events: Events) -> None:
        """Build the connections; reads no file and contacts no remote before the server runs."""
        folder = Path(self.connections_dir)
        if server.disable_check_xsrf:
            self.log.critical(
                "disable_check_xsrf is set: any web page can use the connections of this server."
            )
        self.audit = Audit(folder / "audit.jsonl", self.log)
        self.places = Places(
            server.root_dir,
            self.transfer_roots,
            allow_hidden=bool(server.contents_manager.allow_hidden),
            private=[server.runtime_dir, folder, self._journals],
        )
        self.mounts = MountRegistry(
            folder / "mounts",
            Path.home(),
            self.log,
            places=self.places,
            on_change=lambda name: self.remotes.on_news(name),
        )
        self.remotes = ConnectionRegistry(
            ConnectorRegistry(),
            SavedConnections(folder, Vault(folder / "vault", self.log, self.vault), self.log),
            sources=ConfigFiles(self.connections, server.config_file_paths),
            policy=AddressPolicy(
                self.allow_private_networks,
                self.allow_loopback,
                frozenset(host.lower() for host in self.insecure_http_hosts),
            ),
            folder=folder / "state",
            root_dir=Path(server.root_dir),
            places=self.places,
            events=events,
            log=self.log,
        )

        self.transfers = TransferStore(
            folder / "transfers",
            self.remotes.get,
            log=self.log,
            places=self.places,
            on_change=lambda transfer, _: events.emit(
                "transfer_state",
                connection=transfer.job.connection,
                transfer=transfer.id,
                direction=transfer.job.direction,
                state=transfer.state,
            ),
        )

    async def ask_environment(self, user: str, kernel_id: str) -> EnvironmentModel:
        """Ask a kernel for its environment, by a silent execution."""
        kernel = await self.relays.model(kernel_id)
        if kernel.conn:
            language = await (await self._kernels_of(kernel.conn)).language(kernel.kernelspec)
        else:
            language = (await self.kernels.spec(kernel.kernelspec)).language

        async def run(code: str) -> str:
            body = ExecuteBody(code, silent=True, store_history=False, allow_stdin=False)
            execution = await self.executions.start(user, kernel_id, body, ephemeral=False)
            try:
                await execution.answered.wait()
            finally:
                if not execution.answered.is_set():
                    execution.cancel()
            return "".join(
                output["text"]
                for output in execution.model().outputs
                if output.get("name") == "stdout"
            )

        return await environment.ask(run, language)

    async def _recover(self) -> None:
        await asyncio.to_thread(self._close_folders)
        try:
            await self.mounts.recover()
            await self.remotes.loaded()
            await self.mounts.keep_only([connection.name for connection in self.remotes.list()])
        except Exception:
            self.log.exception("Cannot take over the mounts of an earlier server")
        try:
            await self.remotes.loaded()
            await self.transfers.start()
        except Exception:
            self.log.exception("Cannot resume the transfers of an earlier server")

    async def stop_extension(self) -> None:
        """Close all parts; the host stops the kernels."""
        if self._recovering is not None:
            await asyncio.wait({self._recovering})
        for part in _CLOSED:
            made = getattr(self, part, None)
            if made is not None:
                await made.close()


def _max_frame(server: Any) -> int:
    settings = server.web_app.settings if server.web_app else server.tornado_settings
    return int(settings.get("websocket_max_message_size", 10 << 20))
