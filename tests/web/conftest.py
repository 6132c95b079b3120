"""The same clients and kernels as the relay's tests have."""

from ..relay.conftest import bridge, connect, kernel, servers

__all__ = ["bridge", "connect", "kernel", "servers"]
