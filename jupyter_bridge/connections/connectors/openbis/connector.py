"""openbis: an openBIS server, from API 3.5 on, in its own protocol (wire/openbis/rpc.py).

A `permId` is a data set's. `browse` lists spaces, projects, collections and objects. With `mint`,
the first login makes a personal access token, which replaces the session: it outlives this server,
and is renewed before openBIS begins to warn.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from jupyter_bridge.connections.connector import (
    Connector,
    Context,
    Expired,
    Login,
    Secret,
    WebFields,
    WrongCredentials,
)
from jupyter_bridge.connections.connectors.openbis import lists as lists
from jupyter_bridge.connections.connectors.openbis.api import Api, store_url
from jupyter_bridge.connections.connectors.openbis.download import fetch_each, fetch_fast, read_file
from jupyter_bridge.connections.connectors.openbis.models import (
    DataSet,
    DataSetFile,
    DataStore,
    Page,
    PermId,
    SessionInformation,
    Token,
)
from jupyter_bridge.connections.connectors.openbis.upload import WorkspaceUploads
from jupyter_bridge.connections.roles import (
    CanBrowse,
    CanMount,
    CanRead,
    CanWrite,
    HasObjects,
    NewDataset,
    Sink,
    Span,
    Sshfs,
    Supply,
)
from jupyter_bridge.models.datasets import Dataset, DatasetType, File, Item
from jupyter_bridge.problems import BadRequest, NotFound, RemoteFailed, Unsupported
from jupyter_bridge.transport.answers import FILE_LISTS, LISTS
from jupyter_bridge.wire.openbis import rpc

# Files in one page of a listing: some MiB.
FILES_A_PAGE = 10_000
# A data set with more is not listed: a server could send pages for ever.
MAX_FILES = 1_000_000
# The name of a bridge's personal access tokens in openBIS.
TOKEN_NAME = "jupyter-bridge"
DAY = 24 * 3600.0
# The longest validity of a token that is believed, seconds.
LONGEST = 100 * 366 * DAY


class OpenBisFields(WebFields, kw_only=True):
    """Either a name and password, or a token."""

    password: Annotated[Secret | None, msgspec.Meta(title="Password")] = None
    token: Annotated[
        Secret | None,
        msgspec.Meta(
            title="Token", description="A personal access token, or a session token, of openBIS."
        ),
    ] = None
    mint: Annotated[
        bool,
        msgspec.Meta(
            title="Make a token",
            description="Make a personal access token when logging in, and renew it in time.",
        ),
    ] = False
    sftp_port: Annotated[int, msgspec.Meta(title="SFTP port", ge=1, le=65535)] = 2222
    host_key: Annotated[
        str | None,
        msgspec.Meta(
            title="Host key",
            description="The fingerprint of openBIS's SFTP server, accepted for mounting.",
        ),
    ] = None


class OpenBis(Connector[OpenBisFields], CanBrowse, CanRead, CanWrite, HasObjects, CanMount):
    kind = "openbis"
    title = "openBIS"
    fields_type = OpenBisFields
    login_fields = ("host_key",)

    def __init__(self, fields: OpenBisFields, context: Context) -> None:
        super().__init__(fields, context)
        self._api = Api(context.outbound, fields.url)
        self._uploads = WorkspaceUploads(self._api)
        # The last data set, its store and its files' sizes: `fetch` follows `dataset`.
        self._last: tuple[str, str, dict[str, int]] = ("", "", {})

    @classmethod
    def check(cls, fields: OpenBisFields) -> None:
        if fields.host_key is not None and not fields.host_key.startswith("SHA256:"):
            raise BadRequest("host_key: must be a fingerprint, SHA256:…", field="host_key")

    @property
    def needs(self) -> tuple[str, ...]:
        if self.fields.token or (self.fields.username and self.fields.password):
            return ()
        return ("password",) if self.fields.username else ("password", "username")

    # -- the session ---------------------------------------------------------------------------

    async def login(self) -> Login:
        fields = self.fields
        if fields.token and await self._api.is_active(fields.token):
            return await self._enter(fields.token)
        if not (fields.username and fields.password):
            raise WrongCredentials(self.context.name)
        token = await self._api.login(fields.username, fields.password)
        if token is None:
            raise WrongCredentials(self.context.name)
        return await self._enter(token)

    async def probe(self) -> None:
        if not await self._api.is_active(self._api.token):
            raise Expired("The openBIS session has ended.")

    async def logout(self) -> None:
        token, self._api.token = self._api.token, None
        # A personal access token belongs to the user, not to this session: it stays.
        if token is not None and not token.startswith("$pat-"):
            self._api.token = token
            try:
                await self._api.ask(object, "logout")
            except Expired:
                pass  # the session is over anyway
            finally:
                self._api.token = None

    async def close(self) -> None:
        await self._api.close()

    async def _enter(self, token: str) -> Login:
        await self._api.enter(token)
        session = await self._api.ask_maybe(SessionInformation, "getSessionInformation")
        username = session.userName if session else None
        if token.startswith("$pat-"):
            return await self._keep_token(token, username)
        if not self.fields.mint or self._api.server.get("personal-access-tokens-enabled") != "true":
            return Login(username=username)
        minted, ends = await self._mint()
        await self._api.ask(object, "logout")
        self._api.token = minted
        return Login(expires=ends, username=username, keep={"token": minted})

    async def _keep_token(self, token: str, username: str | None) -> Login:
        """Use a personal access token until its end, or renew it if that is due."""
        ids = [{"@type": "as.dto.pat.id.PersonalAccessTokenPermId", "permId": token}]
        options = rpc.fetch("pat.PersonalAccessToken")
        kind = dict[str, Token | None]
        found = (
            await self._api.ask_maybe(kind, "getPersonalAccessTokens", ids, options) or {}
        ).get(token)
        ends = found.validToDate / 1000 if found and found.validToDate else None
        fields = self.fields
        renewable = fields.mint and fields.username and fields.password
        if ends is None or not renewable:
            return Login(expires=ends, username=username)
        if ends - self._warning() > time.time():
            return Login(expires=ends - self._warning(), username=username)
        session = await self._api.login(fields.username or "", fields.password or "")
        if session is None:
            return Login(expires=ends, username=username)  # the old one is valid for some days
        self._api.token = session
        minted, ends = await self._mint()
        options = {"@type": "as.dto.pat.delete.PersonalAccessTokenDeletionOptions"}
        await self._api.ask(
            object,
            "deletePersonalAccessTokens",
            ids,
            {**options, "reason": "replaced by a new one"},
        )
        await self._api.ask(object, "logout")
        self._api.token = minted
        return Login(expires=ends, username=username, keep={"token": minted})

    async def _mint(self) -> tuple[str, float]:
        """Make a personal access token; return it, and when to replace it."""
        now = time.time()
        longest = self._seconds("personal-access-tokens-max-validity-period", 30 * DAY)
        name = f"{TOKEN_NAME} {self.context.name}"
        # Valid from a minute ago, as the clocks of two machines differ.
        creation = rpc.personal_access_token(name, now - 60, now - 60 + longest)
        made = await self._api.ask(list[PermId], "createPersonalAccessTokens", [creation])
        if not made:
            raise RemoteFailed("openBIS does not report the token that it made.")
        return made[0].permId, now + longest - self._warning()

    def _warning(self) -> float:
        return self._seconds("personal-access-tokens-validity-warning-period", 5 * DAY)

    def _seconds(self, name: str, default: float) -> float:
        """Return a setting in the server's description, in seconds."""
        try:
            seconds = float(self._api.server.get(name) or default)
        except ValueError:
            return default
        return seconds if 0 <= seconds <= LONGEST else default

    # -- browsing ------------------------------------------------------------------------------

    async def browse(self, path: str) -> list[Item]:
        return await lists.browse(self._api, path)

    async def dataset_types(self) -> list[DatasetType]:
        return await lists.dataset_types(self._api)

    async def check_object(self, identifier: str) -> None:
        await self._uploads.entity(identifier)

    async def datasets_of(self, identifier: str, start: int, count: int) -> dict[str, Any]:
        return await lists.datasets_of(self._api, identifier, start, count)

    async def dataset(self, perm_id: str) -> Dataset:
        options = rpc.data_set_options()
        ids = [rpc.object_id("dataset", perm_id)]
        kind = dict[str, DataSet | None]
        found = await self._api.ask_maybe(kind, "getDataSets", ids, options, limit=LISTS)
        one = (found or {}).get(perm_id)
        if one is None:
            raise NotFound(f"No such dataSet found: {perm_id}", permId=perm_id)
        data_store = one.dataStore or DataStore()
        store = store_url(data_store) or await self._api.store()
        files = await self._files(store, perm_id)
        self._last = (perm_id, store, {file.path: file.size for file in files})
        return Dataset(
            permId=perm_id,
            files=files,
            type=one.type.code if one.type else None,
            size=sum(file.size for file in files),
            dataStore=data_store.code,
            location=one.physicalData.location if one.physicalData else None,
            info={"kind": one.kind, **lists.about(one)},
        )

    async def _files(self, store: str, perm_id: str) -> list[File]:
        listed: list[DataSetFile] = []
        while True:
            criteria, options = rpc.files_of(perm_id, len(listed), FILES_A_PAGE)
            page = await self._api.ask_store(
                Page[DataSetFile],
                "searchFiles",
                criteria,
                options,
                store=store,
                limit=FILE_LISTS,
                plain=True,
            )
            listed += page.found
            if len(listed) > MAX_FILES:
                raise RemoteFailed(f"{perm_id} has more than {MAX_FILES} files.", permId=perm_id)
            # A server without paging has sent all at once.
            if not page.objects or len(listed) >= (page.totalCount or 0):
                return lists.files(listed)

    # -- reading -------------------------------------------------------------------------------

    async def read(
        self, perm_id: str, path: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        store, _ = await self._where(perm_id)
        pieces = read_file(self._api, store, perm_id, path, start, stop)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]

    async def fetch(self, perm_id: str, spans: Sequence[Span], sink: Sink) -> None:
        store, sizes = await self._where(perm_id)

        async def receive(api: Api) -> None:
            with sink.inline() as inline:
                if api.version <= (3, 5):
                    await fetch_each(api, store, perm_id, spans, inline)
                else:
                    await fetch_fast(api, store, perm_id, spans, sizes, inline)

        await self._api.apart(receive)

    async def _where(self, perm_id: str) -> tuple[str, dict[str, int]]:
        """Return the store of a data set and its files' sizes."""
        if self._last[0] != perm_id:
            await self.dataset(perm_id)
        return self._last[1:]

    # -- writing -------------------------------------------------------------------------------

    async def begin(self, new: NewDataset) -> str:
        return await self._uploads.begin(new)

    async def send(self, upload: str, spans: Sequence[Span], supply: Supply) -> None:
        await self._uploads.send(upload, spans, supply)

    async def commit(self, upload: str, new: NewDataset) -> str:
        return await self._uploads.commit(upload, new)

    async def abort(self, upload: str) -> None:
        """Do nothing: openBIS empties a session's workspace when the session ends."""

    # -- mounting ------------------------------------------------------------------------------

    async def sshfs(self) -> Sshfs:
        try:
            from jupyter_bridge.connections.connectors.ssh import login
        except ImportError as error:
            raise Unsupported(
                "Mounting openBIS needs asyncssh: pip install 'jupyter_bridge[sftp]'."
            ) from error
        fields, token = self.fields, self._api.held
        host = urlsplit(fields.url).hostname or ""
        # With a token as password, openBIS's SFTP server takes any name.
        user, password = "?", token
        if fields.username and fields.password:
            user, password = fields.username, fields.password
        where = login.SshAddress(host, fields.sftp_port, user, "/")
        credentials = login.Credentials(password, None, None)
        line = await login.connect(where, credentials, fields.host_key, self.context)
        try:
            key = line.get_server_host_key()
            if key is None:
                raise RemoteFailed(f"{where} has no host key.")
            known = login.line_of(where, key)
        finally:
            line.close()
            await line.wait_closed()
        return Sshfs(host, user, "/", fields.sftp_port, password, None, (known,))
