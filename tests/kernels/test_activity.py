"""What the host believes of its kernels while relays tell it: the same as if it read for itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.services.kernels.kernelmanager import (
    AsyncMappingKernelManager,
    MappingKernelManager,
)

from jupyter_bridge.kernels.activity import Activity, can_report
from jupyter_bridge.wire import kernel
from tests.conftest import Server
from tests.support.kernel_client import Bridge, is_type
from tests.support.waiting import until

LONG_AGO = datetime(2001, 1, 1, tzinfo=timezone.utc)


class Stream:
    """The host's own reading: keeps the callback that the host gives it."""

    closed = False
    on_message: Callable[[list[bytes]], None]

    @property
    def socket(self) -> Stream:
        return self

    def on_recv(self, on_message: Callable[[list[bytes]], None]) -> None:
        self.on_message = on_message

    def close(self) -> None:
        self.closed = True


class FakeKernel:
    """What the host keeps of a kernel, as far as activity goes."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.execution_state = "starting"
        self.reason = ""
        self.last_activity = LONG_AGO
        self._activity_stream: Stream | None = None
        self.streams: list[Stream] = []

    def connect_iopub(self) -> Stream:
        self.streams.append(Stream())
        return self.streams[-1]


def manager_of(fake: FakeKernel) -> Any:
    manager = AsyncMappingKernelManager()
    manager._kernels["k"] = fake
    return manager


class Session:
    """The host makes a Session from this; without a key nothing is signed."""

    config = None
    key = b""


types = st.sampled_from(
    ["status", "stream", "execute_input", "display_data", "comm_msg", "x_custom", "error"]
)
parents = st.sampled_from(
    ["execute_request", "kernel_info_request", "comm_info_request", "complete_request", None]
)
states = st.sampled_from(["busy", "idle", "starting"])


@given(st.lists(st.tuples(types, parents, states), max_size=30))
def test_the_hosts_own_rules(said: list[tuple[str, str | None, str]]) -> None:
    """Whatever a kernel says, its state and its last activity are what the host's would be."""
    theirs, ours = FakeKernel(Session()), FakeKernel(Session())
    host, manager = manager_of(theirs), manager_of(ours)
    host.start_watching_activity("k")
    activity = Activity(manager, "k")
    for msg_type, parent_type, state in said:
        parent = b"{}"
        if parent_type is not None:
            parent = kernel.build_message(parent_type, {}, "s")[0]
        parts = kernel.build_message(msg_type, {"execution_state": state}, "s", parent)
        for one in (theirs, ours):
            one.last_activity = LONG_AGO
        theirs.streams[0].on_message([b"topic", kernel.DELIMITER, b"", *parts])
        activity.note(kernel.parse_header(parts[0]), parts)
        activity.report()
        assert ours.execution_state == theirs.execution_state
        assert (ours.last_activity > LONG_AGO) == (theirs.last_activity > LONG_AGO)
    assert (manager.last_kernel_activity > LONG_AGO) == (host.last_kernel_activity > LONG_AGO)


def test_take_and_give_back() -> None:
    """The host's reading is stopped and begins again, without counting as activity."""
    fake = FakeKernel(Session())
    manager = manager_of(fake)
    manager.start_watching_activity("k")
    fake.last_activity = LONG_AGO
    activity = Activity(manager, "k")
    activity.take()
    activity.take()
    assert [stream.closed for stream in fake.streams] == [True]
    manager.start_watching_activity("k")  # as the host does after a restart on other ports
    activity.take()
    assert [stream.closed for stream in fake.streams] == [True, True]
    fake.last_activity = LONG_AGO
    activity.give_back()
    activity.give_back()
    assert [stream.closed for stream in fake.streams] == [True, True, False]
    assert fake.last_activity == LONG_AGO
    manager._kernels.clear()
    activity.give_back()  # the kernel is gone


def test_a_restart_under_way_is_left_alone() -> None:
    """Were the host's reading stopped while it restarts the kernel, it would give that up, too."""
    fake: Any = FakeKernel(Session())
    manager = manager_of(fake)
    manager.start_watching_activity("k")
    fake._pending_restart_cleanup = lambda: pytest.fail("the restart was given up")
    Activity(manager, "k").take()
    assert not fake.streams[0].closed
    fake._pending_restart_cleanup = None
    Activity(manager, "k").take()
    assert fake.streams[0].closed


def test_a_site_with_rules_of_its_own() -> None:
    """A manager that counts activity in another way is left to it."""

    class Own(AsyncMappingKernelManager):
        def track_message_type(self, message_type: str) -> bool:
            return True

    assert can_report(AsyncMappingKernelManager())
    assert can_report(MappingKernelManager())
    assert not can_report(Own())


async def test_what_the_host_shows(bridge: Bridge, kernel: str) -> None:
    """`/api/kernels` shows a relayed kernel busy while it works, idle after, and last used then."""

    async def host() -> Any:
        return (await bridge.call("GET", f"/api/kernels/{kernel}", host=True)).json

    async def is_busy() -> bool:
        return bool((await host())["execution_state"] == "busy")

    async def is_idle() -> bool:
        return bool((await host())["execution_state"] == "idle")

    before = (await host())["last_activity"]
    async with bridge.seat(kernel) as seat:
        await seat.send("kernel_info_request", {})
        asked = await seat.execute("input()", allow_stdin=True)
        await until(is_busy, "busy")
        question = (await seat.until(is_type("input_request")))[-1]
        await seat.send("input_reply", {"value": "x"}, channel="stdin", parent=question)
        await seat.settle(asked)
        await until(is_idle, "idle")
    assert (await host())["last_activity"] > before


@pytest.mark.parametrize("told", [True, pytest.param(False, marks=pytest.mark.soak)])
async def test_busy_kernels_are_not_culled(
    servers: Callable[..., Server], connect: Callable[..., Bridge], told: bool
) -> None:
    """A kernel that works in silence is busy to the culler, and idle when it is done."""
    bridge = connect(
        servers(
            f"--BridgeApp.tell_activity={told}",
            "--MappingKernelManager.cull_idle_timeout=3",
            "--MappingKernelManager.cull_interval=1",
            "--MappingKernelManager.cull_connected=True",
        )
    )
    kernel_id = await bridge.spawn()
    run = await bridge.execute(kernel_id, "import time; time.sleep(5); 'whole'")
    assert run["outputs"][0]["data"]["text/plain"] == "'whole'"

    async def gone() -> bool:
        return (await bridge.get(f"/kernels/{kernel_id}")).status == 404

    await until(gone, "culling")
