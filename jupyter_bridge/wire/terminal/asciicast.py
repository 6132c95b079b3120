"""asciicast, the recording format of asciinema: a JSON header line, then one line per event.

Version 2, times in seconds since the start:

    {"version": 2, "width": 80, "height": 24, "timestamp": 1504467315, "title": "…"}
    [1.25, "o", "output as text"]
    [2.00, "m", "the command that begins here"]
    [2.50, "r", "100x30"]

Version 3, which asciinema 3 writes: times since the event before, and how the console ended.

    {"version": 3, "term": {"cols": 80, "rows": 24}, "timestamp": 1504467315, "title": "…"}
    [1.25, "o", "output as text"]
    [0.75, "m", "the command that begins here"]
    [0.50, "r", "100x30"]
    [0.10, "x", "0"]

See https://docs.asciinema.org/manual/asciicast/v2/ and https://docs.asciinema.org/manual/asciicast/v3/.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.visible import visible_json

# A shell with integration marks where a command line and its output begin (OSC 133;B and C).
_MARK = re.compile(rb"\x1b\]133;([ABCD])[^\x07\x1b]*(?:\x07|\x1b\\)")
# The most bytes of a command line that are read for its label, and characters shown of it.
LABEL_BYTES = 4096
LABEL_LENGTH = 200
# The most commands that are marked at one time: nobody enters more, and a mark of 8 bytes is 60 of
# the recording.
MAX_MARKS = 100


class Recording:
    """Turns (time, bytes) into lines. Bytes may be cut anywhere; bad ones become U+FFFD."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._latest = 0.0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        # What was typed and shown at the prompt, once the shell has marked it.
        self._typed: bytes | None = None
        # The time of the last marks, and their number.
        self._marked, self._marks = started, 0

    def header(self, cols: int, rows: int, title: str = "") -> str:
        """Return the first line, without its newline."""
        return self._header({"version": 2, "width": cols, "height": rows}, title)

    def output(self, when: float, data: bytes, final: bool = False) -> list[str]:
        """Return the lines for these bytes, with a marker before each command.

        What follows MAX_MARKS marks at one time is output only.
        """
        lines: list[str] = []
        at = seen = 0
        for mark in _MARK.finditer(data):
            self._note(data[seen : mark.start()])
            seen = mark.end()
            if mark[1] == b"C" and self._may_mark(when):
                lines += self._text(when, data[at : mark.start()], False)
                lines.append(self._line(when, "m", _label(self._typed or b"")))
                at = mark.start()
            self._typed = b"" if mark[1] == b"B" else None
        self._note(data[seen:])
        return lines + self._text(when, data[at:], final)

    def _may_mark(self, when: float) -> bool:
        if when != self._marked:
            self._marked, self._marks = when, 0
        self._marks += 1
        return self._marks <= MAX_MARKS

    def resize(self, when: float, rows: int, cols: int) -> str:
        """Return the line for a new size of the screen."""
        return self._line(when, "r", f"{cols}x{rows}")

    def exit(self, when: float, code: int) -> list[str]:
        """Return the lines for the end; version 2 has none."""
        return []

    def _note(self, data: bytes) -> None:
        if self._typed is not None and len(self._typed) < LABEL_BYTES:
            self._typed += data

    def _header(self, about: dict[str, Any], title: str) -> str:
        about["timestamp"] = int(self._started)
        if title:
            about["title"] = title
        # Control characters in a title are escaped, so that they can be seen in the file.
        return visible_json(json.dumps(about, ensure_ascii=False))

    def _text(self, when: float, data: bytes, final: bool) -> list[str]:
        text = self._decoder.decode(data, final)
        return [self._line(when, "o", text)] if text else []

    def _line(self, when: float, code: str, text: str) -> str:
        before, self._latest = self._latest, max(self._latest, round(when - self._started, 6))
        return json.dumps([self._time(before), code, text], ensure_ascii=False)

    def _time(self, before: float) -> float:
        """Return the time of the present event; `before` is that of the last one."""
        return self._latest


class Recording3(Recording):
    """A recording of version 3."""

    def header(self, cols: int, rows: int, title: str = "") -> str:
        return self._header({"version": 3, "term": {"cols": cols, "rows": rows}}, title)

    def exit(self, when: float, code: int) -> list[str]:
        return [self._line(when, "x", str(code))]

    def _time(self, before: float) -> float:
        return round(self._latest - before, 6)


VERSIONS: dict[int, type[Recording]] = {2: Recording, 3: Recording3}


def _label(typed: bytes) -> str:
    """Return a command line as a line of text."""
    text = ansi.strip(typed).decode("utf-8", "replace")
    shown: list[str] = []
    for letter in text:
        if letter != "\b":
            shown.append(letter)
        elif shown:
            shown.pop()
    return " ".join("".join(shown).split())[:LABEL_LENGTH]
