"""Tell whether an address is this machine's own, on any of its interfaces.

A datagram socket can be bound to own addresses only. That test is always up to date, and covers
addresses that are only routed to this machine, unlike a list of interfaces.
"""

from __future__ import annotations

import errno
import ipaddress
import socket

# Addresses that no machine has (RFC 1112, RFC 5737; RFC 6666, RFC 3849). If all of them can be
# bound, binding proves nothing.
_NOBODYS = {4: ("240.0.0.1", "198.51.100.254"), 6: ("100::1", "2001:db8::1")}
# Errors of `bind` and `socket` for an address that is not an own one, or unreachable.
_NOT_OWN = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL})


def is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether a connection to `address` would lead to this machine."""
    plain = str(address).partition("%")[0]
    if not _can_bind(address.version, plain):
        return False
    if not all(_can_bind(address.version, nobodys) for nobodys in _NOBODYS[address.version]):
        return True
    # net.ipv4.ip_nonlocal_bind is on. A connection to an own address has it as its source, too.
    return _source_to(address.version, plain) == plain


def _family(version: int) -> socket.AddressFamily:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def _can_bind(version: int, address: str) -> bool:
    try:
        with socket.socket(_family(version), socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        # No socket (too many are open): it counts as an own one, to be safe.
        return error.errno not in _NOT_OWN
    return True


def _source_to(version: int, address: str) -> str | None:
    """Return the source address of a connection to `address`; sends nothing."""
    try:
        with socket.socket(_family(version), socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
