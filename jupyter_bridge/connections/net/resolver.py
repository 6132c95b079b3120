"""Resolver: resolves names to allowed addresses, and opens sockets to them."""

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

# A remote that does not accept a connection within this time is unreachable.
CONNECT_SECONDS = 10.0
# The event loop releases a shut socket within so many turns.
_TURNS = 10


class Resolver:
    """Resolves names under one policy."""

    def __init__(self, policy: AddressPolicy) -> None:
        self.policy = policy
        self._opened: WeakSet[socket.socket] = WeakSet()

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the allowed addresses of `host`, for other protocols than HTTP (ssh, sshfs)."""
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
        """Return a connected, non-blocking TCP socket, for libraries with their own protocol."""
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
            raise Timeout(f"{host}:{port} did not accept a connection in {CONNECT_SECONDS:g} s.")
        raise Unavailable(f"{host}:{port} cannot be reached: {failed}")

    def _judged(self, host: str, found: list[Any]) -> list[Any]:
        """Return the allowed ones of the resolved addresses; Denied if there are none."""
        allowed = [
            info for info in found if self.policy.allows(ipaddress.ip_address(info[4][0]), host)
        ]
        if not allowed:
            self.policy.check_address(ipaddress.ip_address(found[0][4][0]), host)
        return allowed

    def open_socket(self, info: Any) -> socket.socket:
        """Create the socket for an allowed address; the last check."""
        family, kind, proto, _, (address, *_rest) = info
        judged = ipaddress.ip_address(address)
        # The resolver checked the name with the address; a literal is its own name.
        if not self.policy.allows(judged, str(judged)):
            raise OSError(f"{address} is not allowed")
        line = socket.socket(family, kind, proto)
        self._opened.add(line)
        return line

    async def shut(self) -> None:
        """End the sockets of `open_socket`, and discard their unsent bytes."""
        for _ in range(_TURNS):
            left = [line for line in self._opened if line.fileno() != -1]
            if not left:
                return
            for line in left:
                with suppress(OSError):  # it is disconnected already
                    line.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0)
