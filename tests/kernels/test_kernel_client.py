"""jupyter_kernel_client as its users have it, unchanged: `endpoint` is the bridge's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jupyter_kernel_client import JupyterKernelClient
from jupyter_kernel_client.wsclient import KernelWebSocketClient

from tests.conftest import Server
from tests.support.waiting import PATIENCE

# Its server's log stays free of internal errors.
pytestmark = pytest.mark.usefixtures("bridge")

# A client may miss the answer to its goodbye, on any server; it would wait ten seconds for it.
GOODBYE = 0.5


def endpoint(server: Server, kernel: str) -> str:
    return f"{server.url.replace('http', 'ws', 1)}bridge/channels/{kernel}"


@pytest.fixture(scope="module")
def clients(bridge_server: Server, kernel: str) -> Iterator[list[JupyterKernelClient]]:
    """Two clients of the module's kernel, which stays when they stop."""
    server = bridge_server
    made = [
        JupyterKernelClient(
            server_url=server.url.rstrip("/"),
            token=server.token,
            kernel_id=kernel,
            client_kwargs={"endpoint": endpoint(server, kernel)},
        )
        for _ in range(2)
    ]
    for client in made:
        client.start()
    yield made
    for client in made:
        client._manager.client.timeout = GOODBYE
        client.stop()


@pytest.fixture
def client(clients: list[JupyterKernelClient]) -> JupyterKernelClient:
    return clients[0]


def test_outputs(client: JupyterKernelClient) -> None:
    """Streams, displays and the result come as nbformat has them, in order."""
    said = client.execute(
        "import sys\nfrom IPython.display import HTML\n"
        "print('out', flush=True)\nprint('err', file=sys.stderr, flush=True)\n"
        "display(HTML('<b>bold</b>'))\n6 * 7"
    )
    assert said["status"] == "ok"
    assert said["execution_count"] >= 1
    streams = [o for o in said["outputs"] if o["output_type"] == "stream"]
    assert {(o["name"], o["text"]) for o in streams} == {("stdout", "out\n"), ("stderr", "err\n")}
    shown, result = (o for o in said["outputs"] if o["output_type"] != "stream")
    assert (shown["output_type"], shown["data"]["text/html"]) == ("display_data", "<b>bold</b>")
    assert (result["output_type"], result["data"]["text/plain"]) == ("execute_result", "42")


def test_an_error(client: JupyterKernelClient) -> None:
    """What is raised is an output with its traceback; the next run is not hurt."""
    said = client.execute("1 / 0")
    assert said["status"] == "error"
    (error,) = said["outputs"]
    assert (error["output_type"], error["ename"]) == ("error", "ZeroDivisionError")
    assert error["traceback"]
    assert client.execute("1")["status"] == "ok"


def test_a_large_output(client: JupyterKernelClient) -> None:
    """Megabytes arrive whole."""
    said = client.execute("print('x' * 5_000_000)")
    assert "".join(o["text"] for o in said["outputs"]) == "x" * 5_000_000 + "\n"


def test_input(client: JupyterKernelClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at the client's own prompt answers `input()`, as often as it asks."""
    answers = {"Who? ": "Ada", "Where? ": "here"}
    monkeypatch.setattr("builtins.input", answers.__getitem__)
    said = client.execute("print(input('Who? '), input('Where? '))", allow_stdin=True)
    assert said["status"] == "ok"
    assert [o["text"] for o in said["outputs"]] == ["Ada here\n"]


def test_variables(client: JupyterKernelClient) -> None:
    """A variable goes to the kernel and comes back."""
    client.set_variable("table", {"a": [1, 2, 3]})
    assert client.execute("sum(table['a'])")["outputs"][0]["data"]["text/plain"] == "6"
    assert client.get_variable("table") == {"a": [1, 2, 3]}


def test_interrupt(client: JupyterKernelClient) -> None:
    """An interrupt ends what runs; its error comes over the same websocket."""
    begun = threading.Event()
    outputs: list[dict[str, Any]] = []

    def heard(message: dict[str, Any]) -> None:
        outputs.append(message)
        if message["header"]["msg_type"] == "stream":
            begun.set()

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(
            client.execute_interactive,
            "import time\nprint('begun', flush=True)\ntime.sleep(600)",
            output_hook=heard,
            timeout=PATIENCE,
        )
        assert begun.wait(PATIENCE)
        client.interrupt()
        assert run.result(PATIENCE)["content"]["ename"] == "KeyboardInterrupt"
    assert any(message["header"]["msg_type"] == "error" for message in outputs)
    assert client.execute("1")["status"] == "ok"


def test_restart(client: JupyterKernelClient) -> None:
    """The websocket outlives a restart; what the kernel knew does not."""
    assert client.execute("known = 1")["status"] == "ok"
    client.restart()
    assert client.is_alive()
    said = client.execute("known", timeout=PATIENCE)
    assert said["status"] == "error"
    assert said["outputs"][0]["ename"] == "NameError"
    assert said["execution_count"] == 1


def test_two_clients(clients: list[JupyterKernelClient]) -> None:
    """Two clients share a kernel and what it knows; each hears of its own runs alone."""
    one, two = clients
    one.execute("shared = 'from one'")
    assert two.execute("print(shared)")["outputs"][0]["text"] == "from one\n"
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(
                lambda c, name: [c.execute(f"print('{name}', {i})") for i in range(20)], c, n
            )
            for c, n in ((one, "one"), (two, "two"))
        ]
        for name, run in zip(("one", "two"), runs, strict=True):
            texts = ["".join(o["text"] for o in said["outputs"]) for said in run.result(60)]
            assert texts == [f"{name} {i}\n" for i in range(20)]


def test_the_client_below(bridge_server: Server, kernel: str) -> None:
    """The bare websocket client gets ready, completes and inspects."""
    client = KernelWebSocketClient(
        endpoint=endpoint(bridge_server, kernel), token=bridge_server.token
    )
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        asked = client.complete("impor")
        reply = client.get_shell_msg(timeout=PATIENCE)
        while reply["parent_header"]["msg_id"] != asked:
            reply = client.get_shell_msg(timeout=PATIENCE)
        assert "import" in reply["content"]["matches"]
    finally:
        client.timeout = GOODBYE
        client.stop_channels()
