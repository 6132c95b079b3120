"""Connection: its states, and one login for all who wait."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from jupyter_bridge.connections import login_backoff
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


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 100))


def test_64_calls_share_one_login(tmp_path: Path) -> None:
    """64 calls that find a session expired make one login, and all of them succeed."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        await browse(connection)
        remote.latency = 0.05
        remote.expire()
        listings = await asyncio.gather(*(browse(connection) for _ in range(64)))
        assert all(listing[0].name == "a" for listing in listings)
        assert remote.logins == 2
        assert connection.state == "connected"

    run(test)


def test_a_waiter_that_gives_up_stops_nobody(tmp_path: Path) -> None:
    """Cancelling one of those who wait for a login leaves the login to the others."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        remote.latency = 0.1
        first = asyncio.ensure_future(browse(connection))
        second = asyncio.ensure_future(browse(connection))
        await asyncio.sleep(0.02)
        first.cancel()
        await second
        assert remote.logins == 1

    run(test)


def test_states_are_told(tmp_path: Path) -> None:
    """Each change of state is told once, with the state before."""

    async def test() -> None:
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

    run(test)


def test_wrong_passwords_are_tried_once(tmp_path: Path) -> None:
    """A wrong password is forbidden, told to everybody, and not tried again by itself."""

    async def test() -> None:
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

    run(test)


def test_wrong_passwords_are_not_held(tmp_path: Path) -> None:
    """A new password that is refused does not take the place of the one that is held."""

    async def test() -> None:
        connection, _ = connect(tmp_path, password=PASSWORD)
        with pytest.raises(WrongCredentials):
            await connection.login({"password": "wrong-password"})
        await connection.login()
        assert connection.state == "connected"

    run(test)


def test_needs_are_named(tmp_path: Path) -> None:
    """Without a secret nothing logs in; the Problem says what is needed."""

    async def test() -> None:
        connection, remote = connect(tmp_path)
        with pytest.raises(NeedsLogin) as caught:
            await browse(connection)
        assert caught.value.details["needs"] == ["password", "token"]
        assert remote.logins == 0
        assert not connection.model().has_secret

    run(test)


def test_a_logout_lasts(tmp_path: Path) -> None:
    """After a logout a call raises NeedsLogin, until somebody logs in."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        await browse(connection)
        await connection.logout()
        with pytest.raises(NeedsLogin):
            await browse(connection)
        assert remote.logouts == 1
        await connection.login()
        await browse(connection)

    run(test)


def test_a_logout_stops_a_login(tmp_path: Path) -> None:
    """A login under way is stopped by a logout, and its waiter is told."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        remote.latency = 10
        waiter = asyncio.ensure_future(browse(connection))
        await asyncio.sleep(0.01)
        remote.latency = 0
        await connection.logout()
        with pytest.raises(Conflict):
            await waiter
        assert connection.state == "disconnected"

    run(test)


def test_a_dead_remote_does_not_answer_a_logout(tmp_path: Path) -> None:
    """A logout from a dead remote succeeds: the session is forgotten here."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        await connection.login()
        remote.broken = Unavailable("gone")
        await connection.logout()
        assert connection.state == "disconnected"
        assert not connection.session.alive

    run(test)


def test_sessions_are_refreshed_before_they_end(tmp_path: Path) -> None:
    """A session is renewed at 80 % of a short life, and no call meets the expired one."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        remote.life = 0.2
        await browse(connection)
        due = connection.session.is_due
        assert not due
        await asyncio.sleep(0.17)
        assert connection.session.is_due
        assert not connection.session.is_over
        await browse(connection)
        assert remote.logins == 2

    run(test)


def test_a_failed_refresh_does_not_end_a_session(tmp_path: Path) -> None:
    """Where a refresh fails before the end, calls go on with the session that still holds."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        remote.life = 0.5
        await browse(connection)
        await asyncio.sleep(0.42)
        remote.broken = Unavailable("for a moment")
        await connection.probe()
        assert connection.state == "unreachable"
        assert connection.session.alive
        remote.broken = None
        await browse(connection)
        assert connection.state == "connected"

    run(test)


def test_a_broken_connector_is_told_as_one(tmp_path: Path) -> None:
    """A connector's own exception becomes a RemoteFailed without its text, state failed."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        remote.broken = KeyError(PASSWORD)
        with pytest.raises(RemoteFailed) as caught:
            await connection.login()
        assert PASSWORD not in caught.value.message
        assert connection.state == "failed"

    run(test)


def test_roles_are_checked_first(tmp_path: Path) -> None:
    """What a kind cannot do is Unsupported, before anybody logs in."""

    async def test() -> None:
        connection, remote = connect(tmp_path, password=PASSWORD)
        with pytest.raises(Unsupported):
            await connection.use(CanMount, lambda connector: connector.sshfs())
        assert remote.logins == 0

    run(test)


def test_unknown_fields_are_refused(tmp_path: Path) -> None:
    """A login with a field that the kind does not have is a BadRequest that names it."""

    async def test() -> None:
        connection, _ = connect(tmp_path)
        with pytest.raises(BadRequest) as caught:
            await connection.login({"passphrase": "x"})
        assert caught.value.details["field"] == "passphrase"

    run(test)


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


def test_many_wrong_passwords_have_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three in a row the next is not even tried; a right one ends the count."""
    monkeypatch.setattr(login_backoff, "FIRST", 3600.0)

    async def test() -> None:
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

    run(test)
