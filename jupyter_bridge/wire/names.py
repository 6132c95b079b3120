"""Names with a colon: `kernel:<id>`, `file:<path>`, `<connection>:<node>`, `<connection>:<id>`."""

from __future__ import annotations

from typing import NamedTuple


class ConsoleName(NamedTuple):
    """A console's name: `home` is `kernel`, `file` or a connection; empty for a terminal here."""

    home: str
    rest: str

    @classmethod
    def parse(cls, text: str) -> ConsoleName:
        """The parts of a name; any text is one."""
        home, colon, rest = text.partition(":")
        return cls(home, rest) if colon and home else cls("", text)

    def __str__(self) -> str:
        return f"{self.home}:{self.rest}" if self.home else self.rest

    @property
    def kind(self) -> str:
        """What a console of this name is, if it can be opened: its home's kind."""
        return {"": "terminal", "kernel": "kernel", "file": "file"}.get(self.home, "remote")

    @property
    def connection(self) -> str | None:
        """The connection that it is a console of; None if it is of this server."""
        return self.home if self.kind == "remote" else None


class KernelName(NamedTuple):
    """A kernel's id or a kernelspec's name, with its `connection`; None for one of this server."""

    connection: str | None
    rest: str

    @classmethod
    def parse(cls, text: str, connection: str | None = None) -> KernelName:
        """The parts of a name, which may have the `connection` in front or not."""
        known, colon, rest = text.partition(":")
        if connection and known != connection:
            return cls(connection, text)
        return cls(known, rest) if colon else cls(None, text)

    def __str__(self) -> str:
        return f"{self.connection}:{self.rest}" if self.connection else self.rest
