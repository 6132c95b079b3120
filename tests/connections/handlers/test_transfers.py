"""The routes of transfers over real HTTP: by path, repeated, stopped, gone on with."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_bridge.connections.audit import verify
from tests.connections.handlers.test_conns import FILES, fail, fetch, lab, read, send, store  # noqa: F401


@pytest.fixture
def jp_server_config(tmp_path: Path) -> dict[str, Any]:
    """A folder beside the root is allowed, too."""
    (tmp_path / "more").mkdir()
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_bridge": True}},
        "BridgeApp": {
            "transfer_roots": ["~nobody_of_this_name/more", str(tmp_path / "more")],
            "connections_dir": str(tmp_path / "connections"),
        },
    }


async def ended(fetch: Any, transfer: str) -> dict[str, Any]:  # noqa: F811
    """The transfer, when it has ended."""
    lines = await send(fetch, "GET", f"transfers/{transfer}", Accept="application/x-ndjson")
    last: dict[str, Any] = json.loads(lines.body.strip().splitlines()[-1])["data"]
    return last


async def test_a_path_is_uploaded(
    fetch: Any,  # noqa: F811
    lab: str,  # noqa: F811
    jp_root_dir: Path,
    store: Path,  # noqa: F811
) -> None:
    """POST dataset/{conn}/{permId}/{path} makes the path a data set of the object."""
    (jp_root_dir / "new").mkdir()
    (jp_root_dir / "new/x.txt").write_text("x")
    path = quote(str(jp_root_dir / "new"), safe="")
    body = read(await send(fetch, "POST", f"dataset/{lab}/a/{path}", {"type": "RAW"}))
    assert body["permId"] == "a/new"
    assert (store / "a/new/x.txt").read_text() == "x"


async def test_who_does_not_wait_gets_a_place_to_look(
    fetch: Any,  # noqa: F811
    lab: str,  # noqa: F811
    jp_root_dir: Path,
) -> None:
    """`Prefer: respond-async` answers 202 at once; the transfer goes on under its own address."""
    path = quote(str(jp_root_dir / "later"), safe="")
    answer = await send(fetch, "GET", f"dataset/{lab}/a/{path}", Prefer="respond-async")
    assert answer.code == 202
    name = answer.headers["Location"].rpartition("/")[2]
    assert read(answer)["transfer"] == name
    assert (await ended(fetch, name))["state"] == "done"
    assert (jp_root_dir / "later/a/one.txt").read_bytes() == FILES["a/one.txt"]


async def test_a_repeated_request_is_one_transfer(fetch: Any, lab: str) -> None:  # noqa: F811
    """The same Idempotency-Key, the same transfer; another key, another one."""
    body = {"connection": lab, "direction": "download", "permId": "a", "path": "once"}
    names = [
        read(await send(fetch, "POST", "transfers", body, **{"Idempotency-Key": key}))["transfer"]
        for key in ("k1", "k1", "k2")
    ]
    assert names[0] == names[1] != names[2]
    for name in names:
        await ended(fetch, name)
    assert len(read(await send(fetch, "GET", "transfers"))) == 2


async def test_what_failed_is_gone_on_with(
    fetch: Any,  # noqa: F811
    lab: str,  # noqa: F811
    jp_root_dir: Path,
) -> None:
    """A transfer tells why it failed; resume tries again once the reason is gone, and only then."""
    (jp_root_dir / "here").mkdir()
    (jp_root_dir / "here/a").write_text("in the way")
    body = {"connection": lab, "direction": "download", "permId": "a", "path": "here"}
    name = read(await send(fetch, "POST", "transfers", body))["transfer"]
    failed = await ended(fetch, name)
    assert (failed["state"], failed["problem"]["error"]) == ("failed", "denied")
    os.unlink(jp_root_dir / "here/a")
    answer = await send(fetch, "POST", f"transfers/{name}/resume")
    assert answer.code == 202
    assert (await ended(fetch, name))["state"] == "done"
    assert (jp_root_dir / "here/a/one.txt").read_bytes() == FILES["a/one.txt"]
    code, problem = await fail(fetch, "POST", f"transfers/{name}/resume")
    assert (code, problem["error"]) == (409, "conflict")


async def test_a_cancelled_one_stays_listed(
    fetch: Any,  # noqa: F811
    lab: str,  # noqa: F811
    jp_root_dir: Path,
    store: Path,  # noqa: F811
) -> None:
    """DELETE is 202; nothing is left of it but its name."""
    with (store / "a/large").open("wb") as file:
        file.truncate(64 << 30)  # a hole: long to bring, short to make
    body = {"connection": lab, "direction": "download", "permId": "a", "path": "stopped"}
    name = read(await send(fetch, "POST", "transfers", body))["transfer"]
    answer = await send(fetch, "DELETE", f"transfers/{name}")
    assert (answer.code, read(answer)["state"]) == (202, "cancelled")
    assert [one["state"] for one in read(await send(fetch, "GET", "transfers"))] == ["cancelled"]
    assert list((jp_root_dir / "stopped").rglob("*")) == []


async def test_one_is_paused_and_followed(
    fetch: Any,  # noqa: F811
    lab: str,  # noqa: F811
    store: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """A pause is 202 and written down; who follows all is told of it, and of what comes after."""
    with (store / "a/large").open("wb") as file:
        file.truncate(64 << 30)  # a hole: long to bring, short to make
    body = {"connection": lab, "direction": "download", "permId": "a", "path": "held"}
    lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    rest = b""

    def on_chunk(chunk: bytes) -> None:
        nonlocal rest
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                lines.put_nowait(json.loads(line))

    following = asyncio.ensure_future(
        fetch(
            "transfers",
            method="GET",
            headers={"Accept": "application/x-ndjson"},
            streaming_callback=on_chunk,
        )
    )

    async def told(state: str) -> dict[str, Any]:
        while True:
            line = await asyncio.wait_for(lines.get(), 30)
            assert line["event"] == "transfer"
            if line["data"]["state"] == state:
                return line

    first = await asyncio.wait_for(lines.get(), 30)
    assert (first["event"], first["data"], first["id"]) == ("transfers", [], 1)
    name = read(await send(fetch, "POST", "transfers", body))["transfer"]
    await told("running")
    answer = await send(fetch, "POST", f"transfers/{name}/pause")
    assert (answer.code, read(answer)["state"]) == (202, "paused")
    assert answer.headers["Location"].endswith(f"/transfers/{name}")
    assert (await told("paused"))["data"]["transfer"] == name
    code, problem = await fail(fetch, "POST", f"transfers/{name}/pause")
    assert (code, problem["error"], problem["state"]) == (409, "conflict", "paused")
    await send(fetch, "POST", f"transfers/{name}/resume")
    await told("running")
    await send(fetch, "DELETE", f"transfers/{name}")
    await told("cancelled")
    said = (tmp_path / "connections/audit.jsonl").read_text().splitlines()
    assert [(json.loads(line)["action"], json.loads(line)["outcome"]) for line in said[2:]] == [
        *(("pause", "ok"), ("pause", "conflict"), ("resume", "ok"), ("cancel", "ok"))
    ]
    assert not following.done()
    following.cancel()
    await asyncio.wait({following})


async def test_further_folders_can_be_allowed(
    fetch: Any,  # noqa: F811
    lab: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """`transfer_roots` names folders besides the root; a link in one does not lead out of it."""
    body = {"connection": lab, "direction": "download", "permId": "a"}
    more = {**body, "path": str(tmp_path / "more/x")}
    name = read(await send(fetch, "POST", "transfers", more))["transfer"]
    assert (await ended(fetch, name))["state"] == "done"
    assert (tmp_path / "more/x/a/one.txt").exists()
    (tmp_path / "more/out").symlink_to(tmp_path)
    code, _ = await fail(fetch, "POST", "transfers", {**body, "path": str(tmp_path / "more/out")})
    assert code == 403


async def test_a_url_of_a_file_is_a_folder(fetch: Any, store: Path) -> None:  # noqa: F811
    """`folder` takes a path or file://."""
    new = {"name": "lab", "url": f"file://{quote(str(store))}"}
    (one,) = read(await send(fetch, "POST", "conns", new))["connections"]
    assert (one["kind"], one["state"]) == ("folder", "connected")
    assert {item["name"] for item in read(await send(fetch, "GET", "conn/lab/browse"))} >= {"a"}


async def test_who_did_what_is_written_down(
    fetch: Any,  # noqa: F811
    lab: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """A line for each action and how it ended, in order; no file's name and no URL is in them."""
    body = {"connection": lab, "direction": "download", "permId": "a", "path": "audited"}
    await ended(fetch, read(await send(fetch, "POST", "transfers", body))["transfer"])
    await send(fetch, "PUT", f"conn/{lab}", {"action": "logout"})
    await fail(fetch, "PUT", f"conn/{lab}", {"action": "mount"})
    await send(fetch, "DELETE", f"conn/{lab}")
    path = tmp_path / "connections/audit.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["action"], line["outcome"]) for line in lines] == [
        *(("add", "ok"), ("download", "ok"), ("logout", "ok"), ("mount", "unsupported")),
        ("remove", "ok"),
    ]
    assert all(line["user"] and line["connection"] == lab for line in lines)
    assert str(tmp_path) not in path.read_text()
    assert verify(path) == 5
