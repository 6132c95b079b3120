"""Connection: its states, and one login for all who wait."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from jupyter_bridge.connections import login_backoff, state
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import WrongCredentials
from jupyter_bridge.connections.roles import CanMount
from jupyter_bridge.problems import (
    BadRequest,
    Busy,
    Conflict,
    Denied,
    NeedsLogin,
    RemoteFailed,
    Unavailable,
    Unsupported,
)
from tests.simulators.connector import PASSWORD, browse, connect
from tests.support.waiting import StoppedClock, pass_time, settle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """What tells sessions the time."""
    clock = StoppedClock()
    monkeypatch.setattr(state, "time", clock)
    return clock


async def test_64_calls_share_one_login(tmp_path: Path) -> None:
    """64 calls that find a session expired make one login, and all of them succeed."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    await browse(connection)
    remote.latency = 0.05
    remote.expire()
    listings = await asyncio.gather(*(browse(connection) for _ in range(64)))
    assert all(listing[0].name == "a" for listing in listings)
    assert remote.logins == 2
    assert connection.state == "connected"


async def test_a_waiter_that_gives_up_stops_nobody(tmp_path: Path) -> None:
    """Cancelling one of those who wait for a login leaves the login to the others."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    remote.latency = 5
    first = asyncio.ensure_future(browse(connection))
    second = asyncio.ensure_future(browse(connection))
    await settle()
    first.cancel()
    remote.latency = 0
    await pass_time(5)
    await second
    assert remote.logins == 1


async def test_states_are_told(tmp_path: Path) -> None:
    """Each change of state is told once, with the state before."""
    told: list[tuple[str, str]] = []

    def on_change(connection: Connection, before: str) -> None:
        told.append((before, connection.state))

    connection, remote = connect(tmp_path, on_change=on_change, password=PASSWORD)
    await connection.login()
    remote.broken = Unavailable("The cable is cut.")
    await connection.probe()
    await connection.probe()
    remote.broken = None
    await connection.probe()
    await connection.logout()
    states = ["disconnected", "connecting", "connected", "unreachable", "connected"]
    assert told == [*itertools.pairwise(states), ("connected", "disconnected")]


async def test_wrong_passwords_are_tried_once(tmp_path: Path) -> None:
    """A wrong password is forbidden, told to everybody, and not tried again by itself."""
    connection, remote = connect(tmp_path, password="wrong")
    for _ in range(3):
        with pytest.raises(WrongCredentials) as caught:
            await browse(connection)
    assert caught.value.status == 401
    assert caught.value.message == "Incorrect username or password for lab"
    assert (connection.state, remote.logins) == ("forbidden", 1)
    assert not connection.is_wanted
    await connection.login({"password": PASSWORD})
    assert connection.state == "connected"


async def test_wrong_passwords_are_not_held(tmp_path: Path) -> None:
    """A new password that is refused does not take the place of the one that is held."""
    connection, _ = connect(tmp_path, password=PASSWORD)
    with pytest.raises(WrongCredentials):
        await connection.login({"password": "wrong-password"})
    await connection.login()
    assert connection.state == "connected"


async def test_needs_are_named(tmp_path: Path) -> None:
    """Without a secret nothing logs in; the Problem says what is needed."""
    connection, remote = connect(tmp_path)
    with pytest.raises(NeedsLogin) as caught:
        await browse(connection)
    assert caught.value.details["needs"] == ["password", "token"]
    assert remote.logins == 0
    assert not connection.model().has_secret


async def test_a_logout_lasts(tmp_path: Path) -> None:
    """After a logout a call raises NeedsLogin, until somebody logs in."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    await browse(connection)
    await connection.logout()
    with pytest.raises(NeedsLogin):
        await browse(connection)
    assert remote.logouts == 1
    await connection.login()
    await browse(connection)


async def test_a_logout_stops_a_login(tmp_path: Path) -> None:
    """A login under way is stopped by a logout, and its waiter is told."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    remote.latency = 10
    waiter = asyncio.ensure_future(browse(connection))
    await settle()
    remote.latency = 0
    await connection.logout()
    with pytest.raises(Conflict):
        await waiter
    assert connection.state == "disconnected"


async def test_a_dead_remote_does_not_answer_a_logout(tmp_path: Path) -> None:
    """A logout from a dead remote succeeds: the session is forgotten here."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    await connection.login()
    remote.broken = Unavailable("gone")
    await connection.logout()
    assert connection.state == "disconnected"
    assert not connection.session.alive


async def test_sessions_are_refreshed_before_they_end(tmp_path: Path, clock: StoppedClock) -> None:
    """A session is renewed at 80 % of a short life, and no call meets the expired one."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    remote.life = 100
    await browse(connection)
    due = connection.session.is_due
    assert not due
    clock.now += 85
    assert connection.session.is_due
    assert not connection.session.is_over
    await browse(connection)
    assert remote.logins == 2


async def test_a_failed_refresh_does_not_end_a_session(tmp_path: Path, clock: StoppedClock) -> None:
    """Where a refresh fails before the end, calls go on with the session that still holds."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    remote.life = 100
    await browse(connection)
    clock.now += 85
    remote.broken = Unavailable("for a moment")
    await connection.probe()
    assert connection.state == "unreachable"
    assert connection.session.alive
    remote.broken = None
    await browse(connection)
    assert connection.state == "connected"


async def test_a_broken_connector_is_told_as_one(tmp_path: Path) -> None:
    """A connector's own exception becomes a RemoteFailed without its text, state failed."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    remote.broken = KeyError(PASSWORD)
    with pytest.raises(RemoteFailed) as caught:
        await connection.login()
    assert PASSWORD not in caught.value.message
    assert connection.state == "failed"


async def test_roles_are_checked_first(tmp_path: Path) -> None:
    """What a kind cannot do is Unsupported, before anybody logs in."""
    connection, remote = connect(tmp_path, password=PASSWORD)
    with pytest.raises(Unsupported):
        await connection.use(CanMount, lambda connector: connector.sshfs())
    assert remote.logins == 0


async def test_unknown_fields_are_refused(tmp_path: Path) -> None:
    """A login with a field that the kind does not have is a BadRequest that names it."""
    connection, _ = connect(tmp_path)
    with pytest.raises(BadRequest) as caught:
        await connection.login({"passphrase": "x"})
    assert caught.value.details["field"] == "passphrase"


def test_repr_holds_no_secret(tmp_path: Path) -> None:
    """No repr of a connection, its fields, its connector or its model holds the password."""
    connection, _ = connect(tmp_path, password=PASSWORD)
    shown = [
        repr(connection),
        repr(connection.fields),
        repr(connection.model()),
        str(vars(connection)),
    ]
    assert not any(PASSWORD in text for text in shown)


async def test_many_wrong_passwords_have_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three in a row the next is not even tried; a right one ends the count."""
    monkeypatch.setattr(login_backoff, "FIRST", 3600.0)

    connection, remote = connect(tmp_path)
    for _ in range(2):
        with pytest.raises(Denied):
            await connection.login({"password": "wrong"})
    await connection.login({"password": PASSWORD})
    for _ in range(3):
        with pytest.raises(Denied):
            await connection.login({"password": "wrong"})
    tried = remote.logins
    with pytest.raises(Busy) as caught:
        await connection.login({"password": "wrong"})
    assert caught.value.details["retry_after"] > 0
    assert remote.logins == tried
    await connection.close()
