"""Consoles: every console by name, live ones and those whose journal is still kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.problems import NotFound


class Consoles:
    """The collection. `get` what exists, `open` what can be opened by name, `create` terminals."""

    def __init__(self) -> None:
        self._consoles: dict[str, Console] = {}

    def __iter__(self) -> Iterator[Console]:
        return iter(list(self._consoles.values()))

    def get(self, name: str) -> Console:
        """The console of this name, live or ended; raises NotFound."""
        try:
            return self._consoles[name]
        except KeyError:
            raise NotFound(
                f"There is no console {name!r}.", consoles=list(self._consoles)
            ) from None

    async def open(self, name: str) -> Console:
        """Like `get`, but also opens `kernel:`, `file:` and `<connection>:<node>` by their name."""
        raise NotImplementedError

    async def create(
        self,
        name: str | None = None,
        *,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        shell_command: Sequence[str] | None = None,
        rows: int | None = None,
        cols: int | None = None,
    ) -> Console:
        """A new terminal in the host's terminal manager; a live console of that name is a Conflict.

        `console.source` is a TerminalSource then: `pid`, `fd` (the pty's master, for tcgetattr and
        tcgetpgrp), `foreground` (process group or None), `signal_foreground(signal)`.
        """
        raise NotImplementedError

    async def end(self, name: str, *, purge: bool = False) -> None:
        """End a terminal and wait for its exit; its journal stays unless `purge`."""
        raise NotImplementedError
