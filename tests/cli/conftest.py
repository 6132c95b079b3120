"""What the commands' tests share: a client that sees what the commands did, and a kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_bridge.client import Bridge, KernelModel, connect
from tests.conftest import Server


@pytest.fixture(scope="module")
def bridge(bridge_server: Server) -> Iterator[Bridge]:
    """A client of the real server; no kernel is left behind by any test."""
    with connect(bridge_server.url, bridge_server.token) as client:
        before = {kernel.id for kernel in client.kernels()}
        yield client
        left = {kernel.id for kernel in client.kernels()} - before
        for kernel_id in left:
            client.shutdown(kernel_id)
        assert not left, "kernels were left behind"


@pytest.fixture
def kernel(bridge: Bridge) -> Iterator[KernelModel]:
    """A Python kernel that has run its first code."""
    kernel = bridge.spawn("python3")
    bridge.execute(kernel, "", silent=True)
    yield kernel
    bridge.shutdown(kernel)
