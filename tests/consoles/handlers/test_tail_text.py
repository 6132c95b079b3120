"""A view's steps as text, by the vectors that the other language reads as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.handlers.consoles import attachment
from jupyter_bridge.consoles.handlers.tail import TextStream
from jupyter_bridge.wire import console

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "console.json").read_text())


@pytest.mark.parametrize("case", VECTORS["text"], ids=lambda case: case["name"])
def test_characters_that_frames_cut_are_whole(case: dict[str, Any]) -> None:
    """Each frame shows the characters that it ends; what is no UTF-8 is U+FFFD, once."""
    text = TextStream()
    frames = [console.from_server_frame(bytes.fromhex(frame)) for frame in case["frames"]]
    assert all(isinstance(frame, console.OutputFrame) for frame in frames)
    assert [text.of(frame) for frame in frames] == case["texts"]  # type: ignore[arg-type]
    assert text.rest() == case["rest"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("1.log", 'attachment; filename="1.log"'),
        ('file:a/"b"\\c.log', 'attachment; filename="file:a__b__c.log"'),
        ("é\r\nX: y", "attachment; filename=\"___X: y\"; filename*=UTF-8''%C3%A9__X%3A%20y"),
    ],
)
def test_no_name_breaks_out_of_a_header(name: str, said: str) -> None:
    """Quotes, slashes and line ends are `_`; what is not ASCII is also told as RFC 6266 says."""
    assert attachment(name) == said
