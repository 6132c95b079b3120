"""Visitors: the engine's connections, whose they are, and what they may send before that is known.

That is one message, a namespace's CONNECT with `auth: {token}`, and the engine's own small packets
around it. Anything else ends the connection, and is not decoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from jupyter_bridge.kernels.client_channel import ClientChannel
from jupyter_bridge.kernels.socketio.engine import CONTROLS, MAX_SMALL, Unreadable
from jupyter_bridge.problems import Busy, Denied

# How many connections there may be at once of which nobody knows whose they are.
MAX_STRANGERS = 64
# Such a connection is given this long to show a token to a namespace, seconds.
LOGIN_TIME = 5.0
# The engine's packets that it may send: a probe, an upgrade, a close, and a few to spare.
MAX_CONTROLS = 8
# What one POST or one frame of it may have, bytes.
MAX_BYTES = MAX_SMALL + 1
# The same of a user who may only watch kernels: as many CONNECTs as there are namespaces.
WATCHERS_BYTES = 64 << 10


class Stranger:
    """Counts what a connection without a user sends; `check` every packet before decoding it."""

    def __init__(self) -> None:
        self._controls = 0
        self._has_asked = False

    def check(self, packet: str | bytes) -> None:
        """Pass if this may be sent; else Unreadable."""
        if isinstance(packet, str) and packet in CONTROLS:
            self._controls += 1
            if self._controls > MAX_CONTROLS:
                raise Unreadable("log in first")
            return
        is_connect = isinstance(packet, str) and packet.startswith("40")
        if not is_connect or self._has_asked or len(packet) > MAX_BYTES:
            raise Unreadable("log in first: only one CONNECT with a token is read before that")
        self._has_asked = True


class Visitor:
    """One engine connection: whose it is, and its seats by namespace."""

    def __init__(self) -> None:
        # Known from the handshake, or from a token that is shown later to a namespace.
        self.user: Any = None
        self.identity: str | None = None
        # Whether the handshake told: then every request of the connection has to show it, too.
        self.logged_in = False
        # What it may send until it is known whose it is; None from then on.
        self.stranger: Stranger | None = Stranger()
        # What one POST or one frame of it may have, bytes.
        self.limit = MAX_BYTES
        # Its websocket's handler, if it has one.
        self.websocket: Any = None
        self.seats: dict[str, ClientChannel] = {}
        self.pumps: dict[str, asyncio.Task[None]] = {}
        self.connect_timer: asyncio.TimerHandle | None = None


class Visitors:
    """The engine's connections by id; `max_frame` is what a known one may send at once, bytes."""

    def __init__(self, max_frame: int) -> None:
        self.max_frame = max_frame
        self._visitors: dict[str, Visitor] = {}

    def __contains__(self, eio_sid: str) -> bool:
        return eio_sid in self._visitors

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._visitors))

    def get(self, eio_sid: str) -> Visitor | None:
        """The connection of this id, while it is there."""
        return self._visitors.get(eio_sid)

    def enter(self, eio_sid: str, user: Any) -> Visitor:
        """A connection begins; `user` is None without credentials. Busy if there are too many."""
        self.check_room(user)
        visitor = self._visitors[eio_sid] = Visitor()
        visitor.logged_in = user is not None
        return visitor

    def leave(self, eio_sid: str) -> Visitor | None:
        """A connection ends; the one of this id, if it was there."""
        return self._visitors.pop(eio_sid, None)

    def check_room(self, user: Any) -> None:
        """Busy if one more connection may not begin without credentials."""
        strangers = sum(known.stranger is not None for known in self._visitors.values())
        if user is None and strangers >= MAX_STRANGERS:
            raise Busy("Too many connections wait for a login. Send the token with the handshake.")

    def check_owner(self, eio_sid: str, user: Any, identity: str) -> None:
        """Denied if this connection is somebody else's; `user` is None without a login.

        Of a connection that began without credentials its id alone has to be shown: the protocol
        has the token only in the CONNECT, and clients that poll have nothing else.
        """
        visitor = self._visitors.get(eio_sid)
        if visitor is None:
            return
        if user is None and visitor.logged_in:
            raise Denied("Log in: this connection belongs to a user.")
        if user is not None and visitor.identity not in (None, identity):
            raise Denied("This connection is somebody else's.")

    def limit(self, eio_sid: str) -> int:
        """Bytes that one POST or frame may have."""
        visitor = self._visitors.get(eio_sid)
        return MAX_BYTES if visitor is None else visitor.limit

    def welcome(self, visitor: Visitor, user: Any, identity: str, *, may_send: bool) -> None:
        """It is known whose connection this is, and whether that user may send to kernels."""
        visitor.user, visitor.identity, visitor.stranger = user, identity, None
        visitor.limit = self.max_frame if may_send else WATCHERS_BYTES
        if visitor.websocket is not None:
            visitor.websocket.allow(visitor.limit)

    def open(self, eio_sid: str, websocket: Any) -> None:
        """The connection has a websocket now, which this handler serves."""
        visitor = self._visitors.get(eio_sid)
        if visitor is not None:
            visitor.websocket = websocket
            websocket.allow(visitor.limit)

    def admit(self, eio_sid: str, packet: str | bytes) -> None:
        """Pass if the client may send this now; else Unreadable."""
        visitor = self._visitors.get(eio_sid)
        if visitor is None:
            raise Unreadable("this connection is closed")
        if visitor.stranger is not None:
            visitor.stranger.check(packet)
