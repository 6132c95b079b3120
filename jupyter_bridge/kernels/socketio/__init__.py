"""socket.io's door to the kernels."""
