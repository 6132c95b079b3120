"""What strangers' text makes our own parsers do grows with its size, and not with its square."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_bridge.connections.connectors.cray import _EndedLines
from jupyter_bridge.connections.transfers.byte_range import parse_range
from jupyter_bridge.consoles.last_line import last_line
from jupyter_bridge.consoles.sources.typed_lines import TypedLines
from jupyter_bridge.kernels.executions.event_log import EventLog
from jupyter_bridge.kernels.ring import Ring
from jupyter_bridge.kernels.socketio.namespace import _NAMESPACE
from jupyter_bridge.observe.redaction import _redacted
from jupyter_bridge.transport.problem_decoder import _title
from jupyter_bridge.wire import ansi, kernel
from jupyter_bridge.wire.openbis import rpc
from jupyter_bridge.wire.outputs import outputs
from jupyter_bridge.wire.outputs.displays import Displays
from jupyter_bridge.wire.shell import line_upload, marks
from jupyter_bridge.wire.shell.remote_startup import RemoteShell
from jupyter_bridge.wire.shell.timeline import Timeline
from jupyter_bridge.wire.terminal.asciicast import _label

# Each takes a few seconds at most on a loaded machine. Those that were mended took over 25 s.
ENOUGH = 5.0


def in_bits(make: Callable[[], Any], size: int) -> Callable[[bytes], None]:
    """Feed a Cutter, Scanner, … this many bytes at a time."""

    def feed(data: bytes) -> None:
        fed = make()
        for start in range(0, len(data), size):
            part = data[start : start + size]
            fed.feed(start, part) if isinstance(fed, ansi.Cutter) else fed.feed(part)

    return feed


def begun() -> marks.Scanner:
    scanner = marks.Scanner("abcd")
    scanner.feed(b"\x1b]133;C;jb=abcd\x07")
    return scanner


def written(text: str) -> None:
    """What a kernel prints, in one message."""
    outputs.Outputs().apply("stream", {"name": "stdout", "text": text})


def updated(count: int) -> None:
    """As many updates of one display_id as outputs show it, in this and in other executions."""
    displays = Displays()
    own, content = outputs.Outputs(displays=displays), {"transient": {"display_id": "d"}}
    for _ in range(100):
        outputs.Outputs(displays=displays).apply("display_data", content)
    for kind in ("display_data", "update_display_data"):
        for number in range(count):
            own.apply(kind, {**content, "data": {"text/plain": str(number)}})


def found(count: int) -> None:
    """Ids in a ring that holds as many messages, and others that it never had."""
    ring = Ring(64 << 20)
    for number in range(count):
        ring.append("iopub", kernel.Header(msg_id=str(number), msg_type="x"), [b"{}"] * 4)
    for number in range(count):
        assert ring.find(f"no {number}") is None
        assert ring.find(str(number)) is not None


async def _followed(count: int) -> None:
    log = EventLog()
    for _ in range(count):
        log.add("output", None, 0)
    reading = log.after(count - 1)
    for number in range(3000):
        assert (await anext(reading))[0] == count + number
        log.add("output", None, 0)


def followed(count: int) -> None:
    """A log of many events, each new one read as it comes."""
    asyncio.run(_followed(count))


def typed(data: bytes) -> None:
    """What a client sends to a kernel's console at once."""
    asyncio.run(TypedLines().feed(data))


def listed(data: bytes) -> None:
    """The output of a console whose commands are listed."""
    timeline = Timeline(0, 1000)
    for start in range(0, len(data), 4096):
        timeline.feed(data[start : start + 4096])
    timeline.finish()


def marked(*bodies: bytes) -> bytes:
    """Marks of one terminal."""
    return b"".join(b"\x1b]133;%b;jb=0123456789abcdef\x07" % body for body in bodies)


HELD = 60_000
PROMPT, NEXT_LINE = marked(b"A", b"B") + b"$ " + marked(b"I"), marked(b"P;k=s", b"I")
QUERIES = in_bits(ansi.without_queries, 1)
CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "an OSC byte by byte": (QUERIES, b"\x1b]0;" + b"a" * HELD),
    "an OSC of 0xC2 byte by byte": (QUERIES, b"\x1b]0;" + b"\xc2" * HELD),
    "an OSC of C1 byte by byte": (QUERIES, b"\xc2\x9d0;" + b"a" * HELD),
    "a DCS of BEL byte by byte": (QUERIES, b"\x1bP" + b"\x07" * HELD),
    "a CSI byte by byte": (QUERIES, b"\x1b[" + b";" * HELD),
    "a CSI of NUL byte by byte": (QUERIES, b"\x1b[" + b"\0" * HELD),
    "an ESC and NUL byte by byte": (QUERIES, b"\x1b" + b"\0" * HELD),
    "an intermediate byte by byte": (QUERIES, b"\x1b " + b"\0" * HELD),
    "sequences that begin": (ansi.strip, b"\x1b[" * 500_000),
    "C1 that begin": (ansi.strip, b"\xc2\x9d\xc2\x9b" * 200_000),
    "last lines": (last_line, b"\x1b[m \n\r" * 50_000),
    "characters of other widths": (written, "x" * 30_000_000 + "\ré\ra" * 50_000),
    "erased characters": (written, "x" * 30_000_000 + "\ré" + "\bé" * 50_000),
    "a line written over": (written, ("é" * 10 + "\r") * 100_000),
    "updates of a display": (updated, 30_000),
    "pairs typed to a kernel": (typed, b"x\x7f" * (1 << 20)),
    "rubouts typed to a kernel": (typed, b"x" * (1 << 20) + b"\x7f" * (1 << 20)),
    "lines typed to a kernel": (typed, b"1\n" * (1 << 20)),
    "a long line typed to a kernel": (typed, b"x" * (32 << 20) + b"\n"),
    "a rubbed out command line": (_label, b"a" * 50_000 + b"\b" * 50_000),
    "ids in a ring": (found, 50_000),
    "the end of a log of events": (followed, 80_000),
    "a session's end": (lambda text: rpc.RpcError(text).expired, "session " * 100_000),
    "a session of tokens": (lambda text: rpc.RpcError(text).expired, "session token " * 60_000),
    "a range of spaces": (lambda text: parse_range(text, 10), "bytes=" + " " * 60_000 + "x"),
    "a range's end of spaces": (
        lambda text: parse_range(text, 10),
        "bytes=0-" + " " * 60_000 + "x",
    ),
    "a range of digits": (lambda text: parse_range(text, 10), "bytes=" + "9" * 60_000 + "-"),
    "lines for a console service": (lambda text: list(_EndedLines(text)), "\n" * 1_000_000),
    "control characters for one": (lambda text: list(_EndedLines(text)), "\x01" * 1_000_000),
    "long lines for one": (lambda text: list(_EndedLines(text)), "a" * 20_000_000),
    "titles": (_title, b"<title>" * 200_000),
    "titles that begin": (_title, b"<title" * 200_000),
    "a namespace": (_NAMESPACE.match, "/shell/" * 50_000),
    "secrets in a log": (_redacted, "Authorization: a?token=" * 20_000),
    "marks of another run": (in_bits(begun, 1), b"\x1b]133;D;1;jb=abce;" * 5_000),
    "marks of a run at once": (in_bits(begun, 65536), b"\x1b]133;D;1;jb=abcd;" * 5_000),
    "marks of nothing": (listed, b"\x1b]133;A\x07\x1b]133;C\x07" * 100_000),
    "marks of semicolons": (listed, (b"\x1b]133;C" + b";" * 60_000 + b"\x07") * 500),
    "a command's mark without end": (listed, (b"\x1b]133;C;" + b"x" * 70_000) * 100),
    "blank cells in a prompt's line": (
        listed,
        (PROMPT + b"a" + b"\x1b[4096@" * 580 + b"\n" + marked(b"D;0")) * 400,
    ),
    "a prompt of many lines": (
        listed,
        PROMPT
        + (b"x" * 4000 + b"\n" + NEXT_LINE) * 500
        + b"y\n\n"
        + (b"\x1b]133;C;jb=" + b"0123456789abcdef" * 2 + b"\x07") * 20_000,
    ),
    "marks of a remote shell": (
        RemoteShell("a").feed,
        b"\x1b]133;S;jb=a;sh;1;/" + b"\x1b]133;H;jb=a\x1b[?2004" * 100_000,
    ),
    "marks of a receiver": (
        lambda data: line_upload.marks_in(data, "a"),
        b"\x1b]133;H;jb=" * 50_000,
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.timeout(60)
def test_hostile_text_is_read_in_linear_time(name: str) -> None:
    """Its worst case is not worse than its size."""
    read, text = CASES[name]
    begin = time.process_time()
    read(text)
    assert time.process_time() - begin < ENOUGH
