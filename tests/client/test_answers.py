"""Results, and what they say to a person."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jupyter_bridge.client import ExecutionFailed, Result
from tests.simulators.faulty_bridge import result as answered

OUTPUTS: list[dict[str, Any]] = [
    {"output_type": "stream", "name": "stdout", "text": "a\n"},
    {"output_type": "stream", "name": "stderr", "text": "warning\n"},
    {"output_type": "display_data", "data": {"image/png": "…"}, "metadata": {}},
    {"output_type": "execute_result", "data": {"text/plain": "42"}, "metadata": {}},
]


def ended(status: str, **more: Any) -> Result:
    return msgspec.convert(answered(status, **more), Result)


def test_outputs() -> None:
    """A result gives its outputs as text, each stream apart, and its value."""
    result = ended("ok", outputs=OUTPUTS)
    assert (result.stdout, result.stderr, result.value) == ("a\n", "warning\n", "42")
    assert result.text == "a\nwarning\n42\n"
    assert ended("ok").value is None


def test_good() -> None:
    """A good result passes through raise_for_status."""
    result = ended("ok")
    assert result.raise_for_status() is result


@pytest.mark.parametrize(
    ("status", "more", "sentence"),
    [
        ("error", {"error": {"ename": "E", "evalue": "bad", "traceback": []}}, "E: bad"),
        ("error", {}, "raised an error"),
        ("timeout", {}, "within the time allowed"),
        ("died", {}, "the kernel died"),
        ("died", {"exit_code": -9}, r"died \(signal 9\)"),
        ("aborted", {}, "did not run"),
        ("running", {}, "is running"),
        ("a new word", {}, "is a new word"),
    ],
)
def test_bad(status: str, more: dict[str, Any], sentence: str) -> None:
    """A bad result raises a sentence, and is on the exception."""
    result = ended(status, **more)
    with pytest.raises(ExecutionFailed, match=sentence) as caught:
        result.raise_for_status()
    assert caught.value.result is result
