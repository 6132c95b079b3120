"""What the code asks for, asked of whoever sits at the terminal, or read from a pipe."""

from __future__ import annotations

import getpass
import sys
from typing import TextIO

from jupyter_bridge.cli.call import write
from jupyter_bridge.client import InputRequest

# What Python's kernel takes for the end of input: input() raises EOFError.
END_OF_INPUT = "\x04"


class Asker:
    """Answers input requests.

    `json` keeps prompts off stdout. `stdin_taken` says that stdin held the code itself: then
    whoever started this is asked on the terminal, if there is one.
    """

    def __init__(self, *, json: bool = False, stdin_taken: bool = False) -> None:
        self._json = json
        self._stdin_taken = stdin_taken

    def answer(self, request: InputRequest) -> str:
        """The line that was typed, without its newline; the end of input as kernels spell it."""
        try:
            if self._stdin_taken:
                return self._from_terminal(request)
            if request.password and sys.stdin.isatty():
                return getpass.getpass(request.prompt)
            return read_line(request.prompt, quiet=self._json)
        except EOFError:
            return END_OF_INPUT

    def _from_terminal(self, request: InputRequest) -> str:
        try:
            terminal = open("/dev/tty", "r+b", buffering=0)  # noqa: SIM115
        except OSError:
            return END_OF_INPUT  # nobody is there
        with terminal:
            if request.password:
                return getpass.getpass(request.prompt)
            terminal.write(request.prompt.encode("utf-8", "replace"))
            return _line_of(terminal.readline().decode("utf-8", "replace"))


def read_line(prompt: str, *, quiet: bool = False) -> str:
    """One line of stdin; EOFError at its end.

    With a terminal on both sides it can be edited. Otherwise the prompt goes where it does not
    disturb: to stderr if a person types and stdout is a pipe or (`quiet`) holds JSON.
    """
    typed = sys.stdin.isatty()
    if typed and sys.stdout.isatty() and not quiet:
        return input(prompt)
    if typed:
        write(sys.stderr, prompt)
    elif not quiet:
        write(sys.stdout, prompt)  # as Python's own input() does
    return _line_of(_read(sys.stdin))


def _read(file: TextIO) -> str:
    return file.readline()


def _line_of(text: str) -> str:
    if not text:
        raise EOFError
    return text.rstrip("\n")
