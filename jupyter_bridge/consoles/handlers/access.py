"""What the authorizer is asked for a console: the bridge's resource, and the host's beside it."""

from __future__ import annotations

_HOST = {"kernel": ("kernels",), "file": ("contents",)}


def resources_of(name: str) -> tuple[str, ...]:
    """The resources of the console `name`, so that what the host forbids stays forbidden."""
    kind, colon, rest = name.partition(":")
    if not colon:
        return ("bridge:consoles", "terminals")
    if kind == "kernel" and ":" in rest:
        return ("bridge:consoles", "kernels", "bridge:connections")
    return ("bridge:consoles", *_HOST.get(kind, ("bridge:connections",)))
