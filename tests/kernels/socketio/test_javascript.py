"""socket.io as web applications speak it: the JavaScript clients 4 and 3, unchanged."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server

# npm install --prefix .cache/socketio socket.io-client-4@npm:socket.io-client@4 (and 3)
_PACKAGES = Path(__file__).parents[3] / ".cache/socketio/node_modules"
_CLIENT = Path(__file__).with_name("socketio_client.cjs")
_CODE = (
    "from comm import create_comm\n"
    "create_comm('js', data={}, buffers=[bytes(range(256)), b''])\n"
    "print('heard')"
)

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not _PACKAGES.exists(),
    reason="Node, or npm's socket.io-client in .cache/socketio, is not there",
)


def listen(server: Server, token: str, kernel: str, version: int, transport: str) -> Any:
    """What a client of that version heard."""
    package = _PACKAGES / f"socket.io-client-{version}"
    done = subprocess.run(
        ["node", str(_CLIENT), str(package), server.url, token, kernel, transport, _CODE],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("version", [4, 3])
def test_code_is_executed(bridge_server: Server, kernel: str, version: int, transport: str) -> None:
    """Two namespaces over one connection, the token in `auth`; binary buffers arrive whole."""
    said = listen(bridge_server, bridge_server.token, kernel, version, transport)
    assert said == {
        "text": "heard\n",
        "buffers": [bytes(range(256)).hex(), ""],
        "status": "ok",
        "refused": "",
    }


@pytest.mark.parametrize("version", [4, 3])
def test_a_wrong_token_is_refused(bridge_server: Server, kernel: str, version: int) -> None:
    """The client's own `connect_error` tells why, and nothing was executed."""
    said = listen(bridge_server, "wrong", kernel, version, "websocket")
    assert said["refused"]
    assert (said["text"], said["status"]) == ("", "")
