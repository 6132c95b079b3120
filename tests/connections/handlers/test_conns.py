"""The connection routes over real HTTP, on a server in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tornado.httpclient import HTTPClientError

FILES = {"a/one.txt": b"one", "a/b/two.bin": bytes(range(256)) * 16, "empty": b""}


@pytest.fixture
def store(tmp_path: Path, jp_root_dir: Path) -> Path:
    """A folder with some files, one of them behind a link that leads outside."""
    store = jp_root_dir / "store"
    for path, content in FILES.items():
        target = store / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (tmp_path / "secret.txt").write_text("outside")
    (store / "out").symlink_to(tmp_path)
    return store


@pytest.fixture
def fetch(jp_serverapp: Any, jp_auth_header: dict[str, str], http_server_client: Any) -> Any:
    """Fetches below /bridge/. Unlike jp_fetch it leaves the path as it is: %2F stays %2F."""
    base = f"{jp_serverapp.base_url}bridge/"

    def fetch(path: str, *, headers: dict[str, str], **how: Any) -> Any:
        headers = {**jp_auth_header, **headers}
        return http_server_client.fetch(
            base + path, headers=headers, follow_redirects=False, request_timeout=60, **how
        )

    return fetch


@pytest.fixture
def lab(jp_asyncio_loop: Any, fetch: Any, store: Path) -> str:
    """A folder connection by the name of lab."""
    adding = send(fetch, "POST", "conns", {"name": "lab", "url": str(store)})
    jp_asyncio_loop.run_until_complete(adding)
    return "lab"


async def send(fetch: Any, method: str, path: str, body: Any = None, **headers: str) -> Any:
    content = None if method in ("GET", "DELETE") else json.dumps(body or {})
    return await fetch(path, method=method, body=content, headers=headers)


async def fail(fetch: Any, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    with pytest.raises(HTTPClientError) as caught:
        await send(fetch, method, path, body)
    assert caught.value.response is not None
    return caught.value.code, json.loads(caught.value.response.body)


def read(response: Any) -> Any:
    return json.loads(response.body)


async def test_kinds_describe_their_forms(fetch: Any) -> None:
    """Every kind has a form as JSON Schema and names its secrets, or says why it cannot be used."""
    kinds = {kind["kind"]: kind for kind in read(await send(fetch, "GET", "kinds"))}
    folder = kinds["folder"]
    assert folder["title"] == "Folder"
    assert folder["fields"]["properties"]["url"]["title"] == "Folder"
    assert folder["can"] == ["browse", "download", "upload"]
    assert all(kind.get("problem") or kind["fields"]["properties"] for kind in kinds.values())


async def test_adding_answers_the_list(fetch: Any, store: Path) -> None:
    """A connection is added with 201 and the whole list, logged in, its kind told by the url."""
    response = await send(fetch, "POST", "conns", {"name": "lab", "url": store.as_uri()})
    assert response.code == 201
    assert response.headers["Location"].endswith("/bridge/conn/lab")
    assert response.headers["Cache-Control"] == "no-store"
    body = read(response)
    (connection,) = body["connections"]
    assert (connection["kind"], connection["status"]) == ("folder", "connected")
    assert body["status"] == 200
    assert body["vault"] in ("keyring", "file", "memory")
    assert read(await send(fetch, "GET", "conns")) == body


async def test_a_taken_name_is_a_conflict(fetch: Any, lab: str, store: Path) -> None:
    """A second connection of the same name is 409, and the first one stays."""
    code, body = await fail(fetch, "POST", "conns", {"name": lab, "url": "/"})
    assert (code, body["error"]) == (409, "conflict")
    one = read(await send(fetch, "GET", "conn/lab"))
    assert one["connection"]["url"] == str(store)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "/"}, "name"),
        ({"name": "a/b", "url": "/"}, "name"),
        ({"name": "kernel", "url": "/"}, "name"),
        ({"name": "..", "url": "/"}, "name"),
        ({"name": "x" * 65, "url": "/"}, "name"),
        ({"name": 5, "url": "/"}, "name"),
        ({"name": "x"}, "url"),
        ({"name": "x", "url": ""}, "url"),
        ({"name": "x", "url": "ftp://h/", "kind": "folder"}, "url"),
        ({"name": "x", "url": "sftp://u:pw@h/", "kind": "folder"}, "url"),
        ({"name": "x", "url": "https://h/?token=abc", "kind": "folder"}, "url"),
        ({"name": "x", "url": "/", "kind": "nothing"}, "kind"),
        ({"name": "x", "url": "/", "colour": "red"}, "colour"),
        ({"name": "x", "url": "/", "verify": False}, "verify"),
    ],
)
async def test_bad_bodies_name_their_field(fetch: Any, body: Any, field: str) -> None:
    """A body that is wrong is 400, names the field, and makes no connection."""
    code, problem = await fail(fetch, "POST", "conns", body)
    assert (code, problem["field"]) == (400, field)
    assert read(await send(fetch, "GET", "conns"))["connections"] == []


async def test_logging_out_and_in(fetch: Any, lab: str) -> None:
    """PUT logs out and in again; login is what it does unless told otherwise."""
    body = read(await send(fetch, "PUT", "conn/lab", {"action": "logout"}))
    assert body["connection"]["state"] == "disconnected"
    code, problem = await fail(fetch, "GET", "conn/lab/browse")
    assert (code, problem["error"]) == (409, "needs-login")
    body = read(await send(fetch, "PUT", "conn/lab"))
    assert body["connection"]["status"] == "connected"


async def test_a_login_cannot_change_where_to(fetch: Any, lab: str) -> None:
    """A PUT takes credentials alone: another url is 400 and changes nothing."""
    code, problem = await fail(fetch, "PUT", "conn/lab", {"url": "/etc"})
    assert (code, problem["field"]) == (400, "url")
    code, problem = await fail(fetch, "PUT", "conn/lab", {"password": "x"})
    assert (code, problem["field"]) == (400, "password")


async def test_a_removed_connection_is_gone(fetch: Any, lab: str) -> None:
    """DELETE removes the connection; afterwards it is 404."""
    assert read(await send(fetch, "DELETE", "conn/lab"))["connections"] == []
    code, problem = await fail(fetch, "GET", "conn/lab")
    assert (code, problem["reason"]) == (404, "No such connection: lab")


async def test_what_a_kind_cannot_is_unsupported(fetch: Any, lab: str) -> None:
    """Mounting a folder is 501, not an error of the server."""
    code, problem = await fail(fetch, "PUT", "conn/lab", {"action": "mount"})
    assert (code, problem["error"]) == (501, "unsupported")


async def test_a_name_that_is_not_utf8(fetch: Any, store: Path, lab: str) -> None:
    """A file whose name is in another encoding is listed, with U+FFFD for what is unknown."""
    Path(os.fsdecode(os.fsencode(store) + b"/caf\xe9.txt")).write_bytes(b"1")
    items = read(await send(fetch, "GET", "conn/lab/browse"))
    assert "caf\ufffd.txt" in [item["name"] for item in items]


async def test_browsing(fetch: Any, lab: str) -> None:
    """A listing has folders first; deeper paths work with and without encoded slashes."""
    items = read(await send(fetch, "GET", "conn/lab/browse"))
    assert (items[0]["name"], items[0]["kind"]) == ("a", "folder")
    plain = read(await send(fetch, "GET", "conn/lab/browse/a/b"))
    encoded = read(await send(fetch, "GET", f"conn/lab/browse/{quote('a/b', safe='')}"))
    assert plain == encoded
    assert plain[0]["size"] == 4096


@pytest.mark.parametrize(
    "path", ["..", "../secret.txt", "out", "out/secret.txt", "/etc", "a/../.."]
)
async def test_nothing_outside_is_shown(fetch: Any, lab: str, path: str) -> None:
    """Paths that climb, are absolute or follow a link out are refused: 403 or 404."""
    for route in ("conn/lab/browse/", "dataset/lab/", "content/lab/"):
        code, _ = await fail(fetch, "GET", route + quote(path, safe=""))
        assert code in (403, 404)


async def test_a_data_set_lists_its_files(fetch: Any, lab: str) -> None:
    """A folder is a data set: its files by relative path, with sizes."""
    body = read(await send(fetch, "GET", "dataset/lab/a"))
    assert [(file["path"], file["size"]) for file in body["files"]] == [
        ("one.txt", 3),
        ("b/two.bin", 4096),
    ]
    assert body["size"] == 4099


@pytest.mark.parametrize(
    ("asked", "code", "start", "stop"),
    [
        (None, 200, 0, 4096),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=100-199", 206, 100, 200),
        ("bytes=4000-", 206, 4000, 4096),
        ("bytes=4000-9999", 206, 4000, 4096),
        ("bytes=-96", 206, 4000, 4096),
        ("bytes=-9999", 206, 0, 4096),
        ("bytes=5-4", 200, 0, 4096),
        ("bytes=0-1,3-4", 200, 0, 4096),
        ("lines=0-1", 200, 0, 4096),
    ],
)
async def test_content_has_ranges(
    fetch: Any, lab: str, asked: str | None, code: int, start: int, stop: int
) -> None:
    """Content is the bytes themselves, whole or the Range that was asked for."""
    headers = {"Range": asked} if asked else {}
    response = await send(fetch, "GET", "content/lab/a/b/two.bin", **headers)
    assert response.code == code
    assert response.body == FILES["a/b/two.bin"][start:stop]
    assert response.headers["Content-Length"] == str(stop - start)
    if code == 206:
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/4096"


async def test_content_never_runs_here(fetch: Any, lab: str, store: Path) -> None:
    """A page from a remote is a sandboxed attachment, so that its scripts never run here."""
    (store / "page.html").write_text("<script>alert(1)</script>")
    headers = (await send(fetch, "GET", "content/lab/page.html")).headers
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_empty_files_and_ranges_of_nothing(fetch: Any, lab: str) -> None:
    """An empty file is 200 with no bytes; a range that does not exist is 416 and says the size."""
    response = await send(fetch, "GET", "content/lab/empty")
    assert (response.code, response.body) == (200, b"")
    with pytest.raises(HTTPClientError) as caught:
        await send(fetch, "GET", "content/lab/a/one.txt", Range="bytes=3-")
    assert caught.value.code == 416
    assert caught.value.response is not None
    assert caught.value.response.headers["Content-Range"] == "bytes */3"


async def test_openapi_describes_the_routes(fetch: Any) -> None:
    """openapi.json names every connection route with its bodies."""
    paths = read(await send(fetch, "GET", "openapi.json"))["paths"]
    assert {"get", "post"} <= set(paths["/conns"])
    assert {"get", "put", "delete"} <= set(paths["/conn/{name}"])
    assert "/conn/{name}/browse/{path}" in paths


# -- transfers ---------------------------------------------------------------------------------


async def test_a_download_is_a_job(fetch: Any, lab: str, jp_root_dir: Path) -> None:
    """A transfer is 202 with a Location, can be followed as events, and ends with the files."""
    body = {"connection": lab, "direction": "download", "permId": "a", "path": "here"}
    response = await send(fetch, "POST", "transfers", body)
    assert response.code == 202
    transfer = read(response)["transfer"]
    assert response.headers["Location"].endswith(f"/bridge/transfers/{transfer}")
    events = await send(fetch, "GET", f"transfers/{transfer}", Accept="application/x-ndjson")
    last = json.loads(events.body.strip().splitlines()[-1])
    assert (last["event"], last["data"]["state"]) == ("done", "done")
    assert last["data"]["done"] == last["data"]["total"] == 4099
    assert (jp_root_dir / "here/a/b/two.bin").read_bytes() == FILES["a/b/two.bin"]
    assert [one["transfer"] for one in read(await send(fetch, "GET", "transfers"))] == [transfer]


async def test_a_download_can_be_waited_for(fetch: Any, lab: str, jp_root_dir: Path) -> None:
    """GET dataset with a path answers when the data set is there, and where that is."""
    target = quote(str(jp_root_dir / "there"), safe="")
    body = read(await send(fetch, "GET", f"dataset/{lab}/a/{target}"))
    assert body["path"] == str(jp_root_dir / "there" / "a")
    assert sorted(body["files"]) == ["b/two.bin", "one.txt"]
    assert (jp_root_dir / "there/a/one.txt").read_text() == "one"


async def test_registering_makes_a_data_set(
    fetch: Any, lab: str, jp_root_dir: Path, store: Path
) -> None:
    """POST dataset uploads files below the server's root, and names the new data set."""
    (jp_root_dir / "up load.txt").write_text("up")
    wanted = {"files": ["up%20load.txt"], "entityIdentifier": "a", "type": "RAW"}
    body = read(await send(fetch, "POST", f"dataset/{lab}", wanted))
    assert (body["status"], body["permId"]) == (200, "a/up load.txt")
    assert (store / "a/up load.txt").read_text() == "up"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "/"])
async def test_transfers_stay_within_the_roots(fetch: Any, lab: str, path: str) -> None:
    """Neither direction touches the host outside of the server's root and transfer_roots."""
    for direction in ("download", "upload"):
        body = {"connection": lab, "direction": direction, "permId": "a", "path": path}
        code, problem = await fail(fetch, "POST", "transfers", body)
        assert (code, problem["error"]) == (403, "denied")
    assert read(await send(fetch, "GET", "transfers")) == []


async def test_unknown_transfers_are_not_found(fetch: Any) -> None:
    """An unknown transfer is 404 for every verb."""
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume")):
        code, _ = await fail(fetch, method, f"transfers/nothing{path}")
        assert code == 404
