"""Spawn a terminal of the host's terminal manager off the event loop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Any

from jupyter_bridge.aio.loop_thread import to_its_end
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.terminals.manager import RecordedTerminals
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.problems import BadRequest, Conflict, StartFailed
from jupyter_bridge.wire.shell.any_bytes import to_text

# `run` gives these words a meaning, so no terminal may have them as its name.
RESERVED = frozenset({"new"})


def pass_on_no_ignored_signals() -> None:
    """Have terminals end, and Ctrl-C and Ctrl-\\ work, in a server of `nohup` or of a script's `&`.

    Such a server ignores these signals, and what it starts would, too; a signal that is handled is
    not passed on. Call it in the main thread.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


async def spawn(
    manager: Any, options: TerminalOptions, *, root_dir: Path, taken: Collection[str]
) -> Console:
    """Start a terminal, add it to the manager, and return its console.

    `cwd` may be relative to `root_dir`. Raises BadRequest, Conflict if the name is taken,
    StartFailed.
    """
    arguments = _arguments_for(options, root_dir)
    name = options.name
    if name is not None and (name in manager.terminals or name in taken):
        raise Conflict(f"A console named {name!r} already exists.")
    try:
        if isinstance(manager, RecordedTerminals):
            # This takes about 10 ms.
            terminal = await to_its_end(lambda: manager.new_terminal(**arguments), discard=_end)
            if name is not None and name in manager.terminals:
                await _end(terminal)
                raise Conflict(f"A console named {name!r} already exists.")
            arguments["bridge_spawned"] = terminal
        terminal = manager.terminals[manager.create(**arguments)["name"]]
    except OSError as error:
        raise StartFailed(f"The shell did not start: {error}") from error
    if options.rows is not None or options.cols is not None:
        terminal.ptyproc.setwinsize(options.rows or 24, options.cols or 80)
    console: Console = terminal.bridge_console
    return console


async def _end(terminal: Any) -> None:
    """End a terminal that the manager does not know."""
    await terminal.terminate(force=True)
    await asyncio.to_thread(terminal.ptyproc.close)


def folder_at(cwd: str, root_dir: Path) -> str:
    """Return the absolute path of the folder `cwd`, which may be relative to `root_dir`.

    BadRequest if there is no such folder, or no access to it.
    """
    path = os.path.join(root_dir, os.path.expanduser(cwd.replace("\0", "?")))
    # Not Path.is_dir, which raises OSError for a name that is too long.
    if "\0" in cwd or not os.path.isdir(path) or not os.access(path, os.X_OK):
        raise BadRequest(f"cwd: no folder {cwd!r}, or no access to it.", field="cwd")
    return path


def check_name(name: str) -> None:
    """Raise BadRequest unless a terminal may have this name."""
    if not re.fullmatch(r"\w{1,100}", name, re.ASCII) or name in RESERVED:
        raise BadRequest("name: use letters, digits and _ only, not 'new'.", field="name")


def _arguments_for(options: TerminalOptions, root_dir: Path) -> dict[str, Any]:
    """Return the manager's options. All is checked here: in the forked child it is too late."""
    arguments: dict[str, Any] = {"height": options.rows or 24, "width": options.cols or 80}
    if options.name is not None:
        check_name(options.name)
        arguments["name"] = options.name
    cwd = options.cwd if options.cwd_base64 is None else to_text(options.cwd_base64)
    if cwd is not None:
        arguments["cwd"] = folder_at(cwd, root_dir)
    if options.env:
        for key, value in options.env.items():
            if not key or "=" in key or "\0" in key or "\0" in (value or ""):
                raise BadRequest(f"env: {key!r} is not a valid variable.", field="env")
        arguments["extra_env"] = dict(options.env)
    if options.shell_command is not None:
        words = list(options.shell_command)
        if not words or any("\0" in word for word in words):
            raise BadRequest(
                "shell_command: give at least one word, no NUL.", field="shell_command"
            )
        arguments["shell_command"] = words
    return arguments
