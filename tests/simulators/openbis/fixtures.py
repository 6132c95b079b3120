"""What tests of openBIS share."""

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
# What they are called in the data set.
IN_DATA_SET = {f"original/{name}": content for name, content in CONTENT.items()}
APIS = pytest.mark.parametrize("api", ["3.5", "3.6", "3.7"])


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A running openBIS; pyBIS, which keeps tokens below the home folder, has one of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Simulator(tmp_path / "openbis") as running:
        yield running


def tree(folder: Path) -> dict[str, bytes]:
    """All files below, by their path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
