"""Jupyter's own tests of its server and its terminals pass with the bridge, too."""

from __future__ import annotations

import pytest

from tests.upstream.comparing import compare
from tests.upstream.prepared import prepare
from tests.upstream.running import Suite

pytestmark = pytest.mark.soak

TERMINALS = Suite("terminals", "jupyter_server_terminals")
# Without tests that start a process with only their own extension, on a fixed port.
SERVER = Suite("server", "jupyter_server", ("--ignore=tests/extension/test_launch.py",))
COMMANDS = Suite(
    "commands",
    "jupyter_server",
    ("--integration_tests=true", "tests/unix_sockets"),
    launches=True,
)

# Tests that cannot pass with another extension, and why.
DIFFERENT = {
    "tests/extension/test_app.py::test_stop_extension": "says which extensions there are, in all",
}
# Tests whose servers ignore the configuration's extensions, and why.
PLAIN = {
    "tests/test_serverapp.py::test_server_password": "has a config folder of its own",
    "tests/test_serverapp.py::test_password_auth_logs_connect_url_for_wildcard": "is half made",
}


@pytest.fixture(autouse=True, scope="module")
def prepared() -> None:
    """The suites and their dependencies."""
    try:
        prepare()
    except OSError as error:
        pytest.skip(str(error))


def check(suite: Suite, passed: int, servers: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Assert that no test is worse with the bridge, and that some servers had it."""
    both = compare(suite)
    with capsys.disabled():
        print(both)
    assert [test for test in both.worse if test not in DIFFERENT] == []
    assert len(both.without.those("passed")) >= passed
    assert len(both.with_.with_bridge) >= servers
    assert both.without.with_bridge == []
    plain = {server.removesuffix(" (call)") for server in both.with_.without_bridge}
    assert plain <= PLAIN.keys()


def test_the_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """jupyter_server_terminals' own tests have the same outcomes with the bridge as without."""
    check(TERMINALS, 15, 15, capsys)


@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize(
    ("suite", "passed", "servers"),
    [
        pytest.param(SERVER, 1000, 500, id="server"),
        pytest.param(COMMANDS, 5, 5, id="commands"),
    ],
)
def test_the_server(
    suite: Suite, passed: int, servers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """jupyter_server's own tests have the same outcomes with the bridge as without."""
    check(suite, passed, servers, capsys)
