"""A new terminal in the host's terminal manager, spawned off the event loop."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.terminals.manager import RecordedTerminals
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.problems import BadRequest, Conflict, StartFailed

# `run` means these words, so no terminal may have them for its name.
RESERVED = frozenset({"new"})


async def spawn(
    manager: Any, wish: TerminalOptions, *, root_dir: Path, taken: Collection[str]
) -> Console:
    """Start the terminal and hand it to the manager; returns its console.

    `cwd` may be relative to `root_dir`. Raises BadRequest, Conflict for a taken name, StartFailed.
    """
    options = _options(wish, root_dir)
    name = wish.name
    if name is not None and (name in manager.terminals or name in taken):
        raise Conflict(f"There is a console {name!r} already.")
    try:
        if isinstance(manager, RecordedTerminals):
            # Some 10 ms, which the loop does not wait for.
            terminal = await asyncio.to_thread(manager.new_terminal, **options)
            if name is not None and name in manager.terminals:
                await terminal.terminate(force=True)
                await asyncio.to_thread(terminal.ptyproc.close)
                raise Conflict(f"There is a console {name!r} already.")
            options["bridge_spawned"] = terminal
        terminal = manager.terminals[manager.create(**options)["name"]]
    except OSError as error:
        raise StartFailed(f"The shell did not start: {error}") from error
    if wish.rows is not None or wish.cols is not None:
        terminal.ptyproc.setwinsize(wish.rows or 24, wish.cols or 80)
    console: Console = terminal.bridge_console
    return console


def _options(wish: TerminalOptions, root_dir: Path) -> dict[str, Any]:
    """What the manager takes. Everything is checked here: in the forked child it is too late."""
    options: dict[str, Any] = {"height": wish.rows or 24, "width": wish.cols or 80}
    if wish.name is not None:
        if not re.fullmatch(r"\w{1,100}", wish.name, re.ASCII) or wish.name in RESERVED:
            raise BadRequest("name: letters, digits and _ only, and not 'new'.", field="name")
        options["name"] = wish.name
    if wish.cwd is not None:
        path = root_dir / os.path.expanduser(wish.cwd.replace("\0", "?"))
        if "\0" in wish.cwd or not path.is_dir() or not os.access(path, os.X_OK):
            raise BadRequest(f"cwd: there is no folder {wish.cwd!r} to go to.", field="cwd")
        options["cwd"] = str(path)
    if wish.env:
        for key, value in wish.env.items():
            if not key or "=" in key or "\0" in key or "\0" in (value or ""):
                raise BadRequest(f"env: {key!r} cannot be a variable.", field="env")
        options["extra_env"] = dict(wish.env)
    if wish.shell_command is not None:
        words = list(wish.shell_command)
        if not words or any("\0" in word for word in words):
            raise BadRequest("shell_command: at least one word, no NUL.", field="shell_command")
        options["shell_command"] = words
    return options
