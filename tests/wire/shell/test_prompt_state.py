"""What a shell says about its prompt, wherever its output is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.shell.prompt_state import PromptState

KEY = "0123456789abcdef"


def mark(letter: str, more: str = "") -> bytes:
    return f"\x1b]133;{letter}{more};jb={KEY}\x07".encode()


MARKS = {
    "A": (mark("A"), "prompt"),
    "B": (mark("B"), "prompt"),
    "C": (mark("C"), "command"),
    "C with text": (mark("C")[:-1] + b";cmdline=ls\x07", "command"),
    "P": (mark("P", ";k=s"), "continuation"),
    "D": (mark("D", ";130")[:-1] + b";/home\x07", None),
    "R": (mark("R"), None),
    "another key": (b"\x1b]133;B;jb=fedcba9876543210\x07", None),
    "no mark": (f"133;B;jb={KEY}\x07".encode(), None),
    "text": (b"text", None),
    "a line": (b"one\r\n", None),
}


@given(st.lists(st.sampled_from(sorted(MARKS))), st.lists(st.integers(1, 90)))
def test_the_last_mark_counts(names: list[str], cuts: list[int]) -> None:
    """The state is that of the last mark, for any cut of the bytes; counts are exact."""
    data = b"".join(MARKS[name][0] for name in names)
    followed, start = PromptState(KEY), 0
    for cut in cuts:
        followed.feed(data[start : start + cut])
        start += cut
    followed.feed(data[start:])
    states = [MARKS[name][1] for name in names if MARKS[name][1] is not None]
    assert followed.state == (states[-1] if states else "unknown")
    assert followed.refused == names.count("R")
    assert followed.shown == names.count("B")
    assert followed.status == (130 if "D" in names else None)
    since = b"".join(
        MARKS[name][0]
        for name in names[max((n for n, name in enumerate(names) if MARKS[name][1]), default=0) :]
    )
    assert followed.ended_line == (b"\n" in since)
