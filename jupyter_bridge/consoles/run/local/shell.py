"""Shell: the shell in a terminal's foreground, seen through the system.

A line may be typed only if a shell will read it. The terminal's foreground process group tells
which program reads, and the terminal's modes tell how: bash, zsh and fish read a prompt's line with
echo and line mode off; sh leaves both on and sleeps in a read.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import termios

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.problems import Busy, Gone
from jupyter_bridge.wire.shell.integration import Dialect
from jupyter_bridge.wire.shell.wrapper import dialect_of

# The kernel functions in which a process waits for a terminal's line; "0" if Linux hides them.
_READS_TERMINAL = ("wait_woken", "n_tty_read", "tty_read")
# The longest pause between two checks for a prompt, seconds.
LOOK_EVERY = 0.05
_HAS_PROC = os.path.exists("/proc/self/stat")


class Shell:
    """Examines the terminal of one console; holds nothing open."""

    def __init__(self, console: Console, terminal: TerminalSource) -> None:
        self._console = console
        self._terminal = terminal

    @property
    def leader(self) -> int | None:
        """The leader of the foreground process group, if it is alive."""
        return _alive(self._terminal.foreground)

    def program(self) -> str | None:
        """Return the name of the program in the foreground."""
        leader = self.leader
        return None if leader is None else _program(leader)

    def dialect(self) -> Dialect | None:
        """Return the dialect of the shell in the foreground; None if there is no shell."""
        program = self.program()
        return None if program is None else dialect_of(program)

    def image(self) -> str | None:
        """Identify the foreground process and its program: `exec` changes it."""
        leader = self.leader
        return None if leader is None else image_of(leader)

    async def wait_for_prompt(self, patience: float | None) -> None:
        """Return when a shell is at its prompt; Busy after `patience` seconds (None: never).

        Raises Gone if the console ends first.
        """
        loop = asyncio.get_running_loop()
        until = None if patience is None else loop.time() + patience
        pause = 0.001
        while not self.at_prompt():
            name = self._console.name
            if self._console.state == "ended":
                raise Gone(f"Console {name!r} ended before the command was typed.")
            if until is not None and loop.time() > until:
                program = self.program()
                raise Busy(
                    f"Console {name!r} is busy: {program} is in the foreground. Try later, or send "
                    "queue: true.",
                    foreground=program,
                )
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LOOK_EVERY)

    def at_prompt(self) -> bool:
        """Tell whether a shell is in the foreground and waits for a line."""
        leader = self.leader
        dialect = self.dialect()
        if leader is None or dialect is None:
            return False
        try:
            local = termios.tcgetattr(self._terminal.fd)[3]
        except (termios.error, OSError):
            return False
        if not local & termios.ICANON:
            return not local & termios.ECHO
        return dialect == "sh" and _reads_terminal(leader)


def image_of(pid: int) -> str | None:
    """Return a process's id, start time and stack address; None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return f"{pid} {fields[19]} {fields[25]}"
    except (OSError, IndexError):
        return None if _HAS_PROC or _alive(pid) is None else str(pid)


def _alive(pid: int | None) -> int | None:
    try:
        if pid:
            os.kill(pid, 0)
            return pid
    except ProcessLookupError:
        return None
    except PermissionError:
        return pid
    return None


def _program(pid: int) -> str | None:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        pass  # another user's process, or a system without /proc
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        if _HAS_PROC:
            return None
    command = ["ps", "-o", "comm=", "-p", str(pid)]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _reads_terminal(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/wchan", encoding="ascii", errors="replace") as file:
            where = file.read()
        if where.strip("0"):
            return where in _READS_TERMINAL
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "S"
    except (OSError, IndexError):
        return True
