"""A module is imported when it is first needed, and nobody else waits for that."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from jupyter_bridge.aio.first_use import imported


async def test_the_loop_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow module is imported in a thread, once for all who ask meanwhile."""
    (tmp_path / "slow_module_of_a_test.py").write_text(
        "import threading, time\ntime.sleep(0.1)\nthread = threading.current_thread()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    await asyncio.gather(*(imported("slow_module_of_a_test") for _ in range(3)))
    module = sys.modules.pop("slow_module_of_a_test")
    assert module.thread is not threading.current_thread()


async def test_what_is_missing_is_told() -> None:
    """A module that is not installed is an ImportError, each time."""
    for _ in range(2):
        with pytest.raises(ImportError):
            await imported("no_such_module_of_a_test")
