"""Results, and what they say to a person."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jupyter_bridge.client import ExecutionFailed, Kernel, Result

OUTPUTS: list[dict[str, Any]] = [
    {"output_type": "stream", "name": "stdout", "text": "a\n"},
    {"output_type": "stream", "name": "stderr", "text": "warning\n"},
    {"output_type": "display_data", "data": {"image/png": "…"}, "metadata": {}},
    {"output_type": "execute_result", "data": {"text/plain": "42"}, "metadata": {}},
]


def test_outputs() -> None:
    """A result gives its outputs as text, each stream apart, and its value."""
    result = Result(status="ok", outputs=OUTPUTS)
    assert (result.stdout, result.stderr, result.value) == ("a\n", "warning\n", "42")
    assert result.text == "a\nwarning\n42\n"
    assert Result(status="ok").value is None


def test_good() -> None:
    """A good result passes through raise_for_status."""
    result = Result(status="ok")
    assert result.raise_for_status() is result


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('{"status": "error", "error": {"ename": "E", "evalue": "bad"}}', "E: bad"),
        ('{"status": "error"}', "raised an error"),
        ('{"status": "timeout"}', "within the time allowed"),
        ('{"status": "died"}', "the kernel died"),
        ('{"status": "died", "exit_code": -9}', r"died \(signal 9\)"),
        ('{"status": "aborted"}', "did not run"),
        ('{"status": "running"}', "is running"),
    ],
)
def test_bad(said: str, sentence: str) -> None:
    """A bad result raises a sentence, and is on the exception."""
    result = msgspec.json.decode(said, type=Result)
    with pytest.raises(ExecutionFailed, match=sentence) as caught:
        result.raise_for_status()
    assert caught.value.result is result


def test_newer_server() -> None:
    """What a newer server says besides is passed over."""
    kernel = msgspec.json.decode('{"id": "k", "kernelId": "k", "mood": "good"}', type=Kernel)
    assert kernel.id == "k"
