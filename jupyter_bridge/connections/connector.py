"""The contract of a connector: the plugin that knows one kind of remote system.

A connector is a subclass of `Connector` with a `fields_type` (the fields of its form), `login` and
`probe`. Its other base classes are its roles (roles.py): CanBrowse, CanRead, CanWrite, HasObjects,
CanMount, HasConsoles, HasKernels. It is found by an entry point of the group
`jupyter_bridge.connectors`; the name is the kind, and the extra is the one to install:

    [project.entry-points."jupyter_bridge.connectors"]
    folder = "jupyter_bridge.connections.connectors.folder:Folder"
    sftp = "jupyter_bridge.connections.connectors.ssh.sftp:Sftp [sftp]"

Its Connection logs in once for all callers, keeps the state, and repeats a call after a new login
if it raised `Expired`. A connector therefore needs no states, locks or retries. It runs on the
event loop and must not block it: use `asyncio.to_thread` for files and blocking libraries. It uses
the network only through `self.context.outbound`.

The exceptions of a connector decide the state of its connection:

    WrongCredentials (401)       forbidden: the name or the password is wrong
    Expired (409)                expired: one new login, then the call is repeated
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

# The ports of addresses without one.
_PORTS = {"https": 443, "http": 80, "sftp": 22, "ssh": 22}

# A field for a file of the Jupyter host: a request that sets it needs `read` on `contents`.
HostPath = Annotated[str, msgspec.Meta(extra_json_schema={"format": "host-path"})]
# A write-only field: forms hide it, replies and logs leave it out.
Secret = Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True, "format": "password"})]


class WrongCredentials(Denied):
    """The remote refuses this name and password (or token)."""

    status = 401

    def __init__(self, name: str) -> None:
        super().__init__(f"Incorrect username or password for {name}")


class Expired(NeedsLogin):
    """The session is no longer valid; a new login may help."""


class Fields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, repr_omit_defaults=True):
    """The fields of one kind, in forms and configuration files; subclass it.

    Every kind has `url` and `username` (with a default if it does not need them). Secrets are
    annotated `Secret | None` and default to None: a connection may have none before the first
    login. Describe each field as WebFields does.
    """

    url: str
    username: str | None = None

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        hidden = secrets_of(type(self))
        for name in self.__struct_fields__:
            value = getattr(self, name)
            yield name, "******" if name in hidden and value else value

    def __repr__(self) -> str:
        # No secrets: tracebacks, logs and debuggers call repr.
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


class WebFields(Fields, kw_only=True):
    """The fields of every kind that uses HTTPS; the registry passes them to `outbound`."""

    ca_file: Annotated[
        HostPath | None,
        msgspec.Meta(
            title="CA file",
            description="A PEM file on the Jupyter host, trusted for this connection only.",
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
    """The result of a login or a refresh.

    `expires` is when the session ends (seconds since the epoch; None: unknown). The connection
    refreshes it shortly before. `username` is the name that the remote uses. `keep` are new fields
    (a minted token, an accepted host key): they are set on `fields`, and saved if the connection
    is saved.
    """

    expires: float | None = None
    username: str | None = None
    keep: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass
class Context:
    """The bridge's services for one connector.

    `name` is the connection's. `outbound` is the network under this connection's trust and
    deadlines. `folder` (0700, made on first use by `state_folder`) is for data that must outlive
    the server, such as known hosts. `root_dir` is the root folder of the Jupyter server. Call
    `on_progress` when a login advances. `places` checks paths of this host: a `requested`
    connection (one that is not configured) may use no others.
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
        """Return `folder`, created if it is missing."""
        return private_folder(self.folder)


class Connector(ABC, Generic[F]):
    """One remote system under one account. An instance lives as long as its connection."""

    kind: ClassVar[str]  # the entry point's name
    title: ClassVar[str]  # the name for users: "openBIS"
    fields_type: ClassVar[type[Fields]] = Fields  # the fields of its form
    # Resources of the host that it shows and writes; a request needs permission for them, too.
    # "contents" if its data are files of the Jupyter host.
    host_resources: ClassVar[tuple[str, ...]] = ()

    # How long a login may take; a hub that has to start a server needs minutes.
    login_seconds: ClassVar[float] = 60.0
    # Fields, besides the user name and the secrets, that a login may change.
    login_fields: ClassVar[tuple[str, ...]] = ()

    # What limits a connection that works, as a sentence for the user.
    notice: str | None = None
    # Words of `can` (roles.py) that this remote does not allow, known after a login.
    cannot: frozenset[str] = frozenset()

    def __init__(self, fields: F, context: Context) -> None:
        """Use neither disk nor network here. `fields` may change with each login."""
        self.fields = fields
        self.context = context

    @property
    def progress(self) -> Progress | None:
        """The progress of a long login, shown to the user; set it, and None at the end."""
        return self._progress

    @progress.setter
    def progress(self, progress: Progress | None) -> None:
        self._progress = progress
        self.context.on_progress()

    _progress: Progress | None = None

    @classmethod
    def check(cls, fields: F) -> None:
        """Raise BadRequest if the fields contradict each other, before the connection is made.

        An http(s) `url` was checked by the address policy before.
        """

    async def admit(self) -> None:
        """Raise Denied if a request may not make this connection."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The missing fields without which a login cannot succeed.

        Here: one of the secrets, if the kind has any. While a field is missing, there is no
        automatic login.
        """
        secrets = secrets_of(type(self.fields))
        if not secrets or any(getattr(self.fields, name) for name in secrets):
            return ()
        return tuple(sorted(secrets))

    @property
    def account(self) -> Account:
        """Where it logs in, and as whom, to count refused logins."""
        try:
            parts = urlsplit(self.fields.url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return Account.of(self.kind, self.fields.url, 0, self.fields.username or "")
        user = self.fields.username or unquote(parts.username or "")
        return Account.of(self.kind, parts.hostname or "", port, user)

    @abstractmethod
    async def login(self) -> Login:
        """Open a session with `self.fields`, and keep it in this object, replacing an older one.

        Raises WrongCredentials, Denied, Unavailable, Timeout or RemoteFailed. Calls never overlap.
        """

    @abstractmethod
    async def probe(self) -> None:
        """Check, with a cheap request, that the session is still valid; raise Expired if not."""

    async def refresh(self) -> Login:
        """Extend the session; a new login unless the remote has a better way."""
        return await self.login()

    async def logout(self) -> None:
        """End the session on the remote and forget it here. Called with a deadline."""

    async def close(self) -> None:
        """Close sockets and tasks, but not the session; closing twice is fine.

        `context.outbound` is closed by the connection.
        """


def secret_in(fields: Fields) -> str:
    """Return all secrets of the fields in one text; "" if there are none."""
    values = [getattr(fields, name) or "" for name in sorted(secrets_of(type(fields)))]
    return "\0".join(values) if any(values) else ""


@functools.cache
def secrets_of(kind: type[Fields]) -> frozenset[str]:
    """Return the names of the secret fields of `kind`."""
    return frozenset(
        name for name, schema in form_of(kind)["properties"].items() if _is_secret(schema)
    )


@functools.cache
def host_paths_of(kind: type[Fields]) -> frozenset[str]:
    """Return the names of the fields of `kind` that are paths on the Jupyter host."""
    return frozenset(
        name
        for name, schema in form_of(kind)["properties"].items()
        if any(one.get("format") == "host-path" for one in (schema, *schema.get("anyOf", [])))
    )


@functools.cache
def form_of(kind: type[Fields]) -> dict[str, Any]:
    """Return the JSON Schema of the fields of `kind`, in one piece."""
    definitions = msgspec.json.schema(kind)["$defs"]
    form: dict[str, Any] = definitions.pop(kind.__name__)
    return {**form, "$defs": definitions} if definitions else form


def _is_secret(schema: dict[str, Any]) -> bool:
    return any(option.get("writeOnly") for option in (schema, *schema.get("anyOf", [])))


def to_fields(connector: type[Connector[Any]], given: Mapping[str, Any]) -> Fields:
    """Return `given` as checked fields; BadRequest names the wrong field, never its value."""
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
