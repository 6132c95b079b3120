"""Uploads to openBIS: chunks into the session's workspace, then one call that registers them.

A workspace belongs to one token and ends with it, so an upload's id has a mark of its token; under
another token the upload is Gone, and must begin again. Personal access tokens outlive this server
and its connections, session tokens usually do not.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from jupyter_bridge.aio.gather import gather
from jupyter_bridge.connections.connectors.openbis.api import REGISTER_SECONDS, Api
from jupyter_bridge.connections.connectors.openbis.models import (
    DataStore,
    Entity,
    Page,
    PermId,
    TableReport,
    perm_id_of,
)
from jupyter_bridge.connections.net.outbound import RequestBody
from jupyter_bridge.connections.roles import NewDataset, Span, Supply, SyncSupply, chunks_of
from jupyter_bridge.problems import (
    BadRequest,
    Gone,
    NotFound,
    RemoteFailed,
    TooLarge,
    Unsupported,
)
from jupyter_bridge.transport.answers import LISTS, sentence
from jupyter_bridge.wire.openbis import rpc
from jupyter_bridge.wire.openbis.rpc import FormError

# Each stream sends one chunk at a time, and repeats it after the process was killed.
CHUNK = 4 << 20
STREAMS = 4
# A chunk over a slow network (1 MiB/s) and its answer.
CHUNK_SECONDS = 120.0
# With a proxy that refuses even this, uploads fail.
SMALLEST_POST = 64 << 10
# The service of old openBIS servers that registers files of the workspace as a data set.
_SERVICE = "dataset-uploader-api"


# The answer for a new data set.
_MADE: Any = PermId | str | None


class Owner(NamedTuple):
    """The sample or experiment that a data set belongs to."""

    perm_id: str
    identifier: str


@dataclass(frozen=True)
class WorkspaceUpload:
    """An upload's id: the folder in the workspace, whether below `default/`, the mark."""

    folder: str
    many: bool
    mark: str

    @classmethod
    def begin(cls, api: Api, new: NewDataset) -> WorkspaceUpload:
        folder = str(uuid.uuid4())
        tops = {PurePosixPath(file.path).parts[0] for file in new.files}
        return cls(folder, len(tops) > 1, api.mark(folder))

    @classmethod
    def parse(cls, api: Api, text: str) -> WorkspaceUpload:
        """Return the upload of an id; Gone if its workspace ended with its token."""
        folder, _, rest = text.partition(":")
        many, _, mark = rest.partition(":")
        try:
            uuid.UUID(folder)
        except ValueError:
            raise BadRequest("There is no such upload.") from None
        upload = cls(folder, many == "many", mark)
        if api.mark(folder) != mark:
            raise Gone("openBIS deleted the uploaded files when the session ended.")
        return upload

    def __str__(self) -> str:
        return f"{self.folder}:{'many' if self.many else 'one'}:{self.mark}"

    def place(self, path: str, *, flat: bool) -> str:
        """Return the place of a file. Old servers register single files of a flat folder."""
        if flat:
            return f"{self.folder}-{path}"
        return f"{self.folder}/default/{path}" if self.many else f"{self.folder}/{path}"


class WorkspaceUploads:
    """Sends and registers uploads through one Api."""

    def __init__(self, api: Api) -> None:
        self._api = api
        # The largest request that a proxy accepts; lowered when it refuses one.
        self._largest = CHUNK

    @property
    def _is_old(self) -> bool:
        return self._api.version <= (3, 5)

    async def begin(self, new: NewDataset) -> str:
        """Return an upload's id; refuse a data set that could not be registered."""
        if not new.files:
            raise BadRequest("files: a data set needs at least one file.", field="files")
        if self._is_old and any(file.directory or "/" in file.path for file in new.files):
            raise Unsupported("This openBIS (API 3.5) takes files, but no folders.")
        if not new.type:
            raise BadRequest("type: openBIS needs the type of the data set.", field="type")
        await self.entity(new.entity)
        return str(WorkspaceUpload.begin(self._api, new))

    async def send(self, text: str, spans: Sequence[Span], supply: Supply) -> None:
        """As CanWrite.send, in a thread of its own that reads and sends."""
        upload = WorkspaceUpload.parse(self._api, text)
        await self._api.store()  # asked once, for all streams
        left = deque(spans)

        async def stream(api: Api, inline: SyncSupply) -> None:
            while left:
                span, *rest = chunks_of([left.popleft()], self._largest)
                left.extendleft(reversed(rest))
                try:
                    await self._post(api, upload, span, inline)
                except TooLarge:
                    size = span.stop - span.start
                    if size <= SMALLEST_POST:
                        raise
                    # A proxy's limit: send smaller pieces, as the workspace takes any size.
                    self._largest = min(self._largest, max(SMALLEST_POST, size // 4))
                    left.appendleft(span)
                else:
                    inline.sent(span)

        async def work(api: Api) -> None:
            with supply.inline() as inline:
                await gather([stream(api, inline) for _ in range(STREAMS)])

        await self._api.apart(work)

    async def commit(self, text: str, new: NewDataset) -> str:
        upload = WorkspaceUpload.parse(self._api, text)
        sample, experiment = await self.entity(new.entity)
        if self._is_old:
            return await self._register_old(upload, new, sample, experiment)
        creation = rpc.uploaded_data_set(
            *(upload.folder, new.type or ""),
            sample=sample and sample.perm_id,
            experiment=experiment and experiment.perm_id,
            parents=new.parents,
            properties=new.props,
        )
        made = await self._api.ask_store(
            _MADE,
            *("createUploadedDataSet", creation),
            timeout=REGISTER_SECONDS,
        )
        return _perm_id(made)

    async def _register_old(
        self,
        upload: WorkspaceUpload,
        new: NewDataset,
        sample: Owner | None,
        experiment: Owner | None,
    ) -> str:
        names = [upload.place(file.path, flat=True) for file in new.files]
        stores = await self._api.ask(
            Page[DataStore],
            "searchDataStores",
            rpc.search("datastore.DataStore"),
            rpc.fetch("datastore.DataStore"),
        )
        about = {
            "permId": None,
            "method": "insertDataSet",
            "sampleIdentifier": sample and sample.identifier,
            "experimentIdentifier": experiment and experiment.identifier,
            "dataSetType": new.type,
            "folderName": upload.folder,
            "fileNames": names,
            "isZipDirectoryUpload": False,
            "properties": new.props,
            "parentIdentifiers": new.parents,
        }
        if not stores.objects:
            raise RemoteFailed(f"{self._api.url} has no data store.")
        made = await self._api.ask_v1(
            *(TableReport, "createReportFromAggregationService"),
            *(stores.objects[0].code, _SERVICE, about),
        )
        try:
            row = [cell.value for cell in made.rows[0]]
            if row[0] != "OK":
                raise RemoteFailed(f"openBIS did not register the data set: {sentence(row[1])}")
            return str(row[2])
        except IndexError:
            raise RemoteFailed("openBIS does not report the data set that it registered.") from None

    async def entity(self, name: str) -> tuple[Owner | None, Owner | None]:
        """Return the sample or the experiment of this name, as permId and identifier."""
        for kind, method in (("sample", "getSamples"), ("experiment", "getExperiments")):
            options = rpc.fetch(f"{kind}.{kind.capitalize()}")
            ids = [rpc.object_id(kind, name)]
            found = await self._api.ask_maybe(dict[str, Entity], method, ids, options, limit=LISTS)
            for one in (found or {}).values():
                known = Owner(_perm_id(one.permId), one.name)
                return (known, None) if kind == "sample" else (None, known)
        raise NotFound(f"openBIS has no object or collection {name}.", entity=name)

    async def _post(
        self, api: Api, upload: WorkspaceUpload, span: Span, supply: SyncSupply
    ) -> None:
        size = span.stop - span.start
        folder = supply.file(span.path).directory
        name = upload.place(span.path, flat=self._is_old)
        number = span.start // self._largest + 1
        query = rpc.upload_query(*(name, number, span.start, span.stop, api.held), folder=folder)
        url = f"{await api.store()}{rpc.UPLOAD}?{query}"
        body = RequestBody(size, supply.pieces(span))
        answer = await api.outbound.ask("POST", url, body=body, timeout=CHUNK_SECONDS)
        if answer.status != 200:
            raise await api.judge(answer, "room for the upload")
        try:
            taken = rpc.parse_uploaded(answer.body)
        except FormError as error:
            raise RemoteFailed(f"openBIS refused a chunk: {error}") from None
        if taken != size:
            raise RemoteFailed(f"openBIS took {taken} of {size} bytes.")


def _perm_id(value: PermId | str | None) -> str:
    found = perm_id_of(value)
    if not found:
        raise RemoteFailed("openBIS does not report the data set that it made.")
    return found
