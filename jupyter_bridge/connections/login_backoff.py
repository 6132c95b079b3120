"""LoginBackoff: how often remotes refused a login in a row, and how long the next try must wait.

Counted by account (kind, host, port, user) over all connections: a new connection for each guess
gains nothing. Kept in memory, for a bounded number of accounts and a bounded time.
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

# Typing errors cause no wait; remotes lock accounts after 5 to 10 tries.
FREE = 3
# The wait after the next refusal, doubled by each further one, and the longest. Seconds.
FIRST, LONGEST = 5.0, 300.0
# The count is dropped after so long without a try, seconds: that allows 12 guesses an hour.
FORGET = 3600.0
# Accounts that are counted; beyond, the one with the oldest refusal is dropped.
MOST = 10_000
# Characters of a host or a user that are compared; real ones have fewer.
MOST_TEXT = 256
# How long to wait while another secret is being tried, seconds.
BESIDE = 1.0

_SALT = os.urandom(16)


class Account(NamedTuple):
    """Who logs in where. `host` and `user` are normalized; see `of`."""

    kind: str
    host: str
    port: int
    user: str

    @classmethod
    def of(cls, kind: str, host: str, port: int, user: str) -> Account:
        """Return the account, with a normalized host and the user in lower case."""
        return cls(kind, _canonical(host)[:MOST_TEXT], port, user.casefold()[:MOST_TEXT])


@dataclass
class _Count:
    refused: int = 0
    until: float = 0.0
    last: float = 0.0
    trying: list[bytes] = field(default_factory=list)


class LoginBackoff:
    """The refused logins of a server's connections; a success resets an account's count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[Account, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def check(self, account: Account, secret: str = "") -> None:
        """Raise Busy, with the seconds to wait, if a login with this secret may not be tried now.

        A login under way with another secret counts as refused until its answer arrives.
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
        """Context of one login; call `check` before, and `add` or `clear` within."""
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
        """Count a refused login."""
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
        """Drop the accounts without a recent try, then the oldest ones."""
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
    """Return the normalized host: without a final dot, addresses in full."""
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
    """Return a digest to compare secrets within this process, from which none can be guessed."""
    return hashlib.blake2b(secret.encode("utf-8", "replace"), key=_SALT, digest_size=16).digest()
