"""Whether an address is this machine's own, on any of its interfaces.

A datagram socket can be bound to own addresses only. So the system itself is asked, now: a list of
interfaces would be old when an address was added, and does not know what is routed to this machine.
"""

from __future__ import annotations

import errno
import ipaddress
import socket

# Addresses that nobody has (RFC 1112, RFC 5737; RFC 6666, RFC 3849). Where all of them can be
# bound, binding tells nothing.
_NOBODYS = {4: ("240.0.0.1", "198.51.100.254"), 6: ("100::1", "2001:db8::1")}
# What `bind` and `socket` say where the address is surely not an own one, or cannot be reached.
_NOT_OWN = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL})


def is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a connection to `address` would lead to this very machine."""
    plain = str(address).partition("%")[0]
    if not _can_bind(address.version, plain):
        return False
    if not all(_can_bind(address.version, nobodys) for nobodys in _NOBODYS[address.version]):
        return True
    # net.ipv4.ip_nonlocal_bind is on. What leads here has the address for its source, too.
    return _source_to(address.version, plain) == plain


def _family(version: int) -> socket.AddressFamily:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def _can_bind(version: int, address: str) -> bool:
    try:
        with socket.socket(_family(version), socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        # Without a socket to ask with (too many are open) nobody knows: it counts as an own one.
        return error.errno not in _NOT_OWN
    return True


def _source_to(version: int, address: str) -> str | None:
    """The address that a connection to `address` would come from; nothing is sent."""
    try:
        with socket.socket(_family(version), socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
