"""connectors/openbis.py: sessions, tokens, lists, files, against the simulator."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from pybis import Openbis

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import WrongCredentials
from jupyter_bridge.connections.connectors.openbis import download
from jupyter_bridge.connections.net.tls import TLSSettings
from jupyter_bridge.connections.roles import (
    CanBrowse,
    CanRead,
    CanWrite,
    HasObjects,
    NewDataset,
    Span,
)
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import (
    Denied,
    Gone,
    NotFound,
    Problem,
    RemoteFailed,
    TooLarge,
    Unavailable,
)
from tests.simulators.openbis.client import MemorySink, MemorySupply, connection
from tests.simulators.openbis.files import Files
from tests.simulators.openbis.fixtures import APIS, CONTENT, IN_DATA_SET, simulator  # noqa: F401
from tests.simulators.openbis.simulator import Simulator

T = TypeVar("T")


async def run(
    simulator: Simulator,  # noqa: F811
    folder: Path,
    do: Callable[[Connection], Awaitable[T]],
    **fields: Any,
) -> T:
    """`do` with a connection to the simulator."""
    async with connection(simulator.url, folder, **fields) as one:
        return await do(one)


async def fetch(one: Connection, perm_id: str) -> dict[str, bytes]:
    """All files of a data set."""
    sink = MemorySink()
    found = await one.use(CanRead, lambda c: c.dataset(perm_id))
    spans = [Span(file.path, 0, file.size) for file in found.files]
    await one.use(CanRead, lambda c: c.fetch(perm_id, spans, sink))
    return {file.path: bytes(sink.files.get(file.path, b"")) for file in found.files}


async def put(one: Connection, files: dict[str, bytes], entity: str = "/LAB/PROJECT/S1") -> str:
    """A new data set of these files; of each the last megabyte is asked for first."""
    new = NewDataset(
        entity, [File(name, len(data)) for name, data in files.items()], "RAW_DATA", [], {}
    )
    spans = [
        Span(name, start, min(start + 1_000_000, len(data)))
        for name, data in files.items()
        for start in reversed(range(0, max(1, len(data)), 1_000_000))
    ]
    supply = MemorySupply(files)
    upload = await one.use(CanWrite, lambda c: c.begin(new))
    await one.use(CanWrite, lambda c: c.send(upload, spans, supply))
    assert sum(span.stop - span.start for span in supply.has) == sum(map(len, files.values()))
    return await one.use(CanWrite, lambda c: c.commit(upload, new))


# -- the session -------------------------------------------------------------------------------


async def test_a_wrong_password_is_told_as_such(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """openBIS's null is a 401 that names the connection, and not the password."""
    with pytest.raises(WrongCredentials, match="bis") as caught:
        await run(simulator, tmp_path, Connection.login, password="TOPSECRET")
    assert "TOPSECRET" not in repr(caught.value)


async def test_64_calls_that_find_the_session_over_share_one_login(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """A token that is killed costs one login, whoever waits."""
    simulator.store.add(CONTENT)

    async with connection(simulator.url, tmp_path) as one:
        await one.login()
        simulator.store.end_all()
        await asyncio.gather(*(one.use(HasObjects, lambda c: c.dataset_types()) for _ in range(64)))
    assert simulator.store.logins == 2


async def test_a_logout_ends_the_session_there(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """After it openBIS knows the token no more."""
    async with connection(simulator.url, tmp_path) as one:
        await one.login()
        assert len(simulator.store.tokens) == 1
        await one.logout()
    assert not simulator.store.tokens


async def test_a_token_is_minted_kept_and_replaced_in_time(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """With `mint` a personal access token stands in for the session, and is renewed early."""

    async def work(one: Connection) -> str:
        await one.login()
        token = one.fields.token  # type: ignore[attr-defined]
        assert isinstance(token, str)
        return token

    first = await run(simulator, tmp_path, work, mint=True)
    assert first.startswith("$pat-ada-")
    assert set(simulator.store.tokens) == {first}
    again = await run(simulator, tmp_path, work, token=first)
    assert again == first
    simulator.store.tokens[first].valid_to = time.time() + 3600  # within the warning period
    fields = {"username": "ada", "password": "secret", "token": first, "mint": True}
    second = await run(simulator, tmp_path, work, **fields)
    assert second != first
    assert set(simulator.store.tokens) == {second}


async def test_a_token_that_is_over_needs_a_person(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """Without a password there is nothing else to try."""
    with pytest.raises(WrongCredentials):
        await run(simulator, tmp_path, Connection.login, token="$pat-ada-000x00")


async def test_no_token_is_in_a_problem(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """openBIS repeats the token in its error; the bridge does not."""
    async with connection(simulator.url, tmp_path) as one:
        await one.login()
        token = next(iter(simulator.store.tokens))
        creation = {"uploadId": token, "typeId": {"permId": "RAW_DATA"}}
        with pytest.raises(RemoteFailed, match="must hold one file") as caught:
            await one.connector._api.ask_store(object, "createUploadedDataSet", creation)  # type: ignore[attr-defined]
        assert token not in caught.value.message


# -- the wire and what stands on it ------------------------------------------------------------


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "http://other/"])
async def test_a_redirect_is_not_followed(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    target: str,
) -> None:
    """Not to a metadata address, and not to another host."""
    simulator.knobs.redirect = target
    with pytest.raises((RemoteFailed, Denied)):
        await run(simulator, tmp_path, Connection.login)


async def test_a_certificate_of_its_own_is_trusted_only_when_named(tmp_path: Path) -> None:
    """Self-signed: refused, unless its file or its fingerprint was given for this connection."""
    pem = tmp_path / "tls.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(pem), "-out", str(tmp_path / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    cert = (tmp_path / "cert.pem").read_text()
    pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert)).hexdigest()
    with pem.open("a") as whole:
        whole.write(cert)

    async def login(url: str, trust: TLSSettings) -> str:
        async with connection(url, tmp_path, trust=trust) as one:
            await one.login()
            return one.state

    with Simulator(tmp_path / "openbis", tls=pem) as secured:
        with pytest.raises(RemoteFailed, match="not trusted"):
            await login(secured.url, TLSSettings())
        for trust in (TLSSettings(ca_file=str(tmp_path / "cert.pem")), TLSSettings(pin=pin)):
            assert (await login(secured.url, trust)) == "connected"


async def test_a_huge_answer_is_refused(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer larger than any honest one is an error, not memory."""
    simulator.knobs.padding = 130 << 20
    with pytest.raises(RemoteFailed, match="more than"):
        await run(simulator, tmp_path, Connection.login)


async def test_nothing_of_the_host_is_sent_along(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """No cookie and no Authorization go to openBIS."""
    await run(simulator, tmp_path, Connection.login)
    sent = {name for headers in simulator.headers for name in headers}
    assert not sent & {"Cookie", "Authorization", "X-XSRFToken"}


# -- lists -------------------------------------------------------------------------------------


@pytest.mark.parametrize("references", [True, False])
async def test_data_set_types(simulator: Simulator, tmp_path: Path, references: bool) -> None:  # noqa: F811
    """All types come in one request, with the terms of their vocabularies."""
    simulator.knobs.references = references

    async with connection(simulator.url, tmp_path) as one:
        types = await one.use(HasObjects, lambda c: c.dataset_types())
    assert [one.code for one in types] == ["RAW_DATA", "ANALYZED_DATA"]
    name, colour = types[1].propertyAssignments
    assert (name.code, name.mandatory, name.terms) == ("$NAME", False, None)
    assert colour.mandatory
    assert [term.code for term in colour.terms or []] == ["RED", "BLUE"]
    assert simulator.calls.seen.count("searchDataSetTypes") == 1


async def test_data_sets_of_an_object_page_by_page(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """A sample's, by identifier; else an experiment's; nobody's is an empty page."""
    for number in range(7):
        simulator.store.add(
            {"n": b"1"}, sample="/LAB/PROJECT/S1", properties={"$NAME": f"n{number}"}
        )
    simulator.store.add({"n": b"123"}, experiment="/LAB/PROJECT/E1")

    async with connection(simulator.url, tmp_path) as one:
        asked = [("lab/project/s1", 5, 5), ("20240101000000000-2", 0, 5), ("/LAB/PROJECT/X", 0, 5)]
        of_sample, of_experiment, of_nobody = [
            await one.use(HasObjects, lambda c: c.datasets_of(*ask))  # noqa: B023
            for ask in asked
        ]
    assert [one["$NAME"] for one in of_sample["dataSets"]] == ["n5", "n6"]
    assert (of_sample["totalCount"], of_sample["start_with"], of_sample["count"]) == (7, "5", "5")
    assert of_experiment["dataSets"][0]["experiment"] == "/LAB/PROJECT/E1"
    assert of_experiment["dataSets"][0]["size"] == 3
    assert (of_nobody["dataSets"], of_nobody["totalCount"]) == ([], 0)


async def test_browse_goes_down_to_the_data_sets(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """Spaces, projects, collections and objects, data sets."""
    made = simulator.store.add({"n": b"1"}, sample="/LAB/PROJECT/S1")

    async with connection(simulator.url, tmp_path) as one:
        found = []
        for path in ("", "LAB", "LAB/PROJECT", "LAB/PROJECT/S1"):
            items = await one.use(CanBrowse, lambda c: c.browse(path))  # noqa: B023
            found.append([(item.path, item.kind) for item in items])
    assert found == [
        [("LAB", "space")],
        [("LAB/PROJECT", "project")],
        [("LAB/PROJECT/E1", "experiment"), ("LAB/PROJECT/S1", "sample")],
        [(f"LAB/PROJECT/S1/{made.perm_id}", "dataset")],
    ]


async def test_a_data_set_that_is_not_there(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """NotFound, in the words of the older server."""
    with pytest.raises(NotFound, match="No such dataSet found: 2024-99"):
        await run(simulator, tmp_path, lambda one: fetch(one, "2024-99"))


# -- files -------------------------------------------------------------------------------------


@APIS
@pytest.mark.parametrize("chunk", [100_000, 1 << 20, 3 << 20])
async def test_every_byte_arrives(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    api: str,
    chunk: int,
) -> None:
    """By the way each version has, whatever the size of its chunks and the names of its files."""
    simulator.knobs.api, simulator.knobs.chunk_bytes = api, chunk
    made = simulator.store.add(CONTENT)
    assert (await run(simulator, tmp_path, lambda one: fetch(one, made.perm_id))) == IN_DATA_SET


@APIS
async def test_a_part_of_a_file_arrives(simulator: Simulator, tmp_path: Path, api: str) -> None:  # noqa: F811
    """What is asked for comes, and no more than a chunk beside it."""
    simulator.knobs.api = api
    data = os.urandom(5 << 20)
    made = simulator.store.add({"big": data})

    async with connection(simulator.url, tmp_path) as one:
        sink = MemorySink()
        spans = [Span("original/big", 1_500_000, 1_600_000)]
        await one.use(CanRead, lambda c: c.fetch(made.perm_id, spans, sink))
    assert sink.files["original/big"][1_500_000:1_600_000] == data[1_500_000:1_600_000]
    assert simulator.files.sent <= 1 << 20


@pytest.mark.parametrize("ranges", [True, False])
async def test_one_file_is_read_from_anywhere(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    ranges: bool,
) -> None:
    """Also from a server that knows no ranges."""
    simulator.knobs.ranges = ranges
    data = os.urandom(3 << 20)
    made = simulator.store.add({"big": data})

    async with connection(simulator.url, tmp_path) as one:
        found = []
        for start, stop in ((0, None), (1000, 2_000_000), (5, 6), (7, 7), (3_000_000, None)):
            connector = await one.ready(CanRead)
            pieces = connector.read(made.perm_id, "original/big", start, stop)
            found.append(b"".join([piece async for piece in pieces]))
    assert found == [*(data, data[1000:2_000_000], data[5:6], b"", data[3_000_000:])]


async def test_damaged_and_late_chunks_are_asked_for_again(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
) -> None:
    """A chunk that its CRC32 denies, or an empty answer, costs a round."""
    simulator.knobs.bad_chunks, simulator.knobs.empty_chunks = 3, 5
    made = simulator.store.add(CONTENT)
    assert (await run(simulator, tmp_path, lambda one: fetch(one, made.perm_id))) == IN_DATA_SET


async def test_chunks_that_stay_damaged_end_it(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """Not for ever, and not as a success."""
    simulator.knobs.bad_chunks = 10**6
    made = simulator.store.add(CONTENT)
    with pytest.raises(RemoteFailed, match="damaged"):
        await run(simulator, tmp_path, lambda one: fetch(one, made.perm_id))


@pytest.mark.parametrize("offered", ["0:3000000", "0:4294967294", "0:1", "x", "-1:0"])
async def test_more_chunks_than_a_file_can_have(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    offered: str,
) -> None:
    """60 bytes of an answer name no set of numbers: it took 374 MB."""
    start = Files._start

    def lie(files: Files, values: dict[str, str]) -> web.Response:
        told = json.loads(start(files, values).text or "")
        told["ranges"] = dict.fromkeys(told["ranges"], offered)
        return web.json_response(told)

    monkeypatch.setattr(Files, "_start", lie)
    made = simulator.store.add({"one": b"x"})
    with pytest.raises(RemoteFailed, match="no chunks of"):
        await run(simulator, tmp_path, lambda one: fetch(one, made.perm_id))


@pytest.mark.parametrize("megabytes", [1, 10_000, 100_000_000])
def test_what_is_queued_is_bounded(megabytes: int) -> None:
    """A file of any size that a server claims: one round has so many of its chunks."""
    size = megabytes << 20
    file = download._File("f", size, range(5, 5 + megabytes), [Span("f", 0, size)])
    session = download.FastDownload.__new__(download.FastDownload)
    session._files = {"f": file}
    assert len(session._wanted()) == min(megabytes, download.MAX_QUEUED)
    file.came.add(0, 1 << 20)
    assert min(session._wanted(), default=6) == 6
    file.ask_whole()
    assert len(session._wanted()) <= download.MAX_QUEUED


async def test_a_chunk_of_another_name_is_refused(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """The server does not choose where its bytes go."""
    simulator.knobs.hostile_chunks = {"original/a.txt": "../../etc/passwd"}
    made = simulator.store.add(CONTENT)
    with pytest.raises(RemoteFailed, match="not requested"):
        await run(simulator, tmp_path, lambda one: fetch(one, made.perm_id))


async def test_a_line_that_breaks_is_told(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """What broke off is Unavailable: the transfer goes on from there."""
    simulator.knobs.drop_after, simulator.knobs.drops = 300_000, 100
    made = simulator.store.add(CONTENT)
    with pytest.raises(Unavailable):
        await run(simulator, tmp_path, lambda one: fetch(one, made.perm_id))


@pytest.mark.parametrize(
    ("status", "problem"), [(413, TooLarge), (500, RemoteFailed), (502, Unavailable)]
)
async def test_a_refused_download_is_told(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    status: int,
    problem: type[Problem],
) -> None:
    """Each status has its Problem."""
    simulator.knobs.download_faults = dict.fromkeys(range(1, 20), status)
    made = simulator.store.add(CONTENT)
    with pytest.raises(problem):
        await run(simulator, tmp_path, lambda one: fetch(one, made.perm_id))


# -- uploads -----------------------------------------------------------------------------------


@APIS
async def test_what_the_bridge_writes_pybis_reads(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    api: str,
) -> None:
    """Chunk by chunk up here, by pyBIS down there, byte for byte."""
    simulator.knobs.api = api
    files = {"big.bin": os.urandom(3_500_000), "empty": b"", "grüße.txt": b"hi"}
    if api != "3.5":
        files["deep/er.bin"] = b"deep"
    perm_id = await run(simulator, tmp_path, lambda one: put(one, files))
    theirs = Openbis(
        simulator.url,
        allow_http_but_do_not_use_this_in_production_and_only_within_safe_networks=True,
    )
    theirs.login("ada", "secret")
    data_set = theirs.get_dataset(perm_id)
    data_set.download(destination=str(tmp_path / "down"))
    found = {
        path.name if path.parent.name != "deep" else f"deep/{path.name}": path.read_bytes()
        for path in (tmp_path / "down").rglob("*")
        if path.is_file()
    }
    wanted = files
    if api == "3.5":  # its upload service calls files as the workspace did
        found = {name[37:]: data for name, data in found.items()}
    assert found == wanted
    assert data_set.sample.identifier == "/LAB/PROJECT/S1"


@APIS
async def test_what_pybis_writes_the_bridge_reads(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    api: str,
) -> None:
    """Up by pyBIS, in chunks of its own size, down here, byte for byte."""
    simulator.knobs.api = api
    source = tmp_path / "up.bin"
    source.write_bytes(os.urandom(11 << 20))
    theirs = Openbis(
        simulator.url,
        allow_http_but_do_not_use_this_in_production_and_only_within_safe_networks=True,
    )
    theirs.login("ada", "secret")
    made = theirs.new_dataset(type="RAW_DATA", experiment="/LAB/PROJECT/E1", files=[str(source)])
    made.save()
    found = await run(simulator, tmp_path, lambda one: fetch(one, made.permId))
    assert found == {"original/up.bin": source.read_bytes()}


async def test_a_proxy_that_takes_only_small_requests(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """After a 413 the same bytes go up in smaller pieces."""
    simulator.knobs.upload_faults = {1: 413, 2: 413}
    data = os.urandom(2_500_000)
    perm_id = await run(simulator, tmp_path, lambda one: put(one, {"big": data}))
    assert (simulator.store.data_sets[perm_id].folder / "original/big").read_bytes() == data


@pytest.mark.parametrize(
    ("status", "problem"), [(413, TooLarge), (500, RemoteFailed), (502, Unavailable)]
)
async def test_a_refused_upload_is_told(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    status: int,
    problem: type[Problem],
) -> None:
    """Where every request is refused, it ends, with the reason."""
    simulator.knobs.upload_faults = dict.fromkeys(range(1, 100), status)
    with pytest.raises(problem):
        await run(simulator, tmp_path, lambda one: put(one, {"big": bytes(1_000_000)}))


async def test_an_upload_does_not_survive_its_session(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """What was sent under a token is gone with it, and that is said before anything is made."""
    async with connection(simulator.url, tmp_path) as one:
        new = NewDataset("/LAB/PROJECT/S1", [File("a", 1)], "RAW_DATA")
        upload = await one.use(CanWrite, lambda c: c.begin(new))
        simulator.store.end_all()
        with pytest.raises(Gone):
            await one.use(
                CanWrite, lambda c: c.send(upload, [Span("a", 0, 1)], MemorySupply({"a": b"x"}))
            )


async def test_an_unknown_object_is_told(simulator: Simulator, tmp_path: Path) -> None:  # noqa: F811
    """Before anything is registered."""
    with pytest.raises(NotFound, match="/LAB/PROJECT/NOBODY"):
        await run(simulator, tmp_path, lambda one: put(one, {"a": b"1"}, "/LAB/PROJECT/NOBODY"))
    assert not simulator.store.data_sets


async def test_a_listing_of_many_files_is_paged(
    simulator: Simulator,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pages make one list."""
    monkeypatch.setattr("jupyter_bridge.connections.connectors.openbis.connector.FILES_A_PAGE", 10)
    made = simulator.store.add({f"{n:03}": bytes(n) for n in range(45)})

    async with connection(simulator.url, tmp_path) as one:
        found = await one.use(CanRead, lambda c: c.dataset(made.perm_id))
    assert [file.size for file in found.files] == list(range(45))
    assert found.size == sum(range(45))
