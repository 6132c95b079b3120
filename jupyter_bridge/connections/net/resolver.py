"""Resolver: from a name to an address that was judged, and to a socket that leads there."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.net.address_policy import AddressPolicy, to_address
from jupyter_bridge.problems import Timeout, Unavailable

# A remote that does not take a connection within this time is taken as away.
CONNECT_SECONDS = 10.0
# A line that was shut is let go of by the loop within so many turns.
_TURNS = 10


class Resolver:
    """Resolves as one policy allows."""

    def __init__(self, policy: AddressPolicy) -> None:
        self.policy = policy
        self._opened: WeakSet[socket.socket] = WeakSet()

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host` that may be connected to, for what is not HTTP (ssh, sshfs)."""
        literal = to_address(host)
        if literal is not None:
            self.policy.check_address(literal, host)
            return [str(literal)]
        loop = asyncio.get_running_loop()
        try:
            found = await within(
                CONNECT_SECONDS, loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except asyncio.TimeoutError:
            raise Timeout(f"The name {host} was not resolved in time.") from None
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"The name {host} is not known: {error}") from None
        return [info[4][0] for info in self._judged(host, found)]

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connected, non-blocking TCP socket, for libraries that bring their own protocol."""
        loop = asyncio.get_running_loop()
        failed: Exception | None = None
        for address in await self.addresses(host, port):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            line = socket.socket(family, socket.SOCK_STREAM)
            line.setblocking(False)
            try:
                await within(CONNECT_SECONDS, loop.sock_connect(line, (address, port)))
            except (OSError, asyncio.TimeoutError) as error:
                line.close()
                failed = error
            except BaseException:
                line.close()
                raise
            else:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return line
        if isinstance(failed, asyncio.TimeoutError):
            raise Timeout(f"{host}:{port} did not take the connection in {CONNECT_SECONDS:g} s.")
        raise Unavailable(f"{host}:{port} cannot be reached: {failed}")

    def _judged(self, host: str, found: list[Any]) -> list[Any]:
        """Those of the resolved that are allowed; Denied if there is none."""
        allowed = [
            info for info in found if self.policy.allows(ipaddress.ip_address(info[4][0]), host)
        ]
        if not allowed:
            self.policy.check_address(ipaddress.ip_address(found[0][4][0]), host)
        return allowed

    def open_socket(self, info: Any) -> socket.socket:
        """The last guard: a socket is made for an allowed address, or not at all."""
        family, kind, proto, _, (address, *_rest) = info
        judged = ipaddress.ip_address(address)
        # The name was judged with the address by the resolver; a literal is its own name.
        if not self.policy.allows(judged, str(judged)):
            raise OSError(f"{address} is not allowed")
        line = socket.socket(family, kind, proto)
        self._opened.add(line)
        return line

    async def shut(self) -> None:
        """End the lines of `open_socket`, whatever they hold that the remote has not taken."""
        for _ in range(_TURNS):
            left = [line for line in self._opened if line.fileno() != -1]
            if not left:
                return
            for line in left:
                with suppress(OSError):  # it has broken meanwhile
                    line.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0)
