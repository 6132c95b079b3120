"""A server whose authorizer refuses what a test chooses, with one thing of each kind on it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.conftest import Server, start_server
from tests.support.waiting import wait_until

# A terminal of the host's own API may be called anything.
POSING = "file:posing.txt"
# There is no such connection: what is asked does not hang on that.
FAR = "far"


class Chosen:
    """The server, and what is on it: `kernel`, `terminal`, `execution`, `run`, `transfer`."""

    def __init__(self, server: Server, denied: Path) -> None:
        self._at = urlsplit(server.url)
        self._token = server.token
        self._denied = denied
        self.root = server.root
        self.runtime = server.runtime

    def deny(self, *what: str) -> None:
        """Refuse these from now on, and nothing else."""
        self._denied.with_suffix(".new").write_text(json.dumps(what))
        self._denied.with_suffix(".new").rename(self._denied)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded answer; a raw body stays as it is."""
        line = http.client.HTTPConnection(str(self._at.hostname), self._at.port, timeout=60)
        given = {"Authorization": f"token {self._token}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        try:
            target = self._at.path + path.lstrip("/")
            line.request(method, target, None if method == "GET" else content, given)
            answer = line.getresponse()
            data = answer.read() if answer.status != 101 else b""
            try:
                return answer.status, json.loads(data)
            except ValueError:
                return answer.status, data.decode(errors="replace")
        finally:
            line.close()

    def handshake(self, path: str) -> int:
        """The status of a websocket's handshake."""
        asks = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec_WebSocket_Version": "13",
            "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        return self.call("GET", path, **asks)[0]

    def get(self, path: str) -> Any:
        status, answer = self.call("GET", path)
        assert status == 200, answer
        return answer

    def state(self) -> Any:
        """What no refused request may have changed: what there is, and the files of the root."""
        self.deny()
        return (
            sorted(one["id"] for one in self.get("bridge/kernels")),
            sorted((one["name"], one["state"]) for one in self.get("bridge/consoles")),
            [(one["name"], one["state"]) for one in self.get("bridge/conns")["connections"]],
            [(one["transfer"], one["state"]) for one in self.get("bridge/transfers")],
            sorted(str(path) for path in self.root.rglob("*")),
        )


def choose(folder: Path, *options: str) -> Iterator[Chosen]:
    """Start the server, with the folder connection `lab` from a file, outside of its root."""
    store = folder / "store"
    (store / "a").mkdir(parents=True)
    (store / "a" / "one.txt").write_text("one")
    (folder / "config").mkdir()
    config = folder / "config/bridge-connections.yaml"
    config.write_text(f"connections:\n- {{name: lab, url: {store}}}\n")
    denied = folder / "denied.json"
    denied.write_text("[]")
    server = start_server(
        folder,
        "--ServerApp.authorizer_class=tests.web.choosing.Choosing",
        "--BridgeApp.openbis_compat=True",
        *options,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "TEST_DENIED": str(denied)},
    )
    try:
        chosen = Chosen(server, denied)
        wait_until(
            lambda: chosen.call("GET", "bridge/conn/lab")[1]["connection"]["state"] == "connected",
            "the login",
        )
        yield chosen
    finally:
        server.stop()


def furnish(chosen: Chosen) -> dict[str, str]:
    """One thing of each kind; their names."""
    (chosen.root / "plain.txt").write_text("plain\n")
    kernel = chosen.call("POST", "bridge/spawn/python3")[1]["id"]
    assert chosen.call("POST", "api/terminals", {"name": POSING})[0] == 200
    ran = chosen.call("POST", "bridge/run", {"command": "true", "console": "new"})[1]
    executed = chosen.call("POST", f"bridge/execute/{kernel}", {"code": "1"})[1]
    body = {"connection": "lab", "direction": "download", "permId": "a", "path": "down"}
    moved = chosen.call("POST", "bridge/transfers", body)[1]
    chosen.call("GET", f"bridge/transfers/{moved['transfer']}", Prefer="wait=60")
    for name in (f"kernel:{kernel}", "file:plain.txt"):
        assert chosen.call("GET", f"bridge/tail/{quote(name)}")[0] == 200
    return {
        "kernel": kernel,
        "run": ran["run"],
        "terminal": ran["console"],
        "execution": executed["execution"],
        "transfer": moved["transfer"],
    }
