"""LoginBackoff: how often remotes have refused a login in a row, and how long the next try waits.

Counted by account (kind, host, port, user), for all connections together: a connection that is made
anew for each guess gains nothing. Kept in memory, a bounded number, for a bounded time.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from jupyter_bridge.problems import Busy

# Somebody who mistypes is not kept waiting; remotes lock accounts after 5 to 10 tries.
FREE = 3
# Seconds after the first refusal beyond those, doubled by each further one up to the longest.
FIRST, LONGEST = 5.0, 300.0
# An account that was not tried for so long begins anew, seconds: twelve guesses an hour are few.
FORGET = 3600.0
# Accounts that are counted. Beyond it the one that was refused longest ago goes.
MOST = 10_000
# Characters of a host or a user that are told apart: no real one has more.
MOST_TEXT = 256
# Another secret is being tried at this moment: its answer is waited for, seconds.
BESIDE = 1.0

_SALT = os.urandom(16)


class Account(NamedTuple):
    """Who logs in where. `host` and `user` are spelled in one way; see `of`."""

    kind: str
    host: str
    port: int
    user: str

    @classmethod
    def of(cls, kind: str, host: str, port: int, user: str) -> Account:
        """The account, however its host is spelled; case counts in neither host nor user."""
        return cls(kind, _canonical(host)[:MOST_TEXT], port, user.casefold()[:MOST_TEXT])


@dataclass
class _Count:
    refused: int = 0
    until: float = 0.0
    last: float = 0.0
    trying: list[bytes] = field(default_factory=list)


class LoginBackoff:
    """Of all connections of a server; what was accepted ends an account's count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[Account, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def check(self, account: Account, secret: str = "") -> None:
        """Pass if a login with this secret may be tried now; else Busy, with the seconds to wait.

        A login under way counts as refused until its answer is there, unless it tries the same.
        """
        count = self._counts.get(account)
        if count is None:
            return
        now = self._clock()
        if now < count.until:
            left = count.until - now
            raise Busy(
                f"{account.host} refused {count.refused} logins in a row: wait {left:.0f} s "
                "before the next.",
                retry_after=round(left, 1),
            )
        others = {tried for tried in count.trying if tried != _digest(secret)}
        if others and count.refused + len(others) >= FREE:
            raise Busy(
                f"Other logins to {account.host} are being tried: wait for their outcome.",
                retry_after=BESIDE,
            )

    @contextmanager
    def trying(self, account: Account, secret: str = "") -> Iterator[None]:
        """Around one login; `check` comes before, `add` or `clear` within."""
        count = self._count(account)
        tried = _digest(secret)
        count.trying.append(tried)
        try:
            yield
        finally:
            count.trying.remove(tried)
            if not count.trying and not count.refused:
                self._counts.pop(account, None)

    def add(self, account: Account) -> None:
        """A login was refused."""
        count = self._count(account)
        self._counts.move_to_end(account)
        now = self._clock()
        if now - count.last > FORGET:
            count.refused = 0
        count.refused += 1
        count.last = now
        if count.refused >= FREE:
            pause = FIRST * 2.0 ** min(count.refused - FREE, 16)
            count.until = now + min(pause, LONGEST)

    def clear(self, account: Account) -> None:
        """A login succeeded."""
        count = self._counts.get(account)
        if count is not None:
            count.refused, count.until = 0, 0.0
            if not count.trying:
                del self._counts[account]

    def _count(self, account: Account) -> _Count:
        count = self._counts.get(account)
        if count is None:
            self._make_room()
            count = self._counts[account] = _Count(last=self._clock())
        return count

    def _make_room(self) -> None:
        """Drop the accounts that were not tried for long, then the oldest."""
        old = self._clock() - FORGET
        while self._counts:
            account, count = next(iter(self._counts.items()))
            if count.trying:
                if len(self._counts) < MOST:
                    return
                self._counts.move_to_end(account)
                if all(known.trying for known in self._counts.values()):
                    return
            elif count.last < old or len(self._counts) >= MOST:
                del self._counts[account]
            else:
                return


def _canonical(host: str) -> str:
    """One spelling for all of a host's: without a dot at the end, addresses in full."""
    name = host.strip("[]").rstrip(".").lower()
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None
    with suppress(ValueError):
        address = ipaddress.ip_address(name)
    if address is None:
        with suppress(OSError, ValueError):  # 2130706433, 0x7f.1, 127.1
            address = ipaddress.IPv4Address(socket.inet_aton(name))
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if name == "localhost" or (address is not None and address.is_loopback):
        return "localhost"
    return name if address is None else str(address)


def _digest(secret: str) -> bytes:
    """What tells one secret from another as long as this process lives, and does not tell it."""
    return hashlib.blake2b(secret.encode("utf-8", "replace"), key=_SALT, digest_size=16).digest()
