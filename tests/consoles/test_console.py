"""Who is named of those who look at a console."""

from __future__ import annotations

from typing import Any, cast

from jupyter_bridge.consoles.console import MOST_SHOWN, Console, Viewer


def test_of_many_viewers_those_who_may_type_are_named_first() -> None:
    """Each viewer is told of the others: their number is bounded, whoever else looks."""
    console = Console("1", "terminal", cast(Any, None), None)
    told: list[int] = []
    for number in range(MOST_SHOWN + 50):
        console.enter(
            Viewer(f"w{number}", "watch", lambda: told.append(len(console.shown_viewers)))
        )
    assert max(told) == MOST_SHOWN
    console.enter(Viewer("typist", "join", lambda: None))
    shown = console.shown_viewers
    assert [viewer.user for viewer in shown[:3]] == ["typist", "w0", "w1"]
    assert len(shown) == MOST_SHOWN
    for viewer in console.viewers[3:]:
        console.leave(viewer)
    assert [viewer.user for viewer in console.shown_viewers] == ["w0", "w1", "w2"]
