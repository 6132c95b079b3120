"""The same clients and kernels as the relay's tests have."""

from tests.kernels.conftest import bridge, connect, kernel, servers

__all__ = ["bridge", "connect", "kernel", "servers"]
