"""Until: the first match of a pattern in a console's text, whatever way its bytes arrive."""

from __future__ import annotations

import re
from typing import Any

from jupyter_bridge.problems import BadRequest
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.console import Matched

# A pattern is looked for in the last so many characters: a prompt, a line, some lines.
WINDOW = 4096
MAX_PATTERN = 1000


class Until:
    """Feed it output in order. Escape sequences are left out before the pattern is looked for."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._cutter = ansi.without_escapes()
        # Text, and for each of its characters where its byte stands: latin-1, one to one.
        self._window = b""
        self._offsets: list[tuple[int, int]] = []  # (index in the window, offset), one per piece

    def feed(self, offset: int, data: bytes) -> Matched | None:
        """Where the first match stands, if these bytes complete one."""
        for start in range(0, len(data), WINDOW):
            found = self._feed(offset + start, data[start : start + WINDOW])
            if found is not None:
                return found
        return None

    def _feed(self, offset: int, data: bytes) -> Matched | None:
        for piece in self._cutter.feed(offset, data):
            self._offsets.append((len(self._window), piece.offset))
            self._window += piece.data
        # A character whose bytes have not all come is not looked at yet.
        text = self._window.decode("utf-8", "surrogateescape")
        found = self._pattern.search(text)
        if found is not None:
            start = len(text[: found.start()].encode("utf-8", "surrogateescape"))
            end = len(text[: found.end()].encode("utf-8", "surrogateescape"))
            return Matched(self._at(start), self._at(end - 1) + 1 if end > start else self._at(end))
        self._forget()
        return None

    def _at(self, index: int) -> int:
        base, offset = next((pair for pair in reversed(self._offsets) if pair[0] <= index), (0, 0))
        return offset + index - base

    def _forget(self) -> None:
        cut = len(self._window) - WINDOW
        if cut <= 0:
            return
        self._window = self._window[cut:]
        kept = [pair for pair in self._offsets if pair[0] > cut]
        self._offsets = [(0, self._at(cut)), *((base - cut, offset) for base, offset in kept)]


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, or BadRequest when it is none, or one that could take for ever."""
    if len(pattern) > MAX_PATTERN:
        raise BadRequest(f"until: a pattern has {MAX_PATTERN} characters at most.", field="until")
    try:
        found = re.compile(pattern, re.MULTILINE)
        tree = _parser().parse(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRequest(f"until: not a regular expression: {error}.", field="until") from error
    if _nests(tree, False):
        raise BadRequest(
            "until: a repeat inside a repeat could take for ever; write it without.", field="until"
        )
    return found


def _parser() -> Any:
    if hasattr(re, "_parser"):
        return re._parser
    import sre_parse

    return sre_parse


def _nests(tree: Any, repeated: bool) -> bool:
    """Whether an open-ended repeat stands inside another one: what makes a search exponential."""
    for operator, value in tree:
        inside = repeated
        name = str(operator)
        if name.endswith("_REPEAT"):
            _, most, body = value
            if most > 20:
                if repeated:
                    return True
                inside = True
            if _nests(body, inside):
                return True
        elif name == "BRANCH":
            if any(_nests(branch, inside) for branch in value[1]):
                return True
        elif name in ("SUBPATTERN", "ATOMIC_GROUP", "ASSERT", "ASSERT_NOT", "GROUPREF_EXISTS"):
            children = value[1:] if name == "GROUPREF_EXISTS" else value[-1:]
            if name == "ATOMIC_GROUP":
                children = [value]
            if any(child is not None and _nests(child, inside) for child in children):
                return True
    return False
