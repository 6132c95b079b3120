"""What requests may name on this host: folders, local sides, hidden files, new processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.web.choice import Chosen, choose


class Tree(NamedTuple):
    """The server, and what lies around its root."""

    server: Chosen
    outside: Path
    more: Path


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """A root with a folder, hidden ones, and links that lead out; `more` is a transfer root."""
    folder = tmp_path_factory.mktemp("reach")
    root, outside, more = folder / "root", folder / "outside", folder / "more"
    for path in (root / "sub", root / ".hidden/sub", outside, more / ".hidden"):
        path.mkdir(parents=True)
    for path in (root / "sub", root / ".hidden", outside, more):
        (path / "secret.txt").write_text("secret")
        (path / ".secret").write_text("secret")
    (root / "sub/.git").mkdir()
    (root / "sub/.git/config").write_text("secret")
    (root / "out").symlink_to(outside)
    (root / "way").symlink_to(".hidden")
    (root / ".way").symlink_to("sub")
    (root / "round").symlink_to("round")
    (root / "near").symlink_to("sub")
    # The server's own folders may lie where requests reach.
    options = (f"--BridgeApp.transfer_roots={more}", f"--BridgeApp.transfer_roots={folder}/runtime")
    for server in choose(folder, *options):
        yield Tree(server, outside, more)


def filled(tree: Tree, path: str) -> str:
    known = {
        "ROOT": str(tree.server.root),
        "OUTSIDE": str(tree.outside),
        "MORE": str(tree.more),
        "RUNTIME": str(tree.server.runtime),
    }
    return re.sub("|".join(known), lambda found: known[found[0]], path)


# As they are spelled; relative ones are below the root.
REFUSED = [
    *("/", "/etc", "//etc", "..", "../", "../outside", "sub/../../outside", "OUTSIDE", "OUTSIDE/"),
    *("ROOT/..", "ROOT/../outside", "ROOTed", "out", "out/", "ROOT/out", "out/../outside"),
    *(".hidden", ".hidden/", ".hidden/sub", "sub/../.hidden", "./.hidden", "sub/./../.hidden/sub"),
    *(
        "way",
        "way/sub",
        ".way",
        "MORE/.hidden",
        "MORE/..",
        "RUNTIME",
        "RUNTIME/",
        "round",
        "near/../..",
    ),
]
ALLOWED = ["sub", "sub/", "./sub", "ROOT/sub", "ROOT//sub", "sub/../sub", "near", "MORE", "MORE/."]


@pytest.mark.parametrize("path", REFUSED)
def test_a_folder_that_a_request_may_not_name(tree: Tree, path: str) -> None:
    """As a connection's folder, as a URL of one, as a download's target, and as an upload."""
    url = filled(tree, path)
    spelled = [url, f"file://{quote(url)}"] if url.startswith("/") else [url]
    before = tree.server.state()
    for one in [*spelled, "file://localhost" + quote(url)] if url.startswith("/") else spelled:
        body = {"name": "new", "url": one, "kind": "folder"}
        for more in ({}, {"remember": True}):
            status, answer = tree.server.call("POST", "bridge/conns", {**body, **more})
            assert status in (400, 403), (one, answer)
    down = {"connection": "lab", "direction": "download", "permId": "a", "path": url}
    up = {"connection": "lab", "direction": "upload", "permId": "", "path": url}
    for asked in (down, up):
        status, answer = tree.server.call("POST", "bridge/transfers", asked)
        assert status in (400, 403), answer
    for method in ("GET", "POST"):
        status, answer = tree.server.call(method, f"bridge/dataset/lab/a/{quote(url, safe='')}")
        assert status in (400, 403), answer
    files = {"files": [url], "entityIdentifier": ""}
    assert tree.server.call("POST", "bridge/dataset/lab", files)[0] in (400, 403)
    assert tree.server.state() == before
    assert sorted(one.name for one in tree.outside.iterdir()) == [".secret", "secret.txt"]


@pytest.mark.parametrize("path", ALLOWED)
def test_a_folder_that_a_request_may_name(tree: Tree, path: str) -> None:
    """Below the root or a transfer root, however it is spelled; hidden files are not in it."""
    body = {"name": "new", "url": filled(tree, path), "kind": "folder"}
    status, answer = tree.server.call("POST", "bridge/conns", body)
    assert status == 201, answer
    try:
        assert {one["name"] for one in tree.server.get("bridge/conn/new/browse")} == {"secret.txt"}
        assert [one["path"] for one in tree.server.get("bridge/dataset/new/secret.txt")["files"]]
        for hidden in (".secret", ".git/config", ".hidden", ".hidden/secret.txt"):
            for route in ("dataset", "content", "conn"):
                where = f"new/browse/{hidden}" if route == "conn" else f"new/{quote(hidden, '')}"
                assert tree.server.call("GET", f"bridge/{route}/{where}")[0] == 404, (route, hidden)
    finally:
        tree.server.call("DELETE", "bridge/conn/new")


def test_a_folder_is_judged_at_each_use(tree: Tree) -> None:
    """A link that is put in its place afterwards leads nowhere."""
    place = tree.server.root / "turning"
    place.mkdir()
    body = {"name": "turning", "url": "turning"}
    assert tree.server.call("POST", "bridge/conns", body)[0] == 201
    place.rmdir()
    place.symlink_to(tree.outside)
    for path in ("conn/turning/browse", "dataset/turning/secret.txt", "content/turning/secret.txt"):
        assert tree.server.call("GET", f"bridge/{path}")[0] == 403, path
    up = {"connection": "turning", "direction": "upload", "permId": "", "path": "sub/secret.txt"}
    status, answer = tree.server.call("POST", "bridge/transfers", up)
    if status == 202:
        path = f"bridge/transfers/{answer['transfer']}"
        assert tree.server.call("GET", path, Prefer="wait=30")[1]["state"] == "failed"
    tree.server.call("DELETE", "bridge/conn/turning")
    place.unlink()
    assert sorted(one.name for one in tree.outside.iterdir()) == [".secret", "secret.txt"]


def test_a_configured_folder_may_lie_elsewhere(tree: Tree) -> None:
    """The store of the configuration is outside of the root, and a request cannot make it again."""
    url = tree.server.get("bridge/conn/lab")["connection"]["url"]
    assert not Path(url).is_relative_to(tree.server.root)
    assert tree.server.get("bridge/conn/lab/browse/a")[0]["name"] == "one.txt"
    assert tree.server.call("POST", "bridge/conns", {"name": "again", "url": url})[0] == 403


@pytest.mark.parametrize("perm_id", ["out/x", "way/x", ".hidden", "sub/.hidden", "near/../.."])
def test_a_perm_id_leads_nowhere(tree: Tree, perm_id: str) -> None:
    """A data set's name below the target may pass no link out, and no hidden folder."""
    down = {"connection": "lab", "direction": "download", "permId": perm_id, "path": "."}
    status, answer = tree.server.call("POST", "bridge/transfers", down)
    assert status in (400, 403), answer
    assert sorted(one.name for one in tree.outside.iterdir()) == [".secret", "secret.txt"]


def test_an_upload_leaves_hidden_files_out(tree: Tree) -> None:
    """And says which; the rest is there."""
    up = {"connection": "lab", "direction": "upload", "permId": "", "path": "sub"}
    status, answer = tree.server.call("POST", "bridge/transfers", up)
    assert status == 202, answer
    path = f"bridge/transfers/{answer['transfer']}"
    ended = tree.server.call("GET", path, Prefer="wait=30")[1]
    assert (ended["state"], sorted(ended["skipped"])) == ("done", ["sub/.git", "sub/.secret"])
    files = tree.server.get("bridge/dataset/lab/sub")["files"]
    assert [one["path"] for one in files] == ["secret.txt"]


# A new process: what is set, on which route, and whether it takes `execute`.
PROCESSES: list[tuple[str, dict[str, Any], bool]] = [
    ("consoles", {}, False),
    ("consoles", {"rows": 30, "cols": 90}, False),
    ("consoles", {"env": {"PROMPT_COMMAND": "touch ran"}}, True),
    ("consoles", {"env": {"BASH_ENV": None}}, True),
    ("consoles", {"shell_command": ["touch", "ran"]}, True),
    ("consoles", {"cwd": "OUTSIDE"}, True),
    ("consoles", {"cwd": "out"}, True),
    ("consoles", {"cwd": ".."}, True),
    ("consoles", {"cwd": "~"}, True),
    ("consoles", {"cwd": "sub"}, True),
    ("consoles?conn=far", {"env": {"A": "1"}}, True),
    ("consoles?conn=far", {"cwd": "/"}, True),
    ("consoles?conn=far", {}, False),
    ("spawn/python3", {"env": {"PYTHONWARNINGS": "x", "BROWSER": "touch ran"}}, True),
    ("spawn/python3", {"cwd": "OUTSIDE"}, True),
    ("spawn/python3", {"path": "out"}, True),
    ("spawn/python3", {"path": "sub", "name": "in the root"}, False),
    ("spawn/far:python3", {"env": {"A": "1"}}, True),
    ("spawn/python3?conn=far", {"cwd": "/"}, True),
    ("spawn/python3?conn=far", {}, False),
    ("run", {"command": "touch ran"}, True),
    ("execute?kernel=python3", {"code": "open('ran', 'w')"}, True),
    ("execute?kernel=python3&conn=far", {"code": "open('ran', 'w')"}, True),
]


@pytest.mark.parametrize(("path", "body", "executes"), PROCESSES, ids=str)
def test_what_sets_up_a_process_is_execute(
    tree: Tree, path: str, body: dict[str, Any], executes: bool
) -> None:
    """With `execute` refused nothing runs that the host's own `write` would not run."""
    server = tree.server
    given = {k: filled(tree, v) if isinstance(v, str) else v for k, v in body.items()}
    before = server.state()
    server.deny("execute *")
    status, answer = server.call("POST", f"bridge/{path}", given)
    server.deny()
    assert (status == 403) is executes, answer
    if executes:
        assert server.state() == before
    elif status == 201:
        name = answer["name"] if path == "consoles" else answer["id"]
        route = "consoles" if path == "consoles" else "shutdown"
        server.call("DELETE", f"bridge/{route}/{name}")
