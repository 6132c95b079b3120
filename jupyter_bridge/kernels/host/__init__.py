"""The host's own kernels: their manager, their events, a failed kernel's stderr."""
