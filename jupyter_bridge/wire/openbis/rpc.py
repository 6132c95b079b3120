"""openBIS as bytes: JSON-RPC v3 bodies, Jackson's references, upload requests.

**Calls** are POSTed to the application server (AS) and the data store server (DSS), without special
headers: JSON-RPC 2.0, whose first parameter is the session token (not in `login`):

    {"jsonrpc": "2.0", "id": "1", "method": "getDataSets", "params": ["<token>", …]}

The answer is 200 with `{"result": …}` or `{"error": {"code", "message", "data"}}`. Objects name
their class in `@type`. An expired session is an error whose message says so.

**References**: Jackson gives every object an `@id` where it is first written; later it writes that
bare integer in its place, in whatever order its fields come. Only fields and lists that hold
objects may hold such an integer (`REFERENCES`): a `fileLength` of 5 is no reference.

**Uploads** go into the session's workspace, a folder on the DSS that belongs to one session token:

    POST …/session_workspace_file_upload?filename=&id=&startByte=&endByte=&emptyFolder=&sessionID=

with the raw bytes `startByte` to `endByte` (exclusive) as body, in any order; the answer is JSON
with `status: "ok"` and the number of bytes as `size`. `createUploadedDataSet` then makes one upload
folder a data set. The names of the classes are those of openBIS's public V3 API.

Bytes that break these rules raise `FormError`; an error of the server raises `RpcError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.json_errors import JSON_ERRORS

AS_V3 = "/openbis/openbis/rmi-application-server-v3.json"
AS_V1 = "/openbis/openbis/rmi-query-v1.json"
DSS_V3 = "/datastore_server/rmi-data-store-server-v3.json"
UPLOAD = "/datastore_server/session_workspace_file_upload"
FILES = "/datastore_server"
# openBIS uploads larger files in pieces of this size, bytes.
UPLOAD_CHUNK = 10 << 20
# The answer to one piece is a small object, bytes.
MAX_UPLOADED = 64 << 10

# Fields whose value is an object or a list of objects: only there a bare integer is a reference.
REFERENCES = frozenset(
    """
    children component components container containers contentCopies creatorPerson dataSet dataSetId
    dataSetPermId dataSets dataSetType dataStore entityType experiment experiments externalDms files
    identifier leader linkedData modifier objects options owner parents permId person physicalData
    plugin project propertyAssignment propertyAssignments propertyType registrator sample samples
    sampleType semanticAnnotations space storageFormat tags terms type user users validationPlugin
    vocabulary
    """.split()  # noqa: SIM905
)
# The messages of several server versions about an invalid token.
_LOGIN = re.compile("please log ?in", re.IGNORECASE)
_SESSION = re.compile("session ", re.IGNORECASE)
_ENDED = re.compile("is invalid|not valid|expired|no longer", re.IGNORECASE)


class FormError(ValueError):
    """The bytes are not openBIS's protocol."""


class RpcError(ValueError):
    """An error of the server; `expired` tells whether a new login may help."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    @property
    def expired(self) -> bool:
        session = _SESSION.search(self.message)
        ended = session and _ENDED.search(self.message, session.end())
        return bool(ended or _LOGIN.search(self.message))


# -- calls and answers -------------------------------------------------------------------------


def build_call(method: str, *params: Any) -> bytes:
    """Return the body of one call."""
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "id": "1", "method": method, "params": list(params)}
    )


_ANYTHING: Any = Any


class _Error(msgspec.Struct):
    message: str = "an error without a message"
    code: int | None = None


class _Reply(msgspec.Struct):
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _Error | str | None = None


def parse_answer(body: bytes, kind: Any, limit: int, *, plain: bool = False) -> Any:
    """Decode the `result` in `body` as `kind`, references resolved; RpcError or FormError.

    The body may have at most `limit` bytes. `plain` says that no field of `kind` is a reference:
    the result is decoded directly, with a third of the memory.
    """
    try:
        reply = bounded.decode(body, _Reply, limit)
    except JSON_ERRORS as error:
        raise FormError(f"the answer is not JSON-RPC: {error}") from None
    if isinstance(reply.error, _Error):
        raise RpcError(reply.error.message, reply.error.code)
    if reply.error is not None:
        raise RpcError(reply.error)
    if isinstance(reply.result, msgspec.UnsetType):
        raise FormError("the answer has neither a result nor an error")
    try:
        if plain:
            return bounded.decode(bytes(reply.result), kind, limit)
        result = bounded.decode(bytes(reply.result), _ANYTHING, limit)
        return msgspec.convert(resolve(result), kind, strict=True)
    except JSON_ERRORS as error:
        raise FormError(f"the answer has another form: {error}") from None


def resolve(value: Any) -> Any:
    """Replace every reference in `value`, in place, by its object; return the value.

    Objects that refer to each other form a ring. An integer without an object is unchanged.
    """
    known: dict[int, dict[str, Any]] = {}
    places: list[tuple[Any, Any]] = []
    waiting = [(value, True)]
    # Not recursive: the server decides how deep an answer is.
    while waiting:
        node, holds_objects = waiting.pop()
        if isinstance(node, dict):
            name = node.get("@id")
            if isinstance(name, int):
                known.setdefault(name, node)
            # A map of objects (data sets by permId) has no @type, and holds them as a list does.
            is_map = holds_objects and "@type" not in node
            for key, child in node.items():
                referring = (is_map and key != "@id") or key in REFERENCES
                if isinstance(child, int) and referring and not isinstance(child, bool):
                    places.append((node, key))
                elif isinstance(child, (dict, list)):
                    waiting.append((child, key in REFERENCES or (is_map and type(child) is list)))
        elif isinstance(node, list):
            for index, child in enumerate(node):
                if isinstance(child, int) and holds_objects and not isinstance(child, bool):
                    places.append((node, index))
                elif isinstance(child, (dict, list)):
                    waiting.append((child, holds_objects))
    for holder, key in places:
        holder[key] = known.get(holder[key], holder[key])
    return value


# -- parameters --------------------------------------------------------------------------------


def fetch(kind: str, /, *names: str, **nested: Any) -> dict[str, Any]:
    """Return fetch options of `kind` ("dataset.DataSet"): plain `names` and `nested` options."""
    options: dict[str, Any] = {"@type": _dto(kind, "fetchoptions", "FetchOptions")}
    for name in names:
        options[name] = {"@type": _dto(_PLAIN[name], "fetchoptions", "FetchOptions")}
    return {**options, **nested}


_PLAIN = {
    "dataStore": "datastore.DataStore",
    "experiment": "experiment.Experiment",
    "modifier": "person.Person",
    "owner": "person.Person",
    "parents": "dataset.DataSet",
    "physicalData": "dataset.PhysicalData",
    "project": "project.Project",
    "properties": "property.Property",
    "registrator": "person.Person",
    "sample": "sample.Sample",
    "terms": "vocabulary.VocabularyTerm",
    "type": "dataset.DataSetType",
}


def _dto(kind: str, part: str, ending: str) -> str:
    area, _, name = kind.partition(".")
    return f"as.dto.{area}.{part}.{name}{ending}"


def data_set_options(**paging: Any) -> dict[str, Any]:
    """Return the fetch options of a list of data sets."""
    plain = ("type", "properties", "dataStore", "physicalData", "experiment", "sample")
    return fetch("dataset.DataSet", *plain, "registrator", "modifier", **paging)


def data_set_type_options() -> dict[str, Any]:
    """Return the fetch options of a data set type, its properties and their vocabularies' terms."""
    vocabulary = fetch("vocabulary.Vocabulary", "terms")
    property_type = fetch("property.PropertyType", vocabulary=vocabulary)
    assignments = fetch("property.PropertyAssignment", propertyType=property_type)
    return fetch("dataset.DataSetType", propertyAssignments=assignments)


def object_id(kind: str, name: str) -> dict[str, str]:
    """Return the id of a `sample`, `experiment` or `dataset`, from its identifier or permId."""
    class_name = {"dataset": "DataSet"}.get(kind, kind.capitalize())
    if "/" not in name:
        return {"@type": f"as.dto.{kind}.id.{class_name}PermId", "permId": name}
    identifier = "/" + name.strip("/").upper()
    return {"@type": f"as.dto.{kind}.id.{class_name}Identifier", "identifier": identifier}


def search(kind: str, *criteria: Mapping[str, Any], operator: str = "AND") -> dict[str, Any]:
    """Return search criteria over `kind` ("dataset.DataSet"); no criterion finds everything."""
    name = _dto(kind, "search", "SearchCriteria")
    return {"@type": name, "criteria": list(criteria), "operator": operator}


def where(field: str, value: str) -> dict[str, Any]:
    """Return the criterion that a `code`, `permId` or `identifier` equals `value`."""
    name = {"permId": "PermId"}.get(field, field.capitalize())
    return {
        "@type": f"as.dto.common.search.{name}SearchCriteria",
        "fieldName": {"permId": "perm_id"}.get(field, field),
        "fieldType": "ATTRIBUTE",
        "fieldValue": {"@type": "as.dto.common.search.StringEqualToValue", "value": value},
    }


def files_of(perm_id: str, start: int, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the criteria and fetch options with which `searchFiles` lists a data set's files."""
    inside = search("dataset.DataSet", where("code", perm_id), operator="OR")
    return (
        {
            "@type": "dss.dto.datasetfile.search.DataSetFileSearchCriteria",
            "criteria": [inside],
            "operator": "AND",
        },
        {
            "@type": "dss.dto.datasetfile.fetchoptions.DataSetFileFetchOptions",
            "from": start,
            "count": count,
        },
    )


def file_id(perm_id: str, path: str) -> dict[str, Any]:
    """Return the id of one file for `createFastDownloadSession`."""
    return {
        "@type": "dss.dto.datasetfile.id.DataSetFilePermId",
        "dataSetId": {"@type": "as.dto.dataset.id.DataSetPermId", "permId": perm_id},
        "filePath": f"{perm_id}/{path}",
    }


def personal_access_token(name: str, valid_from: float, valid_to: float) -> dict[str, Any]:
    """Return the creation of a token for the session `name`; times are seconds since the epoch."""
    return {
        "@type": "as.dto.pat.create.PersonalAccessTokenCreation",
        "sessionName": name,
        "validFromDate": int(valid_from * 1000),
        "validToDate": int(valid_to * 1000),
    }


def uploaded_data_set(
    upload: str,
    type_code: str,
    *,
    sample: str | None = None,
    experiment: str | None = None,
    parents: Iterable[str] = (),
    properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the creation of a data set from the upload folder `upload`."""
    creation: dict[str, Any] = {
        "@type": "dss.dto.dataset.create.UploadedDataSetCreation",
        "typeId": {
            "@type": "as.dto.entitytype.id.EntityTypePermId",
            "permId": type_code,
            "entityKind": "DATA_SET",
        },
        "properties": dict(properties or {}),
        "parentIds": [object_id("dataset", parent) for parent in parents],
        "uploadId": upload,
    }
    if sample is not None:
        creation["sampleId"] = object_id("sample", sample)
    if experiment is not None:
        creation["experimentId"] = object_id("experiment", experiment)
    return creation


# -- uploads -----------------------------------------------------------------------------------


def upload_query(
    filename: str, number: int, start: int, end: int, token: str, *, folder: bool = False
) -> str:
    """Return the query of one upload request; it contains the token, so never show it.

    `end` is exclusive. `number` counts a file's chunks from 1. `folder` creates an empty folder.
    """
    return (
        f"filename={quote(filename, safe='/')}&id={number}&startByte={start}&endByte={end}"
        f"&emptyFolder={folder}&sessionID={quote(token, safe='')}"
    )


def upload_chunks(size: int, chunk: int = UPLOAD_CHUNK) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end (exclusive) of each chunk of a file; an empty file has one."""
    for number, start in enumerate(range(0, max(size, 1), chunk), 1):
        yield number, start, min(start + chunk, size)


class _Uploaded(msgspec.Struct):
    status: str | None = None
    size: int | str | None = None


def parse_uploaded(body: bytes) -> int:
    """Return how many bytes of a chunk the server accepted; FormError unless its status is ok."""
    try:
        answer = bounded.decode(body, _Uploaded, MAX_UPLOADED)
    except JSON_ERRORS as error:
        raise FormError(f"the answer to a chunk has another form: {error}") from None
    if answer.status != "ok":
        raise FormError("the server did not accept the chunk")
    size = bounded.number(str(answer.size), (1 << 63) - 1)
    if size is None:
        raise FormError("the answer to a chunk has no size")
    return size
