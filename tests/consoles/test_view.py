"""A cursor on a console: where it begins, what it leaves out, where it can be taken up."""

from __future__ import annotations

import re

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal import Journal
from jupyter_bridge.consoles.view import View
from jupyter_bridge.wire.console import Output

QUERY = b"\x1b[6n"
SAID = b"plain \x1b[31mred\x1b[0m " + QUERY + b"\x1b]0;title\x07\xc2\x9b1mend\x1b[3"


def ended(data: bytes) -> Console:
    """A console that has said this."""
    journal = Journal(None, "epoch")
    journal.append(data)
    return Console("x", "terminal", journal, None)


async def outputs(view: View) -> list[Output]:
    return [step async for step in view.steps() if isinstance(step, Output)]


@pytest.mark.parametrize("start", range(len(SAID) + 1))
async def test_a_view_taken_up_anywhere_repeats_no_byte(start: int) -> None:
    """Resumed inside of a sequence, what comes is its rest; only of a query nothing comes."""
    found = await outputs(View(ended(SAID), start, follow=False, resumed=True))
    query = re.search(re.escape(QUERY), SAID)
    assert query is not None
    left_out = range(max(start, query.start()), query.end())
    expected = {at: SAID[at] for at in range(start, len(SAID)) if at not in left_out}
    got = [(step.offset + at, byte) for step in found for at, byte in enumerate(step.data)]
    assert got == sorted(expected.items())
