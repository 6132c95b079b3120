"""Attachment: this terminal attached to a console of the server, in raw mode, until it detaches."""

from __future__ import annotations

import os
import queue
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from jupyter_bridge.cli import output
from jupyter_bridge.cli.detach_keys import DetachKeys
from jupyter_bridge.problems import Problem, Unavailable
from jupyter_bridge.wire.console import (
    Ended,
    GapFrame,
    ModesFrame,
    OutputFrame,
    ServerFrame,
    Trouble,
    Viewers,
)
from jupyter_bridge.wire.names import ConsoleName
from jupyter_bridge.wire.terminal.modes import TerminalModes
from jupyter_bridge.wire.visible import visible

if TYPE_CHECKING:
    from jupyter_bridge.client import Bridge
    from jupyter_bridge.client.sync.bridge import SyncConsoleStream

# The window's size is checked this often.
_LOOK_SECONDS = 0.25
# While disconnected, keys typed before the detach keys are retried this long before detaching.
_FAREWELL_SECONDS = 2.0
# The rows of output shown in a terminal that does not tell its size.
_ROWS = 24
# The title is saved before the console sets it, and restored at the end.
_SAVE_TITLE, _RESTORE_TITLE = b"\x1b[22;2t", b"\x1b[23;2t"
# Colours, character sets and margins, which a full-screen program sets as it draws. Setting margins
# moves the cursor, so that it is saved before.
_PLAIN = b"\x1b7\x1b[r\x1b8\x1b(B\x0f\x1b[0m"


class Attachment:
    """This terminal, attached to one console."""

    def __init__(
        self,
        bridge: Bridge,
        name: str,
        mode: Literal["watch", "join", "steal"],
        keys: DetachKeys,
    ) -> None:
        self._bridge = bridge
        self._name = name
        self._mode = mode
        self._in = sys.stdin.fileno()
        self._out = sys.stdout.fileno()
        self._left = threading.Event()
        self._outbox: queue.SimpleQueue[Callable[[SyncConsoleStream], None]] = queue.SimpleQueue()
        self._keys = keys
        self._shown = TerminalModes()
        self._raw = False
        self._modes: list[str] = []

    def run(self) -> int:
        """Stay attached until the detach keys or the console's end; returns the exit code."""
        rows = os.get_terminal_size(self._out).lines or _ROWS
        modes = termios.tcgetattr(self._in)
        stream = self._bridge.consoles.interact(self._name, mode=self._mode, lines=rows)
        last_note = f"[left {self._name}]"
        typist: threading.Thread | None = None
        try:
            with stream:
                for frame in stream:
                    if typist is None:
                        self._begin()
                        threading.Thread(target=self._send, args=(stream,), daemon=True).start()
                        typist = threading.Thread(target=self._type, args=(stream,), daemon=True)
                        typist.start()
                    self._show(frame)
                    if isinstance(frame, Ended):
                        how = frame.exit.get("signal") or frame.exit.get("code")
                        last_note = f"[{self._name} has ended{'' if how is None else f': {how}'}]"
        except Problem:
            if not self._left.is_set():
                raise
        finally:
            self._left.set()
            self._outbox.put(lambda stream: None)
            if typist is not None:
                typist.join()  # so that it reads no later key
            if self._raw:
                output.raw_to(self._out, self._shown.put_back() + _PLAIN + _RESTORE_TITLE)
            termios.tcsetattr(self._in, termios.TCSADRAIN, modes)
        self._say(last_note)
        return 0

    def _begin(self) -> None:
        # A kernel takes whole lines, which this terminal edits.
        self._raw = ConsoleName.parse(self._name).kind != "kernel"
        if self._raw:
            tty.setraw(self._in)
            output.raw_to(self._out, _SAVE_TITLE)
        size = os.get_terminal_size(self._out)
        if self._mode != "watch" and size.lines > 1:
            # A new size makes a full-screen program redraw.
            self._resize(os.terminal_size((size.columns, size.lines - 1)))

    def _type(self, stream: SyncConsoleStream) -> None:
        """Read the keyboard and check the window's size; never waits for the connection, so that
        the detach keys always work."""
        size: os.terminal_size | None = None
        with suppress(Problem, OSError):
            while not self._left.is_set():
                now = os.get_terminal_size(self._out)
                if now != size and self._mode != "watch":
                    size = now
                    self._resize(now)
                wait = self._keys.wait
                wait = _LOOK_SECONDS if wait is None else min(wait, _LOOK_SECONDS)
                is_typed = bool(select.select([self._in], [], [], wait)[0])
                data = os.read(self._in, 64 * 1024) if is_typed else b""
                if is_typed or self._keys.wait == 0 or wait < _LOOK_SECONDS:
                    self._press(self._keys.feed(data))
                if self._keys.leaves or (is_typed and not data):
                    self._outbox.put(self._leave)
                    if not self._left.wait(_FAREWELL_SECONDS):
                        self._leave(stream)

    def _press(self, keys: bytes) -> None:
        if keys and self._mode != "watch":
            self._outbox.put(lambda stream: stream.write(keys))

    def _resize(self, size: os.terminal_size) -> None:
        if size.lines and size.columns:  # a serial line has no size
            self._outbox.put(lambda stream: stream.resize(size.lines, size.columns))

    def _leave(self, stream: SyncConsoleStream) -> None:
        self._left.set()
        stream.close()

    def _send(self, stream: SyncConsoleStream) -> None:
        """Send the typed keys in order; waits while disconnected."""
        with suppress(Problem):  # closed, or the reader of the frames gets the same Problem
            while not self._left.is_set():
                action = self._outbox.get()
                try:
                    action(stream)
                except Unavailable:
                    # The keys may or may not have arrived: do not send them twice.
                    output.raw_to(self._out, b"\a")

    def _show(self, frame: ServerFrame) -> None:
        if isinstance(frame, (ModesFrame, OutputFrame)):
            self._shown.feed(frame.data)
            output.raw_to(self._out, frame.data)
        elif isinstance(frame, GapFrame):
            self._note(f"{frame.to - frame.offset} older bytes were discarded")
        elif isinstance(frame, Trouble):
            self._note(str(frame.problem.get("message")))
        elif isinstance(frame, Viewers):
            mine = [viewer.get("mode") for viewer in frame.viewers if viewer.get("you")]
            if mine == ["watch"] and self._modes not in ([], mine):
                writers = [str(v.get("user")) for v in frame.viewers if v.get("mode") == "steal"]
                self._note(f"{', '.join(writers) or 'somebody'} has taken over; you are watching")
            self._modes = [str(mode) for mode in mine]

    def _note(self, text: str) -> None:
        self._say(f"[{text}]")

    def _say(self, text: str) -> None:
        """Print a line of this command, escaped."""
        output.raw_to(self._out, f"\r\n{visible(text)}\r\n".encode())
