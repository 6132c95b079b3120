"""What the authorizer is asked about on every kernel route."""

from __future__ import annotations

# The bridge's own resource, and the host's, so that what the host forbids stays forbidden.
RESOURCES = ("bridge:kernels", "kernels")
