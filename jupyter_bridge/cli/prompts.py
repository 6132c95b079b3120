"""What the code asks for, asked of whoever sits at the terminal, or read from a pipe."""

from __future__ import annotations

import sys

from jupyter_bridge.cli import output
from jupyter_bridge.client import InputRequest

# What Python's kernel takes for the end of input: input() raises EOFError.
END_OF_INPUT = "\x04"


class Prompter:
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
                return output.ask_secret(request.prompt, program=True)
            return output.ask(request.prompt, quiet=self._json, program=True)
        except EOFError:
            return END_OF_INPUT

    def _from_terminal(self, request: InputRequest) -> str:
        try:
            return output.ask_terminal(request.prompt, secret=request.password)
        except OSError:
            return END_OF_INPUT  # nobody is there
