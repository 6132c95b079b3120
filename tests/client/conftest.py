"""What the client's tests share on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_bridge.client import Bridge, KernelModel, connect
from tests.conftest import Server


@pytest.fixture(scope="module")
def bridge(bridge_server: Server) -> Iterator[Bridge]:
    """A client of the real server."""
    with connect(bridge_server.url, bridge_server.token) as client:
        yield client


@pytest.fixture(scope="module")
def kernel(bridge: Bridge) -> Iterator[KernelModel]:
    """A Python kernel for the tests of one file."""
    kernel = bridge.spawn("python3")
    yield kernel
    bridge.shutdown(kernel)
