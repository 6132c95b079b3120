"""The contract of a connector: the plugin that knows one kind of remote system.

A connector is a subclass of `Connector` with a `fields_type` (what a form asks for), `login` and
`probe`; what else it can do it says by the roles it takes beside (roles.py): CanBrowse, CanRead,
CanWrite, HasObjects, CanMount, HasConsoles, HasKernels. It is found by an entry point of the group
`jupyter_bridge.connectors`, whose name is the kind and whose extra is what has to be installed:

    [project.entry-points."jupyter_bridge.connectors"]
    folder = "jupyter_bridge.connections.connectors.folder:Folder"
    sftp = "jupyter_bridge.connections.connectors.ssh.sftp:Sftp [sftp]"

The Connection around it logs in once for all who wait, keeps the state, and calls again after a
new login where a method raised `Expired`. A connector therefore has no states, no locks and no
retries; it runs on the event loop and never blocks it (files and libraries that block go to
`asyncio.to_thread`). It talks to the network through `self.context.outbound` alone.

What a connector raises decides the state of its connection:

    WrongCredentials (401)       forbidden: the name or the password is wrong
    Expired (409)                expired: one new login, then the call is made again
    Denied (403)                 on login: forbidden; elsewhere only that one call failed
    Unavailable, Timeout         unreachable
    RemoteFailed, anything else  on login and probe: failed; elsewhere only that one call failed
"""

from __future__ import annotations

import functools
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from jupyter_bridge.connections.login_backoff import Account
from jupyter_bridge.connections.places import Places
from jupyter_bridge.models.connections import Progress
from jupyter_bridge.private_files import private_folder
from jupyter_bridge.problems import BadRequest, Denied, NeedsLogin

if TYPE_CHECKING:
    from jupyter_bridge.connections.net.outbound import Outbound

# Where an address names no port.
_PORTS = {"https": 443, "http": 80, "sftp": 22, "ssh": 22}

# A field that names a file of the Jupyter host: a request that sets it needs `read` on `contents`.
HostPath = Annotated[str, msgspec.Meta(extra_json_schema={"format": "host-path"})]
# A field that is written and never read again: the form hides it, replies and logs leave it out.
Secret = Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True, "format": "password"})]


class WrongCredentials(Denied):
    """The remote does not take this name and password (or token)."""

    status = 401

    def __init__(self, name: str) -> None:
        super().__init__(f"Incorrect username or password for {name}")


class Expired(NeedsLogin):
    """The session is no longer valid; a new login may be all that it needs."""


class Fields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, repr_omit_defaults=True):
    """What a form asks for, and a configuration file holds, of one kind; subclass it.

    `url` and `username` are known to every kind (give them a default where they are not needed).
    Secrets are annotated `Secret | None` and default to None: a connection may be without them
    until somebody logs in. Describe each field as WebFields does.
    """

    url: str
    username: str | None = None

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        hidden = secrets_of(type(self))
        for name in self.__struct_fields__:
            value = getattr(self, name)
            yield name, "******" if name in hidden and value else value

    def __repr__(self) -> str:
        # Tracebacks, logs and debuggers call repr: no secret may be in it.
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


class WebFields(Fields, kw_only=True):
    """What is asked of every kind that speaks HTTPS; the Connection hands them to `outbound`."""

    ca_file: Annotated[
        HostPath | None,
        msgspec.Meta(
            title="CA file",
            description="A PEM file on the Jupyter host, trusted for this connection alone.",
        ),
    ] = None
    pin: Annotated[
        str | None,
        msgspec.Meta(
            title="Certificate pin",
            description="SHA-256 of the server's certificate, in hex; trusted instead of a CA.",
        ),
    ] = None


F = TypeVar("F", bound=Fields)


@dataclass(frozen=True)
class Login:
    """What a login or a refresh achieved.

    `expires` is when the session ends (seconds since the epoch; None: nobody knows). The
    connection refreshes shortly before. `username` is the name as the remote knows it. `keep` are
    fields to hold from now on (a minted token, an accepted host key): they are set on `fields`,
    and written to the vault or the settings where the connection is remembered.
    """

    expires: float | None = None
    username: str | None = None
    keep: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass
class Context:
    """What the bridge lends to one connector.

    `name` is the connection's. `outbound` is the network under this connection's trust and
    deadlines. `folder` (0700, made on first use by `state_folder`) holds what must outlive the
    server, such as known hosts. `root_dir` is what the Jupyter server shows as its root.
    `on_progress` is called when a login has come further. `places` judges paths of this host; a
    connection that was `requested`, and not configured, may use no others.
    """

    name: str
    outbound: Outbound
    folder: Path
    root_dir: Path
    log: logging.Logger | logging.LoggerAdapter[Any]
    on_progress: Callable[[], None] = lambda: None
    places: Places | None = None
    requested: bool = False

    def state_folder(self) -> Path:
        """`folder`, made if it is not there."""
        return private_folder(self.folder)


class Connector(ABC, Generic[F]):
    """One remote system, as one user of it. One instance lives as long as its connection."""

    kind: ClassVar[str]  # the entry point's name
    title: ClassVar[str]  # what a person calls it: "openBIS"
    fields_type: ClassVar[type[Fields]] = Fields  # what its form asks for
    # What of the host it shows and writes; the authorizer is asked for these, too. "contents" for
    # one whose data are files of the Jupyter host.
    host_resources: ClassVar[tuple[str, ...]] = ()

    # How long a login may take; a hub that starts a server first needs minutes.
    login_seconds: ClassVar[float] = 60.0
    # Fields, besides the user name and the secrets, that a person may give anew when logging in.
    login_fields: ClassVar[tuple[str, ...]] = ()

    # What a person should know of a connection that works, but not as well as it could.
    notice: str | None = None
    # Words of `can` (roles.py) that this very remote does not allow, known after a login.
    cannot: frozenset[str] = frozenset()

    def __init__(self, fields: F, context: Context) -> None:
        """Remember; touch neither disk nor network. `fields` changes when somebody logs in."""
        self.fields = fields
        self.context = context

    @property
    def progress(self) -> Progress | None:
        """How far a login that takes long has come; set it, and at the end None: it is shown."""
        return self._progress

    @progress.setter
    def progress(self, progress: Progress | None) -> None:
        self._progress = progress
        self.context.on_progress()

    _progress: Progress | None = None

    @classmethod
    def check(cls, fields: F) -> None:
        """Raise BadRequest if the fields do not fit together; called before there is a connection.

        The address policy has been asked about `url` already, where it is an http(s) one.
        """

    async def admit(self) -> None:
        """Raise Denied if a request may not make this connection; called before it exists."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields without which a login cannot succeed, and that nobody has given yet.

        Here: one of the secrets, if the kind has any. While something is needed, nothing logs in
        by itself.
        """
        secrets = secrets_of(type(self.fields))
        if not secrets or any(getattr(self.fields, name) for name in secrets):
            return ()
        return tuple(sorted(secrets))

    @property
    def account(self) -> Account:
        """Where it logs in, and as whom: what refused logins are counted by."""
        try:
            parts = urlsplit(self.fields.url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return Account.of(self.kind, self.fields.url, 0, self.fields.username or "")
        user = self.fields.username or unquote(parts.username or "")
        return Account.of(self.kind, parts.hostname or "", port, user)

    @abstractmethod
    async def login(self) -> Login:
        """Open a session with what `self.fields` holds, and keep it in this object.

        Raises WrongCredentials, Denied, Unavailable, Timeout or RemoteFailed. Called once at a
        time; a session that is still there may simply be replaced.
        """

    @abstractmethod
    async def probe(self) -> None:
        """Ask the remote, cheaply, whether the session still holds; raise Expired if not."""

    async def refresh(self) -> Login:
        """Make the session last longer; a new login unless the remote knows a better way."""
        return await self.login()

    async def logout(self) -> None:
        """End the session on the remote and forget it here. Called with a deadline."""

    async def close(self) -> None:
        """Let go of sockets and tasks, leave the session alone; closing twice is fine.

        `context.outbound` is closed by the connection.
        """


def secret_in(fields: Fields) -> str:
    """All secrets of the fields in one text; "" where there is none."""
    values = [getattr(fields, name) or "" for name in sorted(secrets_of(type(fields)))]
    return "\0".join(values) if any(values) else ""


@functools.cache
def secrets_of(kind: type[Fields]) -> frozenset[str]:
    """The names of the fields of `kind` that are secret."""
    return frozenset(
        name for name, schema in form_of(kind)["properties"].items() if _is_secret(schema)
    )


@functools.cache
def host_paths_of(kind: type[Fields]) -> frozenset[str]:
    """The names of the fields of `kind` that name files of the Jupyter host."""
    return frozenset(
        name
        for name, schema in form_of(kind)["properties"].items()
        if any(one.get("format") == "host-path" for one in (schema, *schema.get("anyOf", [])))
    )


@functools.cache
def form_of(kind: type[Fields]) -> dict[str, Any]:
    """The JSON Schema of what a form asks for, in one piece."""
    definitions = msgspec.json.schema(kind)["$defs"]
    form: dict[str, Any] = definitions.pop(kind.__name__)
    return {**form, "$defs": definitions} if definitions else form


def _is_secret(schema: dict[str, Any]) -> bool:
    return any(option.get("writeOnly") for option in (schema, *schema.get("anyOf", [])))


def to_fields(connector: type[Connector[Any]], given: Mapping[str, Any]) -> Fields:
    """`given` as the connector's fields, checked; BadRequest names the field, never its value."""
    try:
        fields = msgspec.convert(dict(given), connector.fields_type, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        found = re.search(r"field `([^`]+)`", text) or re.search(r"\$\.(\w+)", text)
        name = found.group(1) if found else "fields"
        text = text.replace("$.", "").split(" - at ")[0]
        raise BadRequest(f"{name}: {text}", field=name) from None
    connector.check(fields)
    return fields
