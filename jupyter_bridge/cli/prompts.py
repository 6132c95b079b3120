"""Prompter: answers to the code's input requests, from the terminal or a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jupyter_bridge.cli import output

if TYPE_CHECKING:
    from jupyter_bridge.client import InputRequest

# The end of input for Python's kernel: input() raises EOFError.
END_OF_INPUT = "\x04"


class Prompter:
    """Answers input requests.

    `json` keeps prompts off stdout. `stdin_taken` reads from the controlling terminal, because
    stdin had the code itself.
    """

    def __init__(self, *, json: bool = False, stdin_taken: bool = False) -> None:
        self._json = json
        self._stdin_taken = stdin_taken

    def answer(self, request: InputRequest) -> str:
        """Return the typed line without its newline, or END_OF_INPUT."""
        try:
            if self._stdin_taken:
                return self._from_terminal(request)
            if request.password and sys.stdin.isatty():
                return output.ask_secret(request.prompt, program=True)
            return output.ask(request.prompt, quiet=self._json, program=True)
        except EOFError:
            return END_OF_INPUT

    def _from_terminal(self, request: InputRequest) -> str:
        try:
            return output.ask_terminal(request.prompt, secret=request.password)
        except OSError:
            return END_OF_INPUT  # there is no terminal
