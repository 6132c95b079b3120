"""Record jupyter-openbis-server's answers: `python -m tests.simulators.openbis.record > FILE`.

Needs the package jupyter-openbis-server (0.5.0 is recorded in tests/vectors/openbis-server.json),
which is not a dependency of the tests. `REQUESTS` are the requests of its front ends; the test of
the bridge's own routes sends the same ones and compares.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.conftest import Server, start_server
from tests.simulators.openbis.simulator import Simulator

OBJECT = "/LAB/PROJECT/S1"
NEW = {"type": "RAW_DATA", "parents": [], "entityIdentifier": OBJECT, "props": {}}
# Name, verb, path below the base URL, body. {url}, {root} and {perm_id} are filled in.
REQUESTS: list[tuple[str, str, str, Any]] = [
    ("no connections", "GET", "openbis/conns", None),
    ("add", "POST", "openbis/conns", {"name": "bis", "url": "{url}", "username": "ada",
                                      "password": "secret", "http_only": True}),
    ("list", "GET", "openbis/conns", None),
    ("one", "GET", "openbis/conn/bis", None),
    ("none", "GET", "openbis/conn/absent", None),
    ("wrong password", "PUT", "openbis/conn/bis", {"username": "ada", "password": "wrong"}),
    ("login", "PUT", "openbis/conn/bis", {"username": "ada", "password": "secret"}),
    ("login again", "PUT", "openbis/conn/bis", {"username": "ada", "password": "******"}),
    ("login to none", "PUT", "openbis/conn/absent", {"username": "ada", "password": "x"}),
    ("unmount", "PUT", "openbis/conn/bis", {"action": "unmount"}),
    ("types", "GET", "openbis/datasetTypes/bis", None),
    ("types of none", "GET", "openbis/datasetTypes/absent", None),
    ("data sets", "GET", f"openbis/sample/bis/{quote(OBJECT, safe='')}?start_with=0&count=5", None),
    ("data sets, next page", "GET",
     f"openbis/sample/bis/{quote(OBJECT, safe='')}?start_with=1&count=1", None),
    ("data sets of none", "GET", "openbis/sample/bis/%2FLAB%2FPROJECT%2FNONE", None),
    ("data sets of no connection", "GET", "openbis/sample/absent/x", None),
    ("download", "GET", "openbis/dataset/bis/{perm_id}/{root_quoted}%2Fdown", None),
    ("download of none", "GET", "openbis/dataset/bis/20990101000000000-1/{root_quoted}", None),
    ("download from none", "GET", "openbis/dataset/absent/{perm_id}/{root_quoted}", None),
    ("upload", "POST", "openbis/dataset/bis", {**NEW, "files": ["one.txt"]}),
    ("upload of no file to no object", "POST", "openbis/dataset/bis",
     {**NEW, "files": ["absent.txt", "one.txt"], "entityIdentifier": "/LAB/PROJECT/NONE"}),
    ("upload with no such parent", "POST", "openbis/dataset/bis",
     {**NEW, "files": ["one.txt"], "parents": ["20990101000000000-1"]}),
    ("upload with a parent", "POST", "openbis/dataset/bis",
     {**NEW, "files": ["one.txt"], "parents": ["{perm_id}"], "props": {"$NAME": "x"}}),
    ("upload without what is mandatory", "POST", "openbis/dataset/bis",
     {**NEW, "files": ["one.txt"], "type": "ANALYZED_DATA"}),
    ("upload to nothing", "POST", "openbis/dataset/bis",
     {**NEW, "files": ["one.txt"], "entityIdentifier": ""}),
    ("upload of no type", "POST", "openbis/dataset/bis",
     {**NEW, "files": ["one.txt"], "type": "NONE"}),
    ("upload of no property", "POST", "openbis/dataset/bis",
     {**NEW, "files": ["one.txt"], "props": {"NONE": "x"}}),
    ("upload to none", "POST", "openbis/dataset/absent", {**NEW, "files": ["one.txt"]}),
    ("logout", "PUT", "openbis/conn/bis", {"action": "logout"}),
    ("logged out", "GET", "openbis/conns", None),
    ("remove", "DELETE", "openbis/conn/bis", None),
    ("remove again", "DELETE", "openbis/conn/bis", None),
    ("requirements", "POST", "requirements",
     {"notebook_path": "n.ipynb", "requirements_list": "a==1\n",
      "requirements_filename": "requirements.txt", "runtime": "python-3.11\n",
      "runtime_filename": "runtime.txt"}),
]  # fmt: skip


@contextmanager
def store(folder: Path) -> Iterator[tuple[Simulator, str]]:
    """Run the simulator with two data sets of one object; yields it and the first's permId."""
    with Simulator(folder) as simulator:
        about: dict[str, Any] = {"sample": OBJECT}
        made = simulator.store.add({"a.txt": b"a", "deep/b.txt": b"bb"}, **about)
        simulator.store.add({"c.txt": b"ccc"}, type_code="ANALYZED_DATA", **about)
        yield simulator, made.perm_id


def ask(server: Server, simulator: Simulator, perm_id: str) -> dict[str, dict[str, Any]]:
    """Return status, type and text of each answer, without values that differ in each run."""
    root = str(server.root)
    words = {
        "url": simulator.url,
        "perm_id": perm_id,
        "root_quoted": quote(root, safe=""),
    }
    (server.root / "one.txt").write_text("one")
    at = urlsplit(server.url)
    found = {}
    for name, method, path, body in REQUESTS:
        line = http.client.HTTPConnection(str(at.hostname), at.port, timeout=60)
        for word, value in words.items():
            path = path.replace(f"{{{word}}}", value)
        content = None if body is None else json.dumps(body)
        for word in ("url", "perm_id"):
            content = content and content.replace(f"{{{word}}}", words[word])
        line.request(method, at.path + path, content, server.headers)
        answer = line.getresponse()
        text = answer.read().decode()
        line.close()
        for value, word in ((simulator.url, "{url}"), (root, "{root}")):
            text = text.replace(value, word)
        if name.startswith("upload"):  # numbered in the order of creation
            text = re.sub(r'(permId"?: "?)\d{17}-1\d\b', r"\1{made}", text)
        kind = (answer.getheader("Content-Type") or "").partition(";")[0]
        found[name] = {"status": answer.status, "type": kind, "text": text}
    return found


def main() -> None:
    """Send the requests to the package itself."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with store(folder / "openbis") as (simulator, perm_id):
            server = start_server(
                folder,
                "--ServerApp.jpserver_extensions=jupyter-openbis-server.server=True",
                env={"HOME": str(folder)},
            )
            try:
                found = ask(server, simulator, perm_id)
            finally:
                server.stop()
    json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
