"""ExecuteView: show an execution, answer its input requests, interrupt it by Ctrl-C."""

from __future__ import annotations

from jupyter_bridge.cli.call import Call, code_of
from jupyter_bridge.cli.prompts import Prompter
from jupyter_bridge.cli.render import Renderer
from jupyter_bridge.client import Event, InputRequest, Result
from jupyter_bridge.client.sync.bridge import SyncStream
from jupyter_bridge.problems import Conflict, Problem

CODE_FAILED = 1
TIMED_OUT = 124
# How long interrupted code may take to end before it is left running, seconds.
_LAST_WORDS = 5.0


class ExecuteView:
    """The view of one stream. `stopped` is 128 + the signal that stopped it, otherwise 0."""

    def __init__(self, call: Call, stream: SyncStream, screen: Renderer, asker: Prompter) -> None:
        self.stopped = 0
        self._call = call
        self._stream = stream
        self._screen = screen
        self._asker = asker

    @property
    def left_running(self) -> bool:
        """Whether the code was interrupted and still runs."""
        return bool(self.stopped) and self._stream.result is None

    def follow(self) -> int:
        """Show all events; returns the exit code.

        Ctrl-C interrupts the code and shows its last output; a second Ctrl-C leaves it running.
        """
        try:
            self._show_all()
        except KeyboardInterrupt as stop:
            self._stop(stop)
        except BaseException:  # mostly a broken pipe: nothing reads the output
            self._cancel_quietly()
            raise
        return self.stopped or self._code(self._stream.result)

    def _show_all(self) -> None:
        for event in self._stream:
            self._show(event)
        self._screen.finish()

    def _show(self, event: Event) -> None:
        self._screen.show(event)
        if isinstance(event, InputRequest):
            try:
                self._stream.send_input(self._asker.answer(event))
            except Conflict:
                pass  # another client interrupted the code meanwhile

    def _stop(self, stop: KeyboardInterrupt) -> None:
        self.stopped = code_of(stop)
        try:
            self._stream.cancel()
            while self._stream.result is None:
                event = self._stream.receive(_LAST_WORDS)
                if event is None:
                    break
                self._screen.show(event)
            self._screen.finish()
        except KeyboardInterrupt:
            pass
        if self.left_running:
            self._call.note("The code was interrupted but has not ended.")

    def _cancel_quietly(self) -> None:
        try:
            if self._stream.result is None:
                self._stream.cancel()
        except (Problem, KeyboardInterrupt):
            pass  # the first error is the one to report

    def _code(self, result: Result | None) -> int:
        if result is None or result.ok:
            return 0
        if result.status != "error":  # the traceback of an error is shown already
            sentence = result.sentence
            self._call.note(f"{sentence[0].upper()}{sentence[1:]}.")
        return TIMED_OUT if result.status == "timeout" else CODE_FAILED
