"""connections/login_backoff.py: guessing is slowed for an account, through whatever connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jupyter_bridge.connections import login_backoff
from jupyter_bridge.connections.connection import MAX_FIELDS
from jupyter_bridge.connections.connector import WrongCredentials
from jupyter_bridge.connections.login_backoff import FREE, LONGEST, Account, LoginBackoff
from jupyter_bridge.observe import redaction
from jupyter_bridge.observe.redaction import MOST_OF_OWNER
from jupyter_bridge.problems import BadRequest, Busy, Denied, Problem, Unavailable
from tests.simulators.connector import PASSWORD, connect

ADA = Account.of("sftp", "far.example.org", 22, "ada")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "hosts",
    [
        ("far.example.org", "FAR.example.org", "far.example.org."),
        ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "::1", "[::1]"),
        ("10.0.0.1", "::ffff:10.0.0.1", "167772161", "0x0a.1", "012.0.0.1"),
        ("fd00::1", "fd00:0::0:1", "[FD00::1]"),
    ],
)
def test_every_spelling_is_one_account(hosts: tuple[str, ...]) -> None:
    """Of the host, and of the user by case."""
    users = ("ada", "Ada", "ADA")
    assert len({Account.of("sftp", host, 22, user) for host in hosts for user in users}) == 1


def test_the_pauses_grow_and_end() -> None:
    """Three are free, then 5 s, 10 s, up to 300; an hour without a try begins anew."""
    clock = Clock()
    counts = LoginBackoff(clock)
    waited = []
    for _ in range(12):
        while True:
            try:
                counts.check(ADA)
                break
            except Busy as busy:
                waited.append(busy.details["retry_after"])
                clock.now += busy.details["retry_after"] + 0.1
        counts.add(ADA)
    assert waited == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    clock.now += login_backoff.FORGET + 1
    counts.add(ADA)
    counts.check(ADA)
    counts.clear(ADA)
    assert len(counts) == 0


def test_other_accounts_do_not_wait() -> None:
    """Another kind, host, port or user is counted for itself."""
    counts = LoginBackoff()
    for _ in range(FREE):
        counts.add(ADA)
    with pytest.raises(Busy):
        counts.check(ADA)
    for other in (
        ADA._replace(kind="ssh"),
        ADA._replace(host="near"),
        ADA._replace(port=23),
        ADA._replace(user="bob"),
    ):
        counts.check(other)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many accounts are tried, and the newest are kept."""
    monkeypatch.setattr(login_backoff, "MOST", 100)
    counts = LoginBackoff()
    for number in range(1000):
        counts.add(ADA._replace(user=str(number)))
    assert len(counts) == 100
    for _ in range(FREE):
        counts.add(ADA._replace(user="999"))
    with pytest.raises(Busy):
        counts.check(ADA._replace(user="999"))


async def test_a_new_connection_for_each_guess_waits(tmp_path: Path) -> None:
    """Twenty passwords through twenty connections: three are tried."""
    counts, tried, busy = LoginBackoff(), 0, 0
    waits: list[float] = []
    for number in range(20):
        connection, remote = connect(tmp_path, refusals=counts, password=f"guess-{number}")
        try:
            await connection.login()
        except WrongCredentials:
            pass
        except Busy as problem:
            busy += 1
            waits.append(problem.details["retry_after"])
            assert connection.current_state.reason
        tried += remote.logins
        connection.release()
        await connection.close()
    assert (tried, busy) == (FREE, 20 - FREE)
    assert all(0 < seconds <= LONGEST for seconds in waits)


async def test_guesses_at_the_same_time_wait(tmp_path: Path) -> None:
    """Twenty connections that guess at once gain nothing; twenty with one password share it."""

    async def main(*, same: bool) -> int:
        counts = LoginBackoff()
        made = [
            connect(tmp_path, refusals=counts, password=PASSWORD if same else f"guess-{number}")
            for number in range(20)
        ]
        for _, remote in made:
            remote.latency = 0.05
        logins = [connection.login() for connection, _ in made]
        done = await asyncio.gather(*logins, return_exceptions=True)
        assert all(isinstance(one, Denied | Busy | None) for one in done)
        for connection, _ in made:
            await connection.close()
        assert len(counts) == (0 if same else 1)
        return sum(remote.logins for _, remote in made)

    assert (await main(same=False)) == FREE
    assert (await main(same=True)) == 20


async def test_a_refused_password_is_not_sent_again(tmp_path: Path) -> None:
    """Six logins with it make one attempt; given anew, or another one, it is tried."""
    connection, remote = connect(tmp_path, password="wrong")
    for _ in range(6):
        with pytest.raises(WrongCredentials):
            await connection.login()
    assert remote.logins == 1
    with pytest.raises(WrongCredentials):
        await connection.login({"password": "wrong"})
    assert remote.logins == 2
    await connection.login({"password": PASSWORD})
    await connection.login()
    assert remote.logins == 4
    await connection.close()


async def test_little_is_held_of_what_is_tried(tmp_path: Path) -> None:
    """Of a hundred passwords that were refused, or that nobody answered, the newest are blanked in
    the log, and the one that holds; a form that is too large is not even tried.
    """
    connection, remote = connect(tmp_path, password=PASSWORD)
    try:
        await connection.login()
        for number in range(100):
            remote.broken = None if number < 50 else Unavailable("not there")
            with pytest.raises(Problem):
                await connection.login({"password": f"tried-in-vain-{number:03}"})
        tried = [f"tried-in-vain-{number:03}" for number in range(100)]
        held = [secret for secret in tried if redaction.hidden(secret) == "[secret]"]
        assert held == tried[1 - MOST_OF_OWNER :]
        assert redaction.hidden(PASSWORD) == "[secret]"
        logins = remote.logins
        with pytest.raises(BadRequest, match="bytes at most"):
            await connection.login({"password": "x" * (MAX_FIELDS + 1)})
        assert remote.logins == logins
    finally:
        await connection.close()
    assert [redaction.hidden(secret) for secret in tried] == tried


def test_an_account_is_small() -> None:
    """However long the user's name is that somebody tries."""
    account = Account.of("sftp", "h" * 5000, 22, "u" * 5000)
    assert len(account.host) == len(account.user) == login_backoff.MOST_TEXT
