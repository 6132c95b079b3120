"""The shells' scripts, as they are sent. `make lint` has shellcheck read them."""

from __future__ import annotations

from typing import get_args

import pytest

from jupyter_bridge.wire.shell.integration import VERSION, VERSION_WITH_EXIT, Dialect, integration


@pytest.mark.parametrize("reports_exit", [False, True])
@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_what_is_sent(dialect: Dialect, reports_exit: bool) -> None:
    """No comment is sent, and the last line names the version that the wrapper asks for."""
    lines = integration(dialect, reports_exit=reports_exit).splitlines()
    assert not [line for line in lines if line.strip().startswith("#")]
    assert lines[-1].endswith(VERSION_WITH_EXIT if reports_exit else VERSION)
    assert any("133;" in line for line in lines)
