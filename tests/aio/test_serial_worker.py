"""Calls in order, in a thread: what is dropped, and what the host's terminals may leave waiting."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_bridge.aio import serial_worker
from jupyter_bridge.aio.serial_worker import InputWorkers, SerialWorker
from tests.support.waiting import PATIENCE, wait_until


class Data:
    """Something large."""


def test_a_cancelled_call_holds_nothing() -> None:
    """What a call would use is let go as it is cancelled, although earlier calls still run."""
    gate, worker, data = threading.Event(), SerialWorker(idle=0), Data()
    running = worker.submit(gate.wait)
    waiting = worker.submit(lambda held=data: held)  # type: ignore[misc]
    seen = weakref.ref(data)
    del data
    assert waiting.cancel()
    gc.collect()
    assert seen() is None
    last = worker.submit(lambda: "last")
    gate.set()
    assert running.result(PATIENCE)
    assert last.result(PATIENCE) == "last"


def test_an_idle_worker_holds_nothing() -> None:
    """The thread that waits for the next call holds neither the last one nor its result."""
    worker, data = SerialWorker(idle=PATIENCE), Data()
    seen = weakref.ref(data)
    worker.submit(lambda held=data: held).result(PATIENCE)  # type: ignore[misc]
    del data
    wait_until(lambda: seen() is None, "the end of the data")
    worker.submit(lambda: None).result(PATIENCE)


def test_input_of_the_hosts_clients_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond MAX_WAITING it is dropped, the log says so once, and other terminals go on."""
    monkeypatch.setattr(serial_worker, "MAX_WAITING", 100_000)
    workers, gate = InputWorkers(), threading.Event()
    typed: list[str] = []

    def type_text(socket: Any, text: str) -> None:
        gate.wait(PATIENCE)
        typed.append(f"{socket.terminal.term_name}{text[0]}")

    class Terminal:
        def __init__(self, name: str) -> None:
            self.term_name = name

    stalled, other = (SimpleNamespace(terminal=Terminal(name)) for name in "12")
    with caplog.at_level(logging.WARNING):
        given = [workers.submit(type_text, stalled, letter * 40_000) for letter in "abcd"]
        given.append(workers.submit(type_text, other, "e"))
    assert [one.done() for one in given] == [False, False, True, True, False]
    assert [record.getMessage() for record in caplog.records] == [
        "Terminal 1 reads nothing: further input is dropped"
    ]
    gate.set()
    for one in given:
        one.result(PATIENCE)
    wait_until(lambda: workers.submit(type_text, stalled, "f" * 40_000).result(PATIENCE) is None)
    assert sorted(typed)[:3] == ["1a", "1b", "1f"]
