"""jupyter: a Jupyter server, or a user's server on a JupyterHub (started if need be).

Its terminals are consoles here, and its kernels can be spawned and relayed. If the remote has the
bridge, too, that is used, so that a reconnect loses nothing; else the plain Jupyter API. It logs in
by token only; cookies and passwords are not used.
"""

from __future__ import annotations

import secrets
from types import NoneType
from typing import Annotated, Any, ClassVar, cast
from urllib.parse import quote, unquote

import msgspec
from yarl import URL

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.connections.command import Command
from jupyter_bridge.connections.connector import (
    Connector,
    Context,
    Expired,
    Login,
    Secret,
    WebFields,
    WrongCredentials,
)
from jupyter_bridge.connections.connectors.jupyter import api
from jupyter_bridge.connections.connectors.jupyter.hub import Hub
from jupyter_bridge.connections.connectors.jupyter.run import BridgeRun
from jupyter_bridge.connections.connectors.jupyter.terminal import PlainTerminalSource
from jupyter_bridge.connections.connectors.jupyter.upstreams import (
    BridgeConsoleSource,
    KernelUpstream,
)
from jupyter_bridge.connections.roles import HasConsoles, HasKernels, Node
from jupyter_bridge.interfaces import Source, Upstream
from jupyter_bridge.models.common import Index
from jupyter_bridge.models.connections import Progress
from jupyter_bridge.problems import (
    BadRequest,
    Denied,
    NotFound,
    Problem,
    RemoteFailed,
    Unavailable,
    Unsupported,
)
from jupyter_bridge.transport.answers import LISTS, sentence
from jupyter_bridge.wire.json_errors import JSON_ERRORS
from jupyter_bridge.wire.shell.remote_startup import OWN_PROGRAM, RemoteShell, remote_argv


class JupyterFields(WebFields, kw_only=True):
    """The address, and a token: the server's own, or the hub's with access to the server."""

    url: Annotated[
        str,
        msgspec.Meta(
            title="Address",
            description="Of a Jupyter server, a JupyterHub, or a user's server on one.",
        ),
    ]
    token: Annotated[Secret | None, msgspec.Meta(title="Token")] = None
    server_name: Annotated[
        str,
        msgspec.Meta(title="Server name", description="Of a named server on a hub."),
    ] = ""
    user_options: Annotated[
        dict[str, Any],
        msgspec.Meta(
            title="Options",
            description="The fields of the hub's form to start a server: profile, image, cpus…",
        ),
    ] = {}


class JupyterServer(Connector[JupyterFields], HasConsoles, HasKernels):
    kind = "jupyter"
    title = "Jupyter"
    fields_type = JupyterFields
    login_seconds: ClassVar[float] = 600.0

    def __init__(self, fields: JupyterFields, context: Context) -> None:
        super().__init__(fields, context)
        self.server = api.JupyterApi(self)
        # The shells that were started on a server without a bridge, by their terminals' names.
        self._shells: dict[str, RemoteShell] = {}

    @classmethod
    def check(cls, fields: JupyterFields) -> None:
        if URL(fields.url).query_string or URL(fields.url).fragment:
            raise BadRequest(
                "url: must not have a query; the token has its own field.", field="url"
            )

    # -- the session ---------------------------------------------------------------------------

    async def login(self) -> Login:
        address = self.fields.url.rstrip("/") + "/"
        hub, user = await self._find_hub(address)
        if hub is None:
            base = address
        else:
            base, user = await self._start_server(hub, user)
        try:
            me = await self.server.ask("GET", f"{base}api/me", api.Me)
            user = (me.identity and me.identity.username) or user
        except NotFound:  # before Jupyter Server 2
            await self.server.ask("GET", f"{base}api/status", NoneType)
        except Expired:
            raise WrongCredentials(self.context.name) from None
        self.server.base = base
        self.server.bridge = await self._parts()
        return Login(username=user)

    async def _find_hub(self, address: str) -> tuple[Hub | None, str | None]:
        """Return the hub of this address, and the user in it; None if it is only a server."""
        before, found, after = address.partition("/user/")
        user = unquote(after.partition("/")[0]) if found else None
        root = f"{before}/" if found else address.removesuffix("hub/")
        answer = await self.context.outbound.ask("GET", f"{root}hub/api/")
        try:
            await answer.json(api.HubVersion)
        except JSON_ERRORS:
            return None, None
        if answer.status != 200:
            return None, None
        return Hub(f"{root}hub/", self.server), user

    async def _start_server(self, hub: Hub, user: str | None) -> tuple[str, str]:
        try:
            me = await hub.user()
        except Expired:
            raise WrongCredentials(self.context.name) from None
        user = user or me
        log = Changes(self.context.log)

        def on_progress(percent: int, message: str) -> None:
            progress = Progress(percent, message)
            if progress != self.progress:
                self.progress = progress
                log.info("%s: %d %% %s", self.context.name, percent, message)

        try:
            server = await hub.start(
                user, self.fields.server_name, self.fields.user_options, on_progress
            )
        except Expired as error:
            raise Denied(
                f"The token may not use the server of {user}; it needs the scopes read:servers, "
                "servers and access:servers."
            ) from error
        finally:
            self.progress = None
        # The path only: a hub must not change the connection's host.
        path = _path_of(server.url)
        return str(URL(self.fields.url).origin()) + path.rstrip("/") + "/", user

    async def _parts(self) -> frozenset[str]:
        try:
            index = await self.server.call("GET", "bridge/", Index)
        except Problem:
            return frozenset()
        return frozenset(index.parts) if index.name == "jupyter_bridge" else frozenset()

    async def probe(self) -> None:
        try:
            await self.server.call("GET", "api/status", NoneType)
        except Expired as expired:
            if expired.details.get("remote_status") in api.NOT_RUNNING:
                # A hub has stopped it, being idle: a probe must not start it again.
                raise Unavailable("The server is not running; using it starts it.") from expired
            raise

    async def close(self) -> None:
        self.server.base = ""

    # -- consoles ------------------------------------------------------------------------------

    async def consoles(self) -> list[Node]:
        if "consoles" in self.server.bridge:
            nodes = await self.server.call("GET", "bridge/consoles", list[Node], limit=LISTS)
            return [Node(one.name, sentence(one.title or one.name), one.state) for one in nodes]
        terminals = await self.server.call(
            "GET", "api/terminals", list[api.ListedTerminal], limit=LISTS
        )
        return [Node(t.name, f"Terminal {t.name}") for t in terminals]

    async def console(self, name: str) -> Source:
        if "consoles" in self.server.bridge:
            return BridgeConsoleSource(self.server, name)
        shell = self._shells.get(name)
        alive = shell if shell is not None and not shell.is_over else None
        return PlainTerminalSource(self.server, name, alive)

    async def create_console(self, **how: Any) -> str:
        wanted = {key: value for key, value in how.items() if value is not None}
        if "consoles" in self.server.bridge:
            made = api.ListedTerminal
            return (await self.server.call("POST", "bridge/consoles", made, body=wanted)).name
        unknown = set(wanted) - {"cwd", "name", "shell_command"}
        if unknown:
            raise Unsupported(
                f"Without a bridge, a terminal takes no {' or '.join(sorted(unknown))}."
            )
        shell = RemoteShell(secrets.token_hex(8))
        argv = remote_argv(shell.key, wanted.get("shell_command", ()))
        if argv is None:
            return await self._new_terminal(wanted)
        try:
            name = await self._new_terminal({**wanted, "shell_command": argv})
        except Problem as problem:
            if "shell_command" in wanted or "remote_status" not in problem.details:
                raise
            name = await self._new_terminal(wanted)
            shell.fault = OWN_PROGRAM
        self._shells = {one: known for one, known in self._shells.items() if not known.is_over}
        self._shells[name] = shell
        return name

    async def _new_terminal(self, body: dict[str, Any]) -> str:
        made = await self.server.call("POST", "api/terminals", api.ListedTerminal, body=body)
        return made.name

    async def command(self, name: str, ask: dict[str, Any]) -> Command:
        if "consoles" not in self.server.bridge:
            raise Unsupported(  # a plain terminal's run is typed
                f"{self.context.name} has lost its bridge since this console was opened. Log in "
                "again, and open the console again."
            )
        return BridgeRun(self.server, {**ask, "console": name})

    # -- kernels -------------------------------------------------------------------------------

    async def kernels(self) -> list[dict[str, Any]]:
        kind = list[api.ListedKernel]
        found = await self.server.call("GET", "api/kernels", kind, limit=LISTS)
        return [msgspec.structs.asdict(kernel) for kernel in found]

    async def kernelspecs(self) -> dict[str, Any]:
        return cast("dict[str, Any]", msgspec.to_builtins(await self._specs()))

    async def _specs(self) -> api.Kernelspecs:
        return await self.server.call("GET", "api/kernelspecs", api.Kernelspecs, limit=LISTS)

    async def kernel(self, kernel_id: str) -> Upstream:
        return KernelUpstream(self.server, kernel_id, bridge="kernels" in self.server.bridge)

    async def spawn(self, kernelspec: str, **how: Any) -> dict[str, Any]:
        wanted = {key: value for key, value in how.items() if value is not None}
        if "kernels" in self.server.bridge:
            path = f"bridge/spawn/{quote(kernelspec, safe='')}"
            return await self._spawn(path, wanted)
        unknown = set(wanted) - {"path"}
        if unknown:
            raise Unsupported(
                f"Without a bridge, a kernel takes no {' or '.join(sorted(unknown))}."
            )
        known = (await self._specs()).kernelspecs
        if kernelspec not in known:  # the server would only answer with an error
            raise NotFound(
                f"{self.context.name} has no kernelspec {kernelspec!r}.", kernelspecs=sorted(known)
            )
        return await self._spawn("api/kernels", {"name": kernelspec, **wanted})

    async def _spawn(self, path: str, wanted: dict[str, Any]) -> dict[str, Any]:
        made = await self.server.call("POST", path, api.ListedKernel, body=wanted)
        return msgspec.structs.asdict(made)

    async def control(self, kernel_id: str, action: str) -> None:
        path = f"api/kernels/{quote(kernel_id, safe='')}"
        if action == "shutdown":
            await self.server.call("DELETE", path, NoneType)
        elif action in ("interrupt", "restart"):
            await self.server.call("POST", f"{path}/{action}", NoneType)
        else:
            raise BadRequest(f"A kernel has no action named {action}.", field="action")


def _path_of(url: str) -> str:
    """Return the path of a server's address on its hub."""
    try:
        path = URL(url).raw_path  # a name may hold an encoded ? or #
    except ValueError:
        path = ""
    if not path.startswith("/"):  # behind the hub's name it would continue that name
        raise RemoteFailed("The hub does not report the server's address.")
    return path
