"""Displays: outputs that later messages, of any execution of their kernel, change in place.

An update takes the same time however many outputs show it, and its data are held once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from jupyter_bridge.wire import large_json

# What an update replaces.
_REPLACED = ("data", "metadata")


class Encoded:
    """A JSON object as bytes, or as it is if a LargeJson is in it; `size` in bytes."""

    __slots__ = ("_value", "size")

    def __init__(self, value: dict[str, Any]) -> None:
        texts, large = large_json.split(value)
        self.size = sum(map(len, (*texts, *large)))
        self._value: dict[str, Any] | bytes = value if large else texts[0]

    def decode(self) -> dict[str, Any]:
        """Return a copy."""
        if isinstance(self._value, dict):
            return dict(self._value)
        value: dict[str, Any] = msgspec.json.decode(self._value)
        return value


_NOTHING = Encoded({})


class Display:
    """One output of any kind but a stream."""

    __slots__ = ("_fixed", "_group", "_replaced", "size")

    def __init__(self, output: dict[str, Any]) -> None:
        self._fixed = Encoded({k: v for k, v in output.items() if k not in _REPLACED})
        self._replaced = Encoded({k: output[k] for k in _REPLACED if k in output})
        self._group: DisplayGroup | None = None
        # Of one JSON object, so with one pair of braces, and a comma.
        self.size = self._fixed.size + max(0, self._replaced.size - 1)

    @property
    def replaced_size(self) -> int:
        """The bytes that an update replaces."""
        return self._replaced.size

    def join(self, group: DisplayGroup) -> None:
        """Show the group's latest update from now on."""
        self._group, self._replaced = group, _NOTHING

    def output(self) -> dict[str, Any]:
        """Return a copy of the output in nbformat."""
        replaced = self._replaced if self._group is None else self._group.latest
        output = self._fixed.decode() | replaced.decode()
        output.pop("transient", None)
        return output


class DisplayGroup:
    """The displays of one display_id among the outputs of one execution."""

    def __init__(self) -> None:
        self.latest = _NOTHING
        # How many show `latest`; those added since then, and the bytes that these would lose.
        self._count = 0
        self._new: list[Display] = []
        self._new_size = 0

    def add(self, display: Display) -> None:
        """Add a display, which shows its own data until the next update."""
        self._new.append(display)
        self._new_size += display.replaced_size

    def update(self, latest: Encoded, room: int) -> int | None:
        """Show `latest` in all; return the bytes added, or None, undone, if more than `room`."""
        added = (self._count + len(self._new)) * latest.size
        added -= self._count * self.latest.size + self._new_size
        if added > room:
            return None
        for display in self._new:
            display.join(self)
        self._count += len(self._new)
        self._new, self._new_size, self.latest = [], 0, latest
        return added


class Displays:
    """The display_ids of one kernel, and whose outputs show each; `owner` is one execution's."""

    def __init__(self) -> None:
        self._shown: dict[str, dict[object, Callable[[Encoded], None]]] = {}

    def add(self, display_id: str, owner: object, update: Callable[[Encoded], None]) -> None:
        """Call `update` at each update of the display; once, however often this is called."""
        self._shown.setdefault(display_id, {}).setdefault(owner, update)

    def remove(self, display_id: str, owner: object) -> None:
        """Call the owner's `update` no more."""
        shown = self._shown[display_id]
        del shown[owner]
        if not shown:
            del self._shown[display_id]

    def update(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Change all outputs with this display_id."""
        if shown := self._shown.get(display_id):
            latest = Encoded({"data": data, "metadata": metadata})
            for update in list(shown.values()):
                update(latest)
