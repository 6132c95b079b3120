"""AddressPolicy: which addresses the bridge may connect to, decided on the address itself.

Names prove nothing (they can be made to resolve to anything, differently each time), so every
address is judged when it is connected to, after the name was resolved, in whatever spelling.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from jupyter_bridge.connections.net.own_address import is_own
from jupyter_bridge.problems import BadRequest, Denied

if TYPE_CHECKING:
    from yarl import URL

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds answer with credentials, besides the link-local addresses, which are never allowed.
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
    )
)
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")
_LOOPBACK_NAMES = ("localhost", "ip6-localhost")


@dataclass(frozen=True)
class AddressPolicy:
    """The operator's choice; the defaults suit a server that many can reach.

    `insecure_http_hosts` are names or addresses, in lower case, that may be spoken to without TLS.
    """

    allow_private_networks: bool = True
    allow_loopback: bool = False
    insecure_http_hosts: frozenset[str] = field(default_factory=frozenset)

    def check_url(self, url: str) -> URL:
        """The URL if it may be asked at all; BadRequest or Denied says why not.

        A name is not resolved here: its addresses are judged when it is connected to.
        """
        from yarl import URL

        try:
            parsed = URL(url)
            host, port = parsed.host, parsed.port
        except ValueError as error:
            raise BadRequest(f"This is no URL: {error}", field="url") from None
        if parsed.scheme not in ("http", "https", "ws", "wss") or not host or not port:
            raise BadRequest("A URL begins with https:// and names a host.", field="url")
        if parsed.user is not None or parsed.password is not None:
            raise BadRequest(
                "A URL may not hold a user name or password: they have their own fields.",
                field="url",
            )
        literal = to_address(host)
        if literal is not None:
            self.check_address(literal, host)
        elif _is_odd(host):
            raise BadRequest(f"{host} is no name, and no address in full.", field="url")
        if parsed.scheme in ("http", "ws"):
            self._check_plain(host, literal)
        return parsed

    def check_address(self, address: IPAddress, host: str) -> None:
        """Pass if `address` (of `host`) may be connected to, else Denied."""
        for form in forms_of(address):
            if _never(form):
                raise Denied(f"{host} has an address that is never connected to.")
            if form.is_loopback or is_own(form):
                if not self.allow_loopback:
                    raise Denied(
                        f"{host} is this very machine: c.BridgeApp.allow_loopback = True allows it."
                    )
            elif _is_local_name(host):
                raise Denied(f"{host} does not resolve to this machine.")
            elif not form.is_global and not self.allow_private_networks:
                raise Denied(f"{host} is in a private network, which is not allowed here.")

    def allows(self, address: IPAddress, host: str) -> bool:
        try:
            self.check_address(address, host)
        except Denied:
            return False
        return True

    def _check_plain(self, host: str, literal: IPAddress | None) -> None:
        if host.lower().rstrip(".") in self.insecure_http_hosts:
            return
        if self.allow_loopback and (
            _is_local_name(host) if literal is None else literal.is_loopback or is_own(literal)
        ):
            return
        raise Denied(
            f"{host} would be spoken to without encryption; use https://, or name it in "
            "c.BridgeApp.insecure_http_hosts."
        )


def to_address(text: str) -> IPAddress | None:
    """The address that `text` spells, None if it is a name."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def forms_of(address: IPAddress) -> list[IPAddress]:
    """The address, and the IPv4 addresses hidden in it: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    forms: list[IPAddress] = [address]
    if address.ipv4_mapped is not None:
        # Not the IPv6 form: where it leads is decided by the IPv4 address alone.
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        forms.append(address.sixtofour)
    if address.teredo is not None:
        forms.extend(address.teredo)
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    plain = ipaddress.IPv6Address(int(address))  # without a scope
    if plain in _NAT64 or (plain in _V4_COMPATIBLE and int(plain) > 1):
        forms.append(last)
    return forms


def _never(address: IPAddress) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not address.is_loopback and address.version == 4)
        or address in _METADATA
        or (isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK)
    )


def _is_odd(host: str) -> bool:
    """Whether it is an address in one of the old spellings: 2130706433, 0x7f.1, 127.1."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _is_local_name(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name in _LOOPBACK_NAMES or name.endswith(".localhost")
