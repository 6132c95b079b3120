"""Tails: the output of one or several consoles, shown as it comes."""

from __future__ import annotations

import codecs
import queue
import threading
from typing import TYPE_CHECKING, Any

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import Call
from jupyter_bridge.problems import Problem, Timeout
from jupyter_bridge.wire.console import (
    Ended,
    GapFrame,
    Matched,
    ModesFrame,
    OutputFrame,
    ServerFrame,
    Start,
)
from jupyter_bridge.wire.terminal.modes import TerminalModes
from jupyter_bridge.wire.visible import visible

if TYPE_CHECKING:
    from jupyter_bridge.client import Bridge

TIMED_OUT = 124
_COLOURS = (36, 33, 32, 35, 34, 31)


class Tails:
    """The output of one or several consoles, shown as it comes."""

    def __init__(self, call: Call, bridge: Bridge, names: list[str], how: dict[str, Any]) -> None:
        self._call = call
        self._bridge = bridge
        self._names = names
        self._how = how
        self._frames: queue.Queue[tuple[str, ServerFrame | Problem | None]] = queue.Queue(64)

    def show(self) -> int:
        """Show all output; returns the exit code. A terminal's modes are as before at the end."""
        modes = TerminalModes()
        try:
            return self._show(modes)
        finally:
            output.raw(modes.put_back())

    def _show(self, modes: TerminalModes) -> int:
        is_bare = len(self._names) == 1 and not self._call.json and output.is_terminal()
        code = 0
        shows = {name: Prefixed(name, i) for i, name in enumerate(self._names)}
        for name in self._names:
            threading.Thread(target=self._pull, args=(name,), daemon=True).start()
        left = len(self._names)
        while left:
            name, frame = self._frames.get()
            if frame is None:
                left -= 1
            elif isinstance(frame, Problem):
                self._call.complain(frame)
                code = TIMED_OUT if isinstance(frame, Timeout) else 2
            elif self._call.json or len(self._names) == 1:
                if is_bare and isinstance(frame, (ModesFrame, OutputFrame)):
                    modes.feed(frame.data)
                    output.raw(frame.data)
                else:
                    show_alone(self._call, name, frame)
            else:
                shows[name].show(frame)
        return code

    def _pull(self, name: str) -> None:
        try:
            with self._bridge.consoles.tail(name, **self._how) as stream:
                for frame in stream:
                    self._frames.put((name, frame))
        except Problem as problem:
            self._frames.put((name, problem))
        finally:
            self._frames.put((name, None))


def show_alone(call: Call, name: str, frame: ServerFrame) -> None:
    """Show a frame of a single console: its bytes unchanged, or JSON."""
    if call.json:
        _print_json(call, name, frame)
    elif isinstance(frame, OutputFrame):
        output.raw(frame.data)
    elif isinstance(frame, GapFrame):
        call.note(f"[{frame.to - frame.offset} older bytes were discarded]")
    elif isinstance(frame, Start) and frame.about.get("missing"):
        call.note(f"[{name} is not there yet; waiting for it]")


def _print_json(call: Call, name: str, frame: ServerFrame) -> None:
    if isinstance(frame, OutputFrame):
        text = frame.data.decode("utf-8", "replace")
        call.print_json({"console": name, "offset": frame.offset, "data": text})
    elif isinstance(frame, GapFrame):
        call.print_json({"console": name, "gap": {"from": frame.offset, "to": frame.to}})
    elif isinstance(frame, Matched):
        call.print_json({"console": name, "match": {"from": frame.offset, "to": frame.to}})
    elif isinstance(frame, Ended):
        call.print_json({"console": name, "exit": frame.exit})


class Prefixed:
    """One console among several: whole lines, each after the console's name."""

    def __init__(self, name: str, index: int) -> None:
        colour = _COLOURS[index % len(_COLOURS)]
        self._prefix = output.label(name, colour)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def show(self, frame: ServerFrame) -> None:
        """Show the complete lines; at the end also the last one."""
        if isinstance(frame, OutputFrame):
            *lines, self._rest = (self._rest + self._decoder.decode(frame.data)).split("\n")
            for line in lines:
                output.raw(f"{self._prefix}{line.rstrip(chr(13))}\n")
        elif isinstance(frame, GapFrame):
            output.raw(f"{self._prefix}[{frame.to - frame.offset} older bytes were discarded]\n")
        elif isinstance(frame, Ended):
            if self._rest:
                output.raw(f"{self._prefix}{self._rest}\n")
            how = frame.exit.get("signal") or frame.exit.get("code")
            output.raw(f"{self._prefix}[ended{'' if how is None else visible(f': {how}')}]\n")
