"""socket.io access to the kernels."""
