"""The same verbs as plain calls."""

from __future__ import annotations

import _thread
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_bridge.client import Bridge, Done, InputRequest, KernelModel, connect
from jupyter_bridge.problems import Conflict, NotFound, Problem, Unavailable
from tests.conftest import Server
from tests.support.kernel_client import waits_for
from tests.support.waiting import wait_until


def test_verbs(bridge: Bridge, bridge_server: Server) -> None:
    """Kernels live and die by plain calls."""
    assert bridge.url == bridge_server.url
    assert "python3" in bridge.kernelspecs()
    assert bridge.info()["version"]
    kernel = bridge.spawn("python3", env={"A": "b"})
    try:
        assert kernel.id in [k.id for k in bridge.kernels()]
        assert bridge.execute(kernel, "6 * 7").value == "42"
        bridge.restart(kernel)
        bridge.interrupt(kernel)
        assert bridge.kernel(kernel).id == kernel.id
    finally:
        bridge.shutdown(kernel)
    with pytest.raises(Problem):
        bridge.execute(kernel, "1")


def test_stream(bridge: Bridge, kernel: KernelModel) -> None:
    """A stream is a plain iterator that can be answered."""
    with bridge.stream(kernel, "input('?')") as events:
        for event in events:
            if isinstance(event, InputRequest):
                events.send_input("yes")
    assert isinstance(event, Done)
    assert events.result is not None
    assert events.result.value == "'yes'"
    assert events.execution is not None
    assert [type(e) for e in bridge.follow(events.execution)][-1] is Done


def test_async_execution(bridge: Bridge, kernel: KernelModel) -> None:
    """Code runs on while nobody waits."""
    name = bridge.run_async(kernel, "input('?')", allow_stdin=True)
    wait_until(lambda: bridge.execution(name).input_request)
    bridge.send_input(name, "a")
    assert bridge.execution(name, wait=True).value == "'a'"
    name = bridge.run_async(kernel, "import time; time.sleep(60)")
    bridge.cancel(name)
    assert bridge.execution(name, wait=True).status == "error"


def test_channels(bridge: Bridge, kernel: KernelModel) -> None:
    """A kernel's messages come in a plain loop."""
    with bridge.channels(kernel, session_id="me") as line:
        assert line.session_id == "me"
        asked = line.send("kernel_info_request")
        for message in line:
            if message.parent_id == asked and message.msg_type == "kernel_info_reply":
                break
        assert message.content["language_info"]["name"] == "python"
        while line.receive(0.5):
            pass
        assert line.after
    assert line.receive() is None
    with pytest.raises(NotFound):
        bridge.channels("no-such").open()


def ctrl_c() -> None:
    """A real signal, which ends the waiting at once."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


# The other one is only noticed when the waiting ends: just as an event has come.
@pytest.mark.parametrize("press", [ctrl_c, _thread.interrupt_main])
def test_ctrl_c(
    bridge: Bridge, kernel: KernelModel, press: Callable[[], None], tmp_path: Path
) -> None:
    """Ctrl-C stops waiting for a stream's next event, and loses none of it."""
    gate = tmp_path / "gate"
    ids = []
    interrupted = False

    def press_and_go_on() -> None:
        press()
        gate.touch()

    with bridge.stream(kernel, waits_for(gate) + "print('late')") as events:
        timer = threading.Timer(0.3, press_and_go_on)
        timer.start()
        while events.result is None:
            try:
                ids.append(int(next(events).id))
            except KeyboardInterrupt:
                interrupted = True
        timer.join()
    assert interrupted
    assert ids == list(range(1, len(ids) + 1))
    assert events.result.stdout == "late\n"


def test_ctrl_c_while_waiting(bridge: Bridge, kernel: KernelModel) -> None:
    """Ctrl-C during a plain call stops waiting, and the client can still be used."""
    name = bridge.run_async(kernel, "import time; time.sleep(60)")
    timer = threading.Timer(0.3, ctrl_c)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        bridge.execution(name, wait=True)
    timer.join()
    assert not bridge.execution(name).finished
    bridge.cancel(name)
    assert bridge.execution(name, wait=True).status == "error"


def open_files() -> Counter[str]:
    """What this process has open. What only waited to be collected warns, which is an error."""
    gc.collect()
    found: Counter[str] = Counter()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            found[os.readlink(f"/proc/self/fd/{fd}")] += 1
    return found


def test_nothing_is_left(bridge_server: Server) -> None:
    """Closing leaves no thread and no connection, whatever was under way; closing twice is fine."""
    with connect(bridge_server.url, bridge_server.token) as first:
        first.kernels()  # what a process opens once, such as the resolver's own files, is open now
    before = set(threading.enumerate())
    files = open_files()
    client = connect(bridge_server.url, bridge_server.token)
    kernel = client.spawn("python3")
    try:
        stream = client.stream(kernel, "import time; time.sleep(2)")
        next(stream)
        line = client.channels(kernel).open()
        assert set(threading.enumerate()) > before
    finally:
        client.shutdown(kernel)
    client.close()
    client.close()
    stream.close()
    line.close()
    assert set(threading.enumerate()) == before
    assert open_files() - files == Counter()
    with pytest.raises(Conflict):
        client.kernels()


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that cannot be opened leaves no thread either."""
    before = set(threading.enumerate())
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(NotFound):
        connect()
    with connect("http://127.0.0.1:1/") as client, pytest.raises(Unavailable):
        client.kernels()
    assert set(threading.enumerate()) == before


async def test_inside_a_loop(bridge_server: Server, kernel: KernelModel) -> None:
    """Plain calls work where an event loop runs already, as in a notebook."""

    async def cell() -> str | None:
        with connect(bridge_server.url, bridge_server.token) as client:
            return client.execute(kernel, "1 + 1").value

    assert (await cell()) == "2"


def test_forgotten(bridge_server: Server) -> None:
    """A program that forgets to close its client still ends."""
    program = (
        "import sys; from jupyter_bridge.client import connect\n"
        "print(connect(*sys.argv[1:]).kernels() is not None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, bridge_server.url, bridge_server.token],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "True\n")


def test_found(bridge_server: Server, monkeypatch: pytest.MonkeyPatch, kernel: KernelModel) -> None:
    """The running server is found by its file, and from inside one of its own kernels."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(bridge_server.runtime))
    with connect() as client:
        assert client.url == bridge_server.url
        inside = client.execute(
            kernel,
            "from jupyter_bridge.client import connect\n"
            "with connect() as me: print([k.id for k in me.kernels()])",
        )
        assert kernel.id in inside.raise_for_status().stdout
