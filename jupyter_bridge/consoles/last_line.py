"""The last line of a console's output, as a list shows it."""

from __future__ import annotations

import re

from jupyter_bridge.wire import ansi

# How many of the newest bytes are searched; a longer line is cut. For 200 consoles this takes 2 ms
# of text, or 20 ms of escape sequences.
LOOK_BYTES = 1024
# The most characters of the line that are shown.
SHOWN = 200

# The bytes that can begin an escape sequence, or be one.
_ESCAPE = re.compile(rb"[\x05\x1b\xc2]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]+")
# The rest of a UTF-8 character that was cut.
_CONTINUED = bytes(range(0x80, 0xC0))


def last_line(newest: bytes) -> str:
    """Return the last line that is not blank, without escape sequences and controls; or "".

    A carriage return begins a new line, as the later text replaces the earlier on a screen.
    """
    end = len(newest)
    while end > 0:
        start = newest.rfind(b"\n", 0, end) + 1
        shown = _last_shown(newest[start:end])
        if shown:
            return shown
        end = start - 1
    return ""


def _last_shown(line: bytes) -> str:
    if not line or line.isspace():
        return ""
    if _ESCAPE.search(line):
        line = ansi.strip(line)
    text = line.lstrip(_CONTINUED).decode("utf-8", "replace")
    for part in reversed(text.split("\r")):
        shown = _CONTROLS.sub("", part).strip()
        if shown:
            return shown[:SHOWN]
    return ""
