"""Shell: the shell of a terminal of this server, and whether it is at its prompt.

A line may be typed only at a prompt that is known: the shell itself has printed its mark since the
last command (`wire/shell/startup.py`), it is in the terminal's foreground, and the terminal is in
the mode in which that shell reads a line.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import termios
from typing import Any

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.known_prompt import busy
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.problems import Gone
from jupyter_bridge.wire.shell.integration import Dialect
from jupyter_bridge.wire.shell.prompt_state import runs_command
from jupyter_bridge.wire.shell.startup import KnownShell
from jupyter_bridge.wire.shell.wrapper import dialect_of

# The kernel functions in which a process waits for a terminal's line; "0" if Linux hides them.
_READS_TERMINAL = ("wait_woken", "n_tty_read", "tty_read")
# The longest pause between two checks for a prompt, seconds.
LOOK_EVERY = 0.05
_HAS_PROC = os.path.exists("/proc/self/stat")
_NO_CHARACTER = b"\0"


class Shell:
    """Examines the terminal of one console; holds nothing open."""

    def __init__(self, console: Console, terminal: TerminalSource) -> None:
        self._console = console
        self._terminal = terminal

    @property
    def known(self) -> KnownShell | None:
        """The shell, if it was started so that it tells its prompt."""
        return self._terminal.shell

    def program(self) -> str | None:
        """Return the name of the program in the foreground."""
        leader = _alive(self._terminal.foreground)
        return None if leader is None else _program(leader)

    def image(self) -> str | None:
        """Identify the shell's process and its program: `exec` changes it."""
        return image_of(self._terminal.pid)

    async def wait_for_prompt(self, patience: float | None) -> None:
        """Return when the shell is at its prompt; Busy after `patience` seconds (None: never).

        Raises Gone if the console ends first.
        """
        loop = asyncio.get_running_loop()
        until = None if patience is None else loop.time() + patience
        pause = 0.001
        while (reason := self.why_not()) is not None:
            if self._console.state == "ended":
                raise Gone(f"Console {self._console.name!r} ended before the command was typed.")
            if self._is_hopeless() or (until is not None and loop.time() > until):
                raise busy(self._console, reason, self.program())
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LOOK_EVERY)

    def at_prompt(self) -> bool:
        """Tell whether the shell is known to be at its prompt."""
        return self.why_not() is None

    def seems_at_prompt(self) -> bool:
        """Tell whether some shell waits for a line there, for all that can be seen."""
        program = self.program()
        dialect = None if program is None else dialect_of(program)
        in_front = self._terminal.foreground == self._terminal.pid
        return dialect is not None and in_front and self._is_in_mode_of(dialect)

    def why_not(self) -> str | None:
        """Return why the shell is not known to be at its prompt, as a sentence; None if it is."""
        known, terminal = self._terminal.shell, self._terminal
        if known is None:
            return "its program was not started as a shell that tells when it is at its prompt."
        if self._is_hopeless():
            return f"its shell was replaced by {self.program() or 'another program'}."
        if terminal.foreground != terminal.pid:
            return f"{self.program() or 'another program'} is in the foreground."
        program = self.program() or "its shell"
        if (reason := known.prompt.why_not(program)) is not None:
            return reason
        return None if self._reads_line(known) else runs_command(program)

    def _is_hopeless(self) -> bool:
        """Tell whether the shell will never be known to be at its prompt."""
        terminal = self._terminal
        if terminal.shell is None:
            return True
        if terminal.shell.prompt.state == "unknown":
            return False
        image = image_of(terminal.pid)
        if terminal.image is None:
            terminal.image = image
        return image is not None and image != terminal.image

    def _reads_line(self, known: KnownShell) -> bool:
        dialect = known.start.dialect
        return self._is_in_mode_of(dialect) and not (dialect == "sh" and known.prompt.ended_line)

    def _is_in_mode_of(self, dialect: Dialect) -> bool:
        """Tell whether the terminal is in the mode in which such a shell reads a line."""
        attributes = self.attributes()
        if attributes is None:
            return False
        if not attributes[3] & termios.ICANON:
            return not attributes[3] & termios.ECHO
        return dialect == "sh" and _reads_terminal(self._terminal.pid)

    def attributes(self) -> list[Any] | None:
        """Return the terminal's attributes (`termios.tcgetattr`); None if it is closed."""
        try:
            return termios.tcgetattr(self._terminal.fd)
        except (termios.error, OSError):
            return None

    def key(self, index: int) -> bytes:
        """Return a special character of the terminal (`termios.VKILL`); empty if it has none."""
        attributes = self.attributes()
        found: bytes = _NO_CHARACTER if attributes is None else attributes[6][index]
        return b"" if found == _NO_CHARACTER else found

    def reads_by_itself(self) -> bool:
        """Tell whether the terminal gives the shell whole lines, which it edits itself."""
        attributes = self.attributes()
        return attributes is not None and bool(attributes[3] & termios.ICANON)


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
