"""What both kinds of shell, here and on a plain remote, need at a prompt that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import more
from jupyter_bridge.problems import Busy
from jupyter_bridge.wire.shell.prompt_state import PromptState

# How long a terminal may take to echo a key, or a shell to show a new prompt, seconds.
REACTION = 1.0
# How often a shell is looked at meanwhile, seconds.
_LOOK_EVERY = 0.05
_INTERRUPTS = 2


def busy(console: Console, reason: str, foreground: str | None = None) -> Busy:
    """Return the Problem of a console whose shell is not known to be at its prompt."""
    details = {} if foreground is None else {"foreground": foreground}
    return Busy(f"Console {console.name!r} is busy: {reason} Nothing was typed.", **details)


def no_answer(console: Console) -> Busy:
    """Return the Problem of a shell that does not take a run at its prompt."""
    return Busy(
        f"The shell in console {console.name!r} does not answer at its prompt: the terminal may be "
        "stopped (Ctrl-S), or its line editor asks something. The command was not run."
    )


async def empty_line(
    console: Console,
    prompt: PromptState,
    interrupt: bytes,
    at_prompt: Callable[[], bool],
    *,
    reaction: float = REACTION,
) -> None:
    """Have sh give up the line that was typed, by the key `interrupt`; Busy if it does not.

    Returns at its next prompt, `reaction` seconds later at most.
    """
    loop = asyncio.get_running_loop()
    for _ in range(_INTERRUPTS):  # the first may only leave a search
        shown = prompt.shown
        await console.write(interrupt)
        until = loop.time() + reaction
        while loop.time() < until:
            if prompt.shown != shown and at_prompt():
                return
            await more(console, console.end_offset, _LOOK_EVERY)
    raise no_answer(console)
