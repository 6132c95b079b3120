"""sftp: the files of any ssh server, browsed, read, written, and mounted by sshfs.

A `permId` is a path below the URL's, of a file or a folder. The remote follows links, as in a
mount; a data set does not include the links in its folder.
"""

from __future__ import annotations

import asyncio
import posixpath
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import asyncssh
import msgspec

from jupyter_bridge.aio.gather import each
from jupyter_bridge.connections.connector import (
    Connector,
    Expired,
    Fields,
    HostPath,
    Login,
    Secret,
)
from jupyter_bridge.connections.connectors.ssh import login
from jupyter_bridge.connections.connectors.ssh.session import FILES, INCOMING, SftpSession, clean
from jupyter_bridge.connections.login_backoff import Account
from jupyter_bridge.connections.roles import (
    CanBrowse,
    CanMount,
    CanRead,
    CanWrite,
    NewDataset,
    Sink,
    Span,
    Sshfs,
    pour,
)
from jupyter_bridge.models.datasets import Dataset, File, Item
from jupyter_bridge.problems import BadRequest, Conflict, NotFound, RemoteFailed, Unsupported


class SftpFields(Fields, kw_only=True):
    """The account, and a password, a key file, or the agent and ~/.ssh's keys."""

    url: Annotated[str, msgspec.Meta(title="Address", description="sftp://host/path")]
    password: Annotated[Secret | None, msgspec.Meta(title="Password")] = None
    key_file: Annotated[
        HostPath | None,
        msgspec.Meta(title="Key file", description="A private key on the Jupyter host."),
    ] = None
    passphrase: Annotated[Secret | None, msgspec.Meta(title="Passphrase of the key")] = None
    host_key: Annotated[
        str | None,
        msgspec.Meta(
            title="Host key",
            description="The accepted fingerprint, SHA256:…; the first login shows it.",
        ),
    ] = None


class Sftp(Connector[SftpFields], CanBrowse, CanRead, CanWrite, CanMount):
    kind = "sftp"
    title = "SFTP"
    fields_type = SftpFields
    login_fields = ("host_key", "key_file")

    _session: SftpSession | None = None

    @classmethod
    def check(cls, fields: SftpFields) -> None:
        login.SshAddress.from_url(fields.url, fields.username)
        if fields.host_key is not None and not fields.host_key.startswith("SHA256:"):
            raise BadRequest("host_key: must be a fingerprint, SHA256:…", field="host_key")

    @property
    def needs(self) -> tuple[str, ...]:
        return ()  # the agent or the keys in ~/.ssh may be enough

    @property
    def where(self) -> login.SshAddress:
        return login.SshAddress.from_url(self.fields.url, self.fields.username)

    @property
    def account(self) -> Account:
        where = self.where
        return Account.of(self.kind, where.host, where.port, where.user)

    @property
    def session(self) -> SftpSession:
        if self._session is None or self._session.line.is_closed():
            raise Expired(f"{self.context.name} is not logged in.")
        return self._session

    async def login(self) -> Login:
        fields, where = self.fields, self.where
        credentials = login.Credentials(fields.password, fields.key_file, fields.passphrase)
        line = await login.connect(where, credentials, fields.host_key, self.context)
        try:
            session = await SftpSession.start(line, where.path)
        except BaseException:
            line.abort()
            raise
        await self.close()
        self._session = session
        key = line.get_server_host_key()
        assert key is not None
        return Login(username=where.user, keep={"host_key": key.get_fingerprint()})

    async def probe(self) -> None:
        await self.session.is_folder(self.session.root)

    async def logout(self) -> None:
        await self.close()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # -- reading -------------------------------------------------------------------------------

    async def browse(self, path: str) -> list[Item]:
        items = await self.session.items(path)
        return await asyncio.to_thread(
            sorted, items, key=lambda item: (item.kind != "folder", item.name)
        )

    async def dataset(self, perm_id: str) -> Dataset:
        session = self.session
        target = session.path(perm_id)
        attributes = await session.ask(perm_id, lambda sftp: sftp.stat(target))
        if await session.is_folder(target):
            kind, files = "folder", await session.walk(target)
        else:
            kind, files = "file", [File(posixpath.basename(target), attributes.size or 0)]
        size = sum(file.size for file in files)
        return Dataset(clean(perm_id), files, type=kind, size=size, location=target)

    async def file(self, perm_id: str, path: str) -> File:
        target = await self._member(perm_id, path)
        attributes = await self.session.ask(path, lambda sftp: sftp.stat(target))
        if attributes.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
            raise NotFound(f"{perm_id} has no file {path}.")
        return File(path, attributes.size or 0)

    async def read(
        self, perm_id: str, path: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        session = self.session
        target = await self._member(perm_id, path)
        attributes = await session.ask(path, lambda sftp: sftp.stat(target))
        size = attributes.size or 0
        pieces = session.pieces(target, start, size if stop is None else min(stop, size))
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]

    async def _member(self, perm_id: str, path: str) -> str:
        """Return the absolute path of one file of a data set."""
        session = self.session
        whole = session.path(perm_id)
        if await session.is_folder(whole):
            return session.path(f"{perm_id}/{path}")
        if path not in ("", posixpath.basename(whole)):
            raise NotFound(f"{perm_id} is one file; it has no {path}.")
        return whole

    async def fetch(self, perm_id: str, spans: Sequence[Span], sink: Sink) -> None:
        session = self.session
        folder = await session.is_folder(session.path(perm_id))

        async def bring(span: Span) -> None:
            target = session.path(f"{perm_id}/{span.path}" if folder else perm_id)
            await pour(session.pieces(target, span.start, span.stop), span, sink)

        await each(bring, spans, FILES)

    # -- writing -------------------------------------------------------------------------------

    async def begin(self, new: NewDataset) -> str:
        session = self.session
        if not await session.is_folder(session.path(new.entity)):
            raise NotFound(f"No folder named {new.entity!r} on {self.where}.")
        upload = uuid.uuid4().hex
        target = self._upload(upload)
        private = asyncssh.SFTPAttrs(permissions=0o700)
        await session.ask(upload, lambda sftp: sftp.mkdir(target, private))
        return upload

    async def append(self, upload: str, file: File, offset: int, data: bytes) -> None:
        target = await self._make_folders(upload, file)
        if not file.directory:
            await self.session.write(target, offset, data)

    async def commit(self, upload: str, new: NewDataset) -> str:
        session = self.session
        incoming = self._upload(upload)

        async def complete(file: File) -> None:
            if file.directory or not file.size:
                await self.append(upload, file, 0, b"")
                return
            target = f"{incoming}/{clean(file.path)}"
            attributes = await session.ask(file.path, lambda sftp: sftp.stat(target))
            if attributes.size != file.size:
                raise RemoteFailed(f"{file.path} has {attributes.size} bytes, not {file.size}.")

        await each(complete, new.files, FILES)
        found = await session.ask(upload, lambda sftp: sftp.listdir(incoming))
        names = sorted(str(name) for name in found if name not in (".", ".."))
        places = {name: session.path(f"{new.entity}/{name}") for name in names}
        for name, place in places.items():
            if await session.ask(name, lambda sftp, place=place: sftp.lexists(place)):  # type: ignore[misc]
                raise Conflict(f"{name} exists already.", taken=[name])
        for name, place in places.items():
            came = f"{incoming}/{name}"
            # A plain rename: unlike posix_rename it never replaces a new file at that path.
            await session.ask(name, lambda sftp, came=came, place=place: sftp.rename(came, place))  # type: ignore[misc]
        await session.ask(upload, lambda sftp: sftp.rmdir(incoming))
        base = clean(new.entity)
        return posixpath.join(base, names[0]) if len(names) == 1 else base

    async def abort(self, upload: str) -> None:
        target = self._upload(upload)
        await self.session.ask(upload, lambda sftp: sftp.rmtree(target, ignore_errors=True))

    def _upload(self, upload: str) -> str:
        if not upload.isalnum():
            raise BadRequest("There is no such upload.")
        return posixpath.join(self.session.root, f"{INCOMING}-{upload}")

    async def _make_folders(self, upload: str, file: File) -> str:
        """Return the path of the unfinished `file`, with its folders; NotFound if it is gone."""
        session = self.session
        parts = clean(file.path).split("/")
        target = self._upload(upload)
        for part in parts if file.directory else parts[:-1]:
            target = f"{target}/{part}"
            if target in session.made:
                continue
            try:
                await session.ask(upload, lambda sftp, target=target: sftp.mkdir(target))  # type: ignore[misc]
            except (RemoteFailed, Conflict):  # OpenSSH only says that it failed
                if not await session.is_folder(target):
                    raise
            session.made.add(target)
        return target if file.directory else f"{target}/{parts[-1]}"

    # -- mounting ------------------------------------------------------------------------------

    async def sshfs(self) -> Sshfs:
        fields, where = self.fields, self.where
        if fields.passphrase and not fields.password:
            raise Unsupported(
                "sshfs cannot use a key with a passphrase: add the key to the ssh agent, and "
                "remove the key file from the connection."
            )
        key = self.session.line.get_server_host_key()
        assert key is not None
        return Sshfs(
            where.host,
            where.user,
            self.session.root,
            where.port,
            fields.password,
            None if fields.password else fields.key_file,
            (login.line_of(where, key),),
        )
