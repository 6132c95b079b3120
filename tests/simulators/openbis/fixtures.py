"""Fixtures for the tests of openBIS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.openbis.simulator import Simulator

CONTENT = {
    "a.txt": b"hello\n",
    "empty": b"",
    "deep/er/b.bin": bytes(range(256)) * 5000,
    "grüße.txt": "grüße\n".encode(),
    "with, comma & more?.txt": b"x",
}
# Their paths in the data set.
IN_DATA_SET = {f"original/{name}": content for name, content in CONTENT.items()}
APIS = pytest.mark.parametrize("api", ["3.5", "3.6", "3.7"])


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A running simulator, and a home folder of its own, because pyBIS stores tokens there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Simulator(tmp_path / "openbis") as running:
        yield running


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
