"""Consoles over real ptys, in this process, without a server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jupyter_server_terminals.terminalmanager import TerminalManager

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.archive import Archive
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.terminals.manager import recorded
from tests.support.waiting import PATIENCE, until

SH = ["/bin/sh", "-i"]


@contextlib.asynccontextmanager
async def house(
    folder: Path,
    *,
    base: type = TerminalManager,
    keep: bool = True,
    linger: float = 60.0,
    **parts: Any,
) -> AsyncIterator[ConsoleRegistry]:
    """Consoles with a real terminal manager; ends its terminals."""
    manager: Any = None
    root = folder / "root"
    root.mkdir(exist_ok=True)
    archive = Archive(folder / "consoles" if keep else None, **parts.pop("archive", {}))
    consoles = ConsoleRegistry(
        archive, root_dir=root, manager=lambda: manager, linger=linger, **parts
    )
    cls: Any = recorded(base, consoles.record, consoles.shells.prepare)
    manager = cls(shell_command=SH, extra_env={"PS1": "$ ", "ENV": ""})
    consoles.load()
    try:
        yield consoles
    finally:
        for terminal in list(manager.terminals.values()):
            await terminal.terminate(force=True)
        await until(lambda: not manager.terminals)
        await consoles.close()


async def says(console: Console, text: bytes, start: int = 0) -> bytes:
    """Wait until the console has said this after `start`; answers all since then."""

    async def look() -> bytes:
        while True:
            said = everything(console, start)
            if text in said:
                return said
            await console.wait(console.end_offset)
            if console.state == "ended":
                said = everything(console, start)
                assert text in said, said
                return said

    return await asyncio.wait_for(look(), PATIENCE)


def everything(console: Console, start: int = 0) -> bytes:
    """All the console has said since `start`."""
    parts = []
    while data := console.read(start, 1 << 20):
        parts.append(data)
        start += len(data)
    return b"".join(parts)
