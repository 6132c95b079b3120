"""Line and Replay: what breaks is mended, and what is told twice is cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.connections.connectors.line import Replay


@pytest.mark.parametrize(
    ("passed", "replay", "rest"),
    [
        (b"", b"anything", b"anything"),
        (b"0123456789abcdefghij", b"0123456789abcdefghijNEW", b"NEW"),
        (b"0123456789abcdefghij", b"456789abcdefghijNEW", b"NEW"),
        (b"0123456789abcdefghij", b"456789abcdefghij", b""),
        (b"0123456789abcdefghij", b"older0123456789abcdefghijNEW", b"NEW"),
        (b"0123456789abcdefghij", b"something else entirely", None),
        (b"0123456789abcdefg$ ", b"$ something else", None),
        (b"short", b"short and more", b" and more"),
    ],
)
def test_the_known_part_of_a_replay_is_cut(
    passed: bytes, replay: bytes, rest: bytes | None
) -> None:
    """Where it goes on from what was passed; else it is a gap."""
    known = Replay()
    known.passed(passed)
    assert known.rest(replay) == rest


@given(st.integers(0, 2**32), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_any_overlap_of_text_without_repetition_is_found(
    seed: int, start: int, known: int, end: int
) -> None:
    """Whatever was passed and however much is told again, nothing is lost or doubled."""
    start, known, end = sorted((start, known, end))
    stream = random.Random(seed).randbytes(3000)
    replay = Replay()
    replay.passed(stream[:known])
    if known - start >= Replay.SURE:
        assert replay.rest(stream[start:end]) == stream[known:end]


def test_only_the_end_is_remembered() -> None:
    """Memory is bounded, and the end still matches."""
    replay = Replay()
    stream = random.Random(1).randbytes(3 * Replay.KEEP)
    for at in range(0, len(stream), 10_000):
        replay.passed(stream[at : at + 10_000])
    assert replay.rest(stream + b"NEW") == b"NEW"
    assert replay.rest(stream[-1000:] + b"NEW") == b"NEW"
