"""Names with a colon: `kernel:<id>`, `file:<path>`, `<connection>:<node>`, `<connection>:<id>`."""

from __future__ import annotations

from typing import NamedTuple


class ConsoleName(NamedTuple):
    """A console's name; `prefix` is `kernel`, `file` or a connection, empty for a host terminal."""

    prefix: str
    rest: str

    @classmethod
    def parse(cls, text: str) -> ConsoleName:
        """Parse a name; any text is valid."""
        prefix, colon, rest = text.partition(":")
        return cls(prefix, rest) if colon and prefix else cls("", text)

    def __str__(self) -> str:
        return f"{self.prefix}:{self.rest}" if self.prefix else self.rest

    @property
    def kind(self) -> str:
        """The kind of console that this name opens."""
        return {"": "terminal", "kernel": "kernel", "file": "file"}.get(self.prefix, "remote")

    @property
    def connection(self) -> str | None:
        """The console's connection; None if it is of this server."""
        return self.prefix if self.kind == "remote" else None


class KernelName(NamedTuple):
    """A kernel's id or a kernelspec's name, with its `connection`; None for one of this server."""

    connection: str | None
    rest: str

    @classmethod
    def parse(cls, text: str, connection: str | None = None) -> KernelName:
        """Parse a name, with or without a connection in front."""
        known, colon, rest = text.partition(":")
        if connection and known != connection:
            return cls(connection, text)
        return cls(known, rest) if colon else cls(None, text)

    def __str__(self) -> str:
        return f"{self.connection}:{self.rest}" if self.connection else self.rest
