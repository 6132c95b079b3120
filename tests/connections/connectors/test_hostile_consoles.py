"""The frames of a remote bridge's console: what is taken of them, whatever they hold."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.connectors.jupyter.connector import JupyterServer
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.wire.console import MAX_OFFSET
from tests.connections.connectors.test_hostile import _jupyter, make
from tests.connections.connectors.test_hostile_sockets import CONSOLE, flooding
from tests.support.waiting import until


def head(kind: str, offset: int) -> bytes:
    return struct.pack(">cQ", kind.encode(), offset)


def start(offset: int = 0, **about: Any) -> bytes:
    return head("s", offset) + json.dumps({"epoch": "e", **about}).encode()


def output(offset: int, data: bytes) -> bytes:
    return head("o", offset) + data


def gap(offset: int, to: int) -> bytes:
    return head("g", offset) + struct.pack(">Q", to)


def ended(given: Any) -> bytes:
    return head("x", 0) + json.dumps(given).encode()


class Told:
    """What a source passes on, in order."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    async def of(self, frames: list[bytes], folder: Path) -> Any:
        """Open a source that is sent these frames; returns it, closed."""
        async with flooding(list(frames), len(frames), (CONSOLE,)) as url:
            one: Any = make(JupyterServer, url, folder)
            source: Any = await _jupyter(one, url, "consoles").console("1")
            await source.open(self.all.append, self.all.append, self.all.append)
            last = frames[-1]
            if last[:1] == b"x":
                await until(lambda: any(isinstance(told, Exit) for told in self.all))
            else:
                await until(lambda: not source._socket.is_up or self._has(last))
            await source.close()
            await one.context.outbound.close()
        return source

    def _has(self, last: bytes) -> bool:
        return last[9:] in self.all


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Node 1", "Node 1"),
        ("\ud800", "?"),
        ("\x1b]0;evil\x07", "\\x1b]0;evil\\x07"),
        ("\u202e", "\\u202e"),
        ({"a": ["\ud800"]}, "1"),
        ("x" * 5000, "x" * 299 + "…"),
        ([], "1"),
        (None, "1"),
    ],
)
async def test_a_title_is_short_clean_text(title: Any, shown: str, tmp_path: Path) -> None:
    """It can be written, encoded and shown, whatever the remote calls its console."""
    source = await Told().of([start(title=title), output(0, b"end")], tmp_path)
    assert source.title == shown
    assert source.title.encode()


@pytest.mark.parametrize(
    "given",
    [
        {"code": "\ud800", "signal": "\ud800"},
        {"code": {"a": ["\x1b]52;c;aa\x07"]}, "signal": ["\x1b[2J"]},
        {"code": 10**400, "signal": "x" * 100_000},
        {"code": True, "signal": ""},
    ],
    ids=["surrogates", "lists", "large", "bool"],
)
async def test_an_exit_that_is_none(given: Any, tmp_path: Path) -> None:
    """The console has ended, and nobody knows how."""
    told = Told()
    await told.of([start(), output(0, b"bye"), ended(given)], tmp_path)
    assert told.all == [b"bye", Exit()]


@pytest.mark.parametrize(
    ("frames", "passed"),
    [
        ([output(0, b"ab"), output(2, b"end")], [b"ab", b"end"]),
        ([output(7, b"ab"), gap(9, 20), output(20, b"end")], [b"ab", 11, b"end"]),
        ([output(0, b"ab"), output(0, b"end")], [b"ab"]),
        ([output(0, b"ab"), output(3, b"end")], [b"ab"]),
        ([output(0, b"ab"), output(MAX_OFFSET, b"end")], [b"ab"]),
        ([output(0, b"ab"), gap(0, MAX_OFFSET), output(0, b"end")], [b"ab"]),
        ([output(0, b"ab"), gap(3, 5), output(5, b"end")], [b"ab"]),
        ([gap(0, 5), gap(0, 5), output(5, b"end")], [5]),
        ([gap(0, MAX_OFFSET)] * 2060 + [output(0, b"end")], [MAX_OFFSET]),
    ],
    ids=[
        "in order",
        "from any offset, with a gap",
        "back",
        "forth",
        "far",
        "a gap back to the start",
        "a gap further on",
        "a gap again",
        "2,060 gaps",
    ],
)
async def test_output_and_gaps_follow_each_other(
    frames: list[bytes], passed: list[Any], tmp_path: Path
) -> None:
    """What begins elsewhere than the output before it ended is refused with its connection."""
    told = Told()
    await told.of([start(), *frames], tmp_path)
    assert told.all[: len(passed)] == passed
    if passed[-1] != b"end":
        assert b"end" not in told.all
