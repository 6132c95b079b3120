"""Where all that the tests use must be there, a test that misses something fails."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.conftest import pytest_runtest_makereport


def outcome(reason: str) -> str:
    """What becomes of a test that is skipped for this reason."""
    skipped: Any = ("test_x.py", 1, f"Skipped: {reason}")
    report = pytest.TestReport("x", ("test_x.py", 1, "x"), {}, "skipped", skipped, "setup")
    steps = pytest_runtest_makereport(cast(Any, None), cast(Any, None))
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(report)
    return str(end.value.value.outcome)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("tmux is not installed", "failed"),
        ("no sshfs mounts here: fusermount3 is not there", "failed"),
        ("the panel is not built (`make test` builds it)", "failed"),
        ("not installed: ['configurable-http-proxy']", "failed"),
        ("/dev/fuse cannot be used: the container or the host does not allow FUSE", "skipped"),
        ("root may read everything", "skipped"),
    ],
)
def test_a_missing_program(monkeypatch: pytest.MonkeyPatch, reason: str, status: str) -> None:
    """It fails the test where NO_SKIPS says so; what the machine does not allow is skipped."""
    monkeypatch.setenv("NO_SKIPS", "1")
    assert outcome(reason) == status
    monkeypatch.delenv("NO_SKIPS")
    assert outcome(reason) == "skipped"
