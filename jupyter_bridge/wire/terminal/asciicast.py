"""asciicast v2, the recording format of asciinema: one JSON header line, then one line per event.

    {"version": 2, "width": 80, "height": 24, "timestamp": 1504467315, "title": "…"}
    [1.25, "o", "output as text"]
    [2.00, "m", "a marker's label"]

Times are seconds since the start. See https://docs.asciinema.org/manual/asciicast/v2/.
"""

from __future__ import annotations

import codecs
import json
import re

from jupyter_bridge.wire.visible import visible_json

# A shell with integration marks the start of each command (OSC 133;C).
_COMMAND_BEGINS = re.compile(rb"\x1b\]133;C[^\x07\x1b]*(?:\x07|\x1b\\)")


def header(width: int, height: int, timestamp: float, title: str = "") -> str:
    """Return the first line, without its newline."""
    about: dict[str, object] = {
        "version": 2,
        "width": width,
        "height": height,
        "timestamp": int(timestamp),
    }
    if title:
        about["title"] = title
    # Control characters in a title are escaped, so that they can be seen in the file.
    return visible_json(json.dumps(about, ensure_ascii=False))


class Recording:
    """Turns (time, bytes) into event lines. Bytes may be cut anywhere; bad ones become U+FFFD."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._latest = 0.0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def output(self, when: float, data: bytes, final: bool = False) -> list[str]:
        """Return the lines for these bytes, with a marker before each command."""
        lines: list[str] = []
        at = 0
        for mark in _COMMAND_BEGINS.finditer(data):
            lines += self._text(when, data[at : mark.start()], False)
            lines.append(self._line(when, "m", ""))
            at = mark.start()
        return lines + self._text(when, data[at:], final)

    def _text(self, when: float, data: bytes, final: bool) -> list[str]:
        text = self._decoder.decode(data, final)
        return [self._line(when, "o", text)] if text else []

    def _line(self, when: float, code: str, text: str) -> str:
        self._latest = max(self._latest, round(when - self._started, 6))
        return json.dumps([self._latest, code, text], ensure_ascii=False)
