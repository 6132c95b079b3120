"""The host's own kernels: its manager, its events, what a failed kernel wrote."""
