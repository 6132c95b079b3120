"""Transfers of data sets as jobs, and the routes that wait for a transfer to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.handlers.conns import ConnectionHandler
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.roles import CanRead
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.connections.transfers.transfer import Transfer
from jupyter_bridge.models.datasets import (
    Dataset,
    DownloadedModel,
    RegisterBody,
    RegisteredModel,
    UploadBody,
)
from jupyter_bridge.models.transfers import TransferBody, TransferModel
from jupyter_bridge.problems import BY_CODE, BadRequest, NotFound, RemoteFailed
from jupyter_bridge.web import JobHandler, StreamEvent, WaitQuery, verb


class TransfersBase(ConnectionHandler, JobHandler):
    """Base of the transfer routes."""

    def initialize(self, transfers: TransferStore, places: Places, **parts: Any) -> None:  # type: ignore[override]
        super().initialize(**parts)
        self.transfers = transfers
        self.places = places

    async def host_path(self, path: str) -> Path:
        """Return `path` on the host with all links resolved; a relative one is below the root.

        Raises Denied if it is neither below the root nor below one of c.BridgeApp.transfer_roots.
        """
        return await asyncio.to_thread(self.places.find, path)

    async def demand_transfer(self, direction: str, connection: str, action: str = "") -> None:
        """Demand permission for both sides of a transfer: the contents and the connection's.

        To start or resume it reads one side and writes the other; `action` names another permission
        for both.
        """
        writes = direction == "download"
        await self.demand(action or ("write" if writes else "read"), "contents")
        try:
            kind = self.connections.get(connection).connector
        except NotFound:
            return  # without a connection nothing is transferred
        await self.demand(action or ("read" if writes else "write"), *kind.host_resources)

    async def upload(self, conn: str, paths: list[str], entity: str, how: Any) -> Transfer:
        if not paths:
            raise BadRequest("files: name at least one.", field="files")
        connection = await self.find(conn, "write")
        starting = self.transfers.upload(
            conn,
            [await self.host_path(path) for path in paths],
            entity,
            type=how.type,
            parents=how.parents,
            props=how.props,
        )
        return await self.audited("upload", connection, starting)

    async def download(
        self, connection: Connection, perm_id: str, path: Path, files: list[str] | None = None
    ) -> Transfer:
        starting = self.transfers.download(connection.name, perm_id, str(path), files)
        return await self.audited("download", connection, starting)

    async def audited_transfer(
        self, action: str, transfer: Transfer, doing: Awaitable[Any]
    ) -> None:
        """As `audited`, for the connection of a transfer, unless it was removed meanwhile."""
        try:
            connection = transfer.connection
        except NotFound:
            await doing
        else:
            await self.audited(action, connection, doing)

    def started(self, transfer: Transfer) -> TransferModel:
        self.set_header("Location", self.link(f"/transfers/{transfer.id}"))
        return transfer.model()

    async def ended(self, transfer: Transfer) -> TransferModel | None:
        """Return the transfer at its end; answer 202 and return None if the client does not wait.

        Raises the transfer's Problem if it failed.
        """
        self.started(transfer)
        prefer = self.prefer()
        wait = 0.0 if prefer.respond_async and prefer.wait is None else prefer.wait
        model = await self.while_here(transfer.wait(), wait)
        if model is None:
            self.answer(transfer.model(), 202)
            return None
        return _whole(model)

    async def done(self, transfer: Transfer) -> TransferModel:
        """Return the transfer at its end, without a deadline. Raises its Problem if it failed."""
        model = await self.while_here(transfer.wait())
        assert model is not None, "there was no deadline"
        return _whole(model)


class TransfersHandler(TransfersBase):
    async def judge(self, **arguments: Any) -> None:
        body = arguments.get("body")
        if body is not None:
            await self.connections.loaded()
            await self.demand_transfer(body.direction, body.connection)

    @verb("read", "List or follow the transfers", reply=list[TransferModel], streams=True)
    async def get(self) -> list[TransferModel] | None:
        # Each has a path of this host, whatever its connection.
        may_read = await self.may("read", "contents")
        kind = self.streaming()
        if kind is not None:
            await self.stream(_all_events(self.transfers, shows=may_read), kind)
            return None
        return [transfer.model() for transfer in self.transfers.all() if may_read]

    @verb("write", "Start a transfer", body=TransferBody, reply=TransferModel, status=202)
    async def post(self, body: TransferBody) -> TransferModel:
        if body.direction == "download":
            connection = await self.find(body.connection)
            path = await self.host_path(body.path or ".")
            return self.started(await self.download(connection, body.permId, path, body.files))
        paths = [*([body.path] if body.path else []), *(body.files or [])]
        return self.started(await self.upload(body.connection, paths, body.permId, body))


class OneTransfer(TransfersBase):
    """Base of the routes of one transfer."""

    async def judge(self, **arguments: Any) -> None:
        transfer = self.transfers.get(arguments["transfer_id"])
        await self.connections.loaded()
        reads = self.request.method == "GET"
        job = transfer.job
        await self.demand_transfer(job.direction, job.connection, "read" if reads else "")


class TransferHandler(OneTransfer):
    @verb(
        "read",
        "Show or follow one transfer",
        query=WaitQuery,
        reply=TransferModel,
        streams=True,
    )
    async def get(self, transfer_id: str, query: WaitQuery) -> None:
        transfer = self.transfers.get(transfer_id)
        await self.answer_again(transfer, f"/transfers/{transfer.id}", query)

    @verb("write", "Cancel a transfer", reply=TransferModel, status=202)
    async def delete(self, transfer_id: str) -> TransferModel:
        transfer = self.transfers.get(transfer_id)
        await self.audited_transfer("cancel", transfer, self.transfers.cancel(transfer_id))
        return transfer.model()


class PauseHandler(OneTransfer):
    @verb("write", "Pause a transfer", reply=TransferModel, status=202)
    async def post(self, transfer_id: str) -> TransferModel:
        transfer = self.transfers.get(transfer_id)
        await self.audited_transfer("pause", transfer, self.transfers.pause(transfer_id))
        return self.started(transfer)


class ResumeHandler(OneTransfer):
    @verb("write", "Resume a failed or paused transfer", reply=TransferModel, status=202)
    async def post(self, transfer_id: str) -> TransferModel:
        transfer = self.transfers.get(transfer_id)
        await self.audited_transfer("resume", transfer, self.transfers.resume(transfer_id))
        return self.started(transfer)


class DownloadHandler(TransfersBase):
    async def judge(self, **arguments: Any) -> None:
        await self.connections.loaded()
        direction = "download" if self.request.method == "GET" else "upload"
        await self.demand_transfer(direction, arguments["conn"])

    @verb("write", "Download a data set to a path of the host", reply=DownloadedModel, proof=True)
    async def get(self, conn: str, perm_id: str, path: str | None = None) -> DownloadedModel | None:
        connection = await self.find(conn)
        target = await self.host_path(path or "")
        dataset: Dataset = await connection.use(CanRead, lambda one: one.dataset(perm_id))
        transfer = await self.download(connection, perm_id, target)
        if await self.ended(transfer) is None:
            return None
        place = str(target / perm_id)
        return DownloadedModel(
            url=connection.fields.url,
            permId=dataset.permId,
            path=place,
            dataStore=dataset.dataStore,
            location=dataset.location,
            size=dataset.size,
            files=[file.path for file in dataset.files if not file.directory],
            statusText=f"Data for DataSet {dataset.permId} was downloaded to {place}",
            transfer=transfer.id,
        )

    @verb("write", "Upload a path of the host", body=UploadBody, reply=RegisteredModel)
    async def post(
        self, conn: str, perm_id: str, body: UploadBody, path: str | None = None
    ) -> RegisteredModel | None:
        transfer = await self.upload(conn, [path or ""], perm_id, body)
        return _registered(conn, await self.ended(transfer))


class RegisterHandler(TransfersBase):
    async def judge(self, **arguments: Any) -> None:
        await self.connections.loaded()
        await self.demand_transfer("upload", arguments["conn"])

    @verb("write", "Register a data set from files", body=RegisterBody, reply=RegisteredModel)
    async def post(self, conn: str, body: RegisterBody) -> RegisteredModel | None:
        # jupyter-openbis-server's front ends quote the names.
        paths = [unquote(path) for path in body.files]
        transfer = await self.upload(conn, paths, body.entityIdentifier, body)
        return _registered(conn, await self.ended(transfer))


def _registered(conn: str, model: TransferModel | None) -> RegisteredModel | None:
    if model is None:
        return None
    message = f"DataSet successfully registered: {conn} with permId: {model.permId}"
    return RegisteredModel(200, model.permId, message, model.transfer)


async def _all_events(
    transfers: TransferStore, *, shows: bool
) -> AsyncGenerator[StreamEvent, None]:
    """Yield all transfers as they change; only an empty list unless the user may read them."""
    count = 0
    async with aclosing(transfers.watch()) as steps:
        async for step in steps:
            if isinstance(step, list):
                count += 1
                yield StreamEvent(count, "transfers", step if shows else [])
            elif shows:
                count += 1
                yield StreamEvent(count, "transfer", step)


def _whole(model: TransferModel) -> TransferModel:
    """Return the transfer if it is done; raise the Problem that ended it, in its own class."""
    if model.state == "done":
        return model
    details = dict(model.problem or {})
    kind = BY_CODE.get(str(details.pop("error", "")), RemoteFailed)
    message = str(details.pop("message", f"The transfer is {model.state}."))
    details.pop("reason", None)
    raise kind(message, **{**details, "transfer": model.transfer})
