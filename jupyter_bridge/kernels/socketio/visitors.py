"""Visitors: the engine's connections, their users, and the limits before the user is known.

Before that, a connection may send one message, a namespace's CONNECT with `auth: {token}`, and the
engine's own small packets. Anything else ends the connection, and is not decoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from jupyter_bridge.kernels.client_channel import ClientChannel
from jupyter_bridge.kernels.socketio.engine import CONTROLS, MAX_SMALL, Unreadable
from jupyter_bridge.problems import Busy, Denied

# The most connections at once without a known user.
MAX_ANONYMOUS = 64
# The longest time until such a connection sends a token to a namespace, seconds.
LOGIN_TIME = 5.0
# The most engine packets of such a connection: a probe, an upgrade, a close, and a few to spare.
MAX_CONTROLS = 8
# The most bytes of one POST or frame of such a connection.
MAX_BYTES = MAX_SMALL + 1
# The same for a user who may only watch kernels: a CONNECT for each namespace.
WATCHERS_BYTES = 64 << 10


class AnonymousLimits:
    """The limits of a connection without a user; `check` every packet before decoding it."""

    def __init__(self) -> None:
        self._controls = 0
        self._has_asked = False

    def check(self, packet: str | bytes) -> None:
        """Raise Unreadable unless the connection may send `packet`."""
        if isinstance(packet, str) and packet in CONTROLS:
            self._controls += 1
            if self._controls > MAX_CONTROLS:
                raise Unreadable("log in first")
            return
        is_connect = isinstance(packet, str) and packet.startswith("40")
        if not is_connect or self._has_asked or len(packet) > MAX_BYTES:
            raise Unreadable("log in first: only one CONNECT with a token is allowed before that")
        self._has_asked = True


class Visitor:
    """One engine connection: its user, and its client channels by namespace."""

    def __init__(self) -> None:
        # From the handshake, or from a token sent later to a namespace.
        self.user: Any = None
        self.identity: str | None = None
        # Whether the handshake had credentials: then every request of the connection needs them.
        self.logged_in = False
        # The limits until the user is known; then None.
        self.anonymous: AnonymousLimits | None = AnonymousLimits()
        # The most bytes of one POST or frame.
        self.limit = MAX_BYTES
        # The handler of its websocket, if any.
        self.websocket: Any = None
        self.channels: dict[str, ClientChannel] = {}
        self.pumps: dict[str, asyncio.Task[None]] = {}
        # The namespaces that are being opened.
        self.joining = 0
        # Held while a large message is sent: another one waits, whatever its namespace.
        self.large_turn = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None

    def expect_namespace(self, seconds: float, give_up: Callable[[], object]) -> None:
        """Call `give_up` unless a namespace is opened within `seconds`, in place of an earlier one.

        One that is just being opened, whose kernel may still start, gets as much time again.
        """

        def look() -> None:
            if self.joining:
                self.expect_namespace(seconds, give_up)
            else:
                give_up()

        self.stop_expecting()
        self._timer = asyncio.get_running_loop().call_later(seconds, look)

    def stop_expecting(self) -> None:
        """A namespace is open, or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Visitors:
    """The engine's connections by id; a known user's frames have up to `max_frame` bytes."""

    def __init__(self, max_frame: int) -> None:
        self.max_frame = max_frame
        self._visitors: dict[str, Visitor] = {}

    def __contains__(self, eio_sid: str) -> bool:
        return eio_sid in self._visitors

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._visitors))

    def get(self, eio_sid: str) -> Visitor | None:
        """Return the connection of this id, if it is open."""
        return self._visitors.get(eio_sid)

    def enter(self, eio_sid: str, user: Any) -> Visitor:
        """Add a connection; `user` is None without credentials. Busy if there are too many."""
        self.check_room(user)
        visitor = self._visitors[eio_sid] = Visitor()
        visitor.logged_in = user is not None
        return visitor

    def leave(self, eio_sid: str) -> Visitor | None:
        """Remove and return the connection of this id, if any."""
        return self._visitors.pop(eio_sid, None)

    def check_room(self, user: Any) -> None:
        """Raise Busy if `user` is None and too many connections have no user."""
        anonymous_count = sum(known.anonymous is not None for known in self._visitors.values())
        if user is None and anonymous_count >= MAX_ANONYMOUS:
            raise Busy("Too many connections wait for a login. Send the token in the handshake.")

    def check_owner(self, eio_sid: str, user: Any, identity: str) -> None:
        """Raise Denied if this is another user's connection; `user` is None without a login.

        A connection that began without credentials needs only its id: the protocol has the token
        only in the CONNECT, and the other requests of a polling client lack it.
        """
        visitor = self._visitors.get(eio_sid)
        if visitor is None:
            return
        if user is None and visitor.logged_in:
            raise Denied("Log in: this connection belongs to a user.")
        if user is not None and visitor.identity not in (None, identity):
            raise Denied("This connection belongs to another user.")

    def limit(self, eio_sid: str) -> int:
        """Return the most bytes of one POST or frame."""
        visitor = self._visitors.get(eio_sid)
        return MAX_BYTES if visitor is None else visitor.limit

    def welcome(self, visitor: Visitor, user: Any, identity: str, *, may_send: bool) -> None:
        """Set the user of a connection, and whether that user may send to kernels."""
        visitor.user, visitor.identity, visitor.anonymous = user, identity, None
        visitor.limit = self.max_frame if may_send else WATCHERS_BYTES
        if visitor.websocket is not None:
            visitor.websocket.allow(visitor.limit)

    def open(self, eio_sid: str, websocket: Any) -> None:
        """Store the handler of a connection's new websocket."""
        visitor = self._visitors.get(eio_sid)
        if visitor is not None:
            visitor.websocket = websocket
            websocket.allow(visitor.limit)

    def admit(self, eio_sid: str, packet: str | bytes) -> None:
        """Raise Unreadable unless the client may send `packet` now."""
        visitor = self._visitors.get(eio_sid)
        if visitor is None:
            raise Unreadable("this connection is closed")
        if visitor.anonymous is not None:
            visitor.anonymous.check(packet)
