"""Errors of the disk as Problems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_bridge.problems import BadRequest, Conflict, Denied, Problem


@contextmanager
def translated() -> Iterator[None]:
    """Translate an OSError within to a Problem."""
    try:
        yield
    except OSError as error:
        raise translate(error) from error


def translate(error: OSError) -> Problem:
    where = error.filename or "The disk"
    if isinstance(error, PermissionError):
        return Denied(f"{where} may not be read or written by the Jupyter server.")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return BadRequest(f"{where} does not exist.")
    # Not Unavailable, which would mean the remote.
    return Conflict(f"{where} cannot be used: {error.strerror}.")
