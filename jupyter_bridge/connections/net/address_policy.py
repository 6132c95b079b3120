"""AddressPolicy: which addresses the bridge may connect to.

Names prove nothing: they can resolve to any address, and to another one each time. So every
address is checked after its name was resolved, in all its spellings.
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

# Cloud metadata services, which serve credentials; link-local ones are never allowed anyway.
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
    """The operator's choice; the defaults suit a server with many users.

    `insecure_http_hosts` are names or addresses, in lower case, that need no TLS.
    """

    allow_private_networks: bool = True
    allow_loopback: bool = False
    insecure_http_hosts: frozenset[str] = field(default_factory=frozenset)

    def check_url(self, url: str) -> URL:
        """Return the parsed URL; raise BadRequest or Denied if it may not be used.

        A name is not resolved here: its addresses are checked by each connect.
        """
        from yarl import URL

        try:
            parsed = URL(url)
            host, port = parsed.host, parsed.port
        except ValueError as error:
            raise BadRequest(f"This is not a URL: {error}", field="url") from None
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
            raise BadRequest(f"{host} is neither a name nor a complete address.", field="url")
        if parsed.scheme in ("http", "ws"):
            self._check_plain(host, literal)
        return parsed

    def check_address(self, address: IPAddress, host: str) -> None:
        """Raise Denied if `address` (of `host`) may not be connected to."""
        for form in forms_of(address):
            if _never(form):
                raise Denied(f"{host} has an address that is never allowed.")
            if form.is_loopback or is_own(form):
                if not self.allow_loopback:
                    raise Denied(
                        f"{host} is this machine: c.BridgeApp.allow_loopback = True allows it."
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
            f"{host} would be used without encryption; use https://, or name it in "
            "c.BridgeApp.insecure_http_hosts."
        )


def to_address(text: str) -> IPAddress | None:
    """Return the address in `text`; None if it is a name."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def forms_of(address: IPAddress) -> list[IPAddress]:
    """Return the address and the IPv4 ones within: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    forms: list[IPAddress] = [address]
    if address.ipv4_mapped is not None:
        # Without the IPv6 form: only the IPv4 address decides where it leads.
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
    """Tell whether it is an address in an old spelling: 2130706433, 0x7f.1, 127.1."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _is_local_name(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name in _LOOPBACK_NAMES or name.endswith(".localhost")
