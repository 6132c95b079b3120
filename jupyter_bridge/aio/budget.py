"""Budget: a limit on the bytes that several requests hold at the same time."""

from __future__ import annotations

import threading


class Budget:
    """At most `most` bytes at once, in any thread; more only if nothing else is held."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """The bytes that are taken now."""
        return self._held

    def take(self, size: int) -> bool:
        """Take `size` bytes until `give`; False if they do not fit, and nothing is taken."""
        with self._lock:
            if self._held and self._held + size > self._most:
                return False
            self._held += size
            return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._held -= size
