"""Console: a source of output and its log, with any number of viewers.

The producer appends and never waits for a reader. Each reader keeps an offset and asks for the
bytes after it (`wait`, then `read`). Most readers use the cursor in `tail/view.py`.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from jupyter_bridge.aio.news import News
from jupyter_bridge.aio.serial_worker import in_worker
from jupyter_bridge.consoles.gaps import GapAllowance
from jupyter_bridge.consoles.last_line import LOOK_BYTES, last_line
from jupyter_bridge.consoles.log import Log
from jupyter_bridge.consoles.sent_texts import SentTexts
from jupyter_bridge.consoles.waiting_input import WaitingInput
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.models.consoles import ConsoleModel, ViewerModel
from jupyter_bridge.problems import Busy, Denied, Gone
from jupyter_bridge.wire.console import MAX_OFFSET
from jupyter_bridge.wire.times import now

Mode = Literal["watch", "join", "steal"]
State = Literal["live", "ended"]

# Rows and columns. A smaller screen counts as this: no viewer can shrink the terminal to nothing.
SMALLEST_SCREEN = (2, 10)
# A larger screen is a mistake; the kernel's winsize holds 16 bits.
LARGEST_SCREEN = (1000, 2000)
# Each viewer is sent the names of the others, at most this many: users read no more.
MOST_SHOWN = 100


@dataclass(eq=False)
class Viewer:
    """A viewer of a console and its mode; `on_change` is called when any viewer changes."""

    user: str
    mode: Mode
    on_change: Callable[[], None] = field(repr=False)
    size: tuple[int, int] | None = None
    stolen_by: str | None = None

    def model(self) -> ViewerModel:
        """Return the viewer as the routes show it."""
        return ViewerModel(self.user, self.mode)


class Console:
    """One console. `ConsoleRegistry` creates, ends and forgets consoles."""

    def __init__(
        self,
        name: str,
        kind: str,
        log: Log,
        source: Source | None,
        *,
        title: str = "",
        started: datetime.datetime | None = None,
        exit: Exit | None = None,  # noqa: A002 - the contract's word
        last_line: str = "",
        on_output: Callable[[bytes], None] | None = None,
        on_gap: Callable[[int], None] | None = None,
        on_size: Callable[[int, int], None] = lambda rows, cols: None,
        on_ended: Callable[[Console], None] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.title = title
        self.log = log
        self.source = source
        self.started = started or now()
        self.last_activity = self.started
        self.state: State = "live" if source is not None else "ended"
        self.exit: Exit | None = exit if source is not None else (exit or Exit())
        # Opened for one run: listed only while it is live.
        self.is_for_one_run = False
        self.viewers: list[Viewer] = []
        self._shown: list[Viewer] | None = None  # None after a viewer entered or left
        # How many times the bridge has typed into the console, and its end offset the last time.
        self.typed = self.typed_at = 0
        self.sent = SentTexts()
        self.waiting = WaitingInput(name)
        self._append = on_output
        self._skip = on_gap
        self._gaps = GapAllowance()
        self.on_size = on_size
        self.on_ended = on_ended
        self.on_viewers: Callable[[], None] = lambda: None
        # Called often, for every change that lists show: must be cheap.
        self.on_news: Callable[[], None] = lambda: None
        # The end offset for which the last line was computed, and that line.
        self._last_line = (log.end_offset if last_line else -1, last_line)
        self._news = News()

    @property
    def epoch(self) -> str:
        """Changes when offsets restart."""
        return self.log.epoch

    @property
    def first_offset(self) -> int:
        """The offset of the oldest byte held."""
        return self.log.first_offset

    @property
    def end_offset(self) -> int:
        """One past the newest byte."""
        return self.log.end_offset

    @property
    def is_listed(self) -> bool:
        """Whether lists show the console."""
        return self.state == "live" or not self.is_for_one_run

    @property
    def last_line(self) -> str:
        """The last line in memory that is not blank; see `last_line.py`."""
        end = self.end_offset
        if self._last_line[0] != end:
            self._last_line = end, last_line(self.log.recent(LOOK_BYTES))
        return self._last_line[1]

    def model(self) -> ConsoleModel:
        """Return the console as the routes show it."""
        return ConsoleModel(
            name=self.name,
            kind=self.kind,
            state=self.state,
            title=self.title,
            first_offset=self.first_offset,
            end_offset=self.end_offset,
            epoch=self.epoch,
            started=self.started,
            last_activity=self.last_activity,
            last_line=self.last_line,
            viewers=[viewer.model() for viewer in self.shown_viewers],
            exit_code=self.exit.code if self.exit else None,
        )

    # -- output --------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the source; if that raises a Problem, the console has ended."""
        assert self.source is not None
        self.source.on_size = self.on_size
        if self.source.size is not None:
            self.on_size(*self.source.size)
        try:
            await self.source.open(self.on_output, self.on_gap, self.on_end)
        except BaseException:
            self.on_end(Exit())
            raise

    def on_output(self, data: bytes) -> None:
        """Keep output of the source and wake the readers; after the end, does nothing."""
        if self._append is None:
            self.wake()
        elif self._goes_on(len(data)):
            self._gaps.earn(len(data))
            self._append(data)
            self.wake()

    def on_gap(self, lost: int) -> None:
        """Record a gap of `lost` bytes; after the end, does nothing."""
        lost = max(1, lost)
        if self._skip is None:
            self.wake()
        elif self._goes_on(lost):
            if self._gaps.spend():
                self._skip(lost)
                self.wake()
            else:
                self._break_off("its source leaves too many gaps")

    def _goes_on(self, size: int) -> bool:
        """Tell whether so many bytes may follow; else the console has ended."""
        if self.state == "live" and self.end_offset + size > MAX_OFFSET:
            self._break_off("its output would pass the largest offset")
        return self.state == "live"

    def _break_off(self, why: str) -> None:
        logging.getLogger(__name__).warning("Console %r has ended: %s", self.name, why)
        self.on_end(Exit())

    def on_end(self, exit: Exit) -> None:  # noqa: A002
        """End the console; its output stays readable."""
        if self.state == "ended":
            return
        self.state = "ended"
        self.exit = exit
        self.last_line  # noqa: B018 - cached now, because the log soon frees its memory
        self.wake()
        if self.on_ended is not None:
            self.on_ended(self)

    def wake(self) -> None:
        """Wake the readers in `wait`."""
        self.last_activity = now()
        self.on_news()
        self._news.tell()

    # -- reading and writing -------------------------------------------------------------------

    async def wait(self, offset: int) -> None:
        """Return when there is a byte at or after `offset`, or the console has ended."""
        while self.end_offset <= offset and self.state == "live":
            await self.change()

    async def ended(self) -> None:
        """Return when the console has ended."""
        while self.state == "live":
            await self.change()

    async def change(self) -> None:
        """Return at the next output, gap or end."""
        if self.state == "live":
            assert self.source is not None
            news = self._news.next
            self.source.follow()
            await news.wait()

    def newest(self, max_bytes: int) -> bytes:
        """Return the last bytes, from after the last gap. Reads the disk."""
        end = self.end_offset
        at, found = max(self.first_offset, end - max_bytes), b""
        while at < end:
            data = self.read(at, end - at)
            found = found + data if data else b""
            at = at + len(data) if data else max(at + 1, self.log.held(at))
        return found

    def read(self, offset: int, max_bytes: int) -> bytes:
        """See `Log.read`. Old bytes are read from the disk, which blocks; see `fetch`."""
        return self.log.read(offset, max_bytes)

    async def fetch(self, offset: int, max_bytes: int) -> bytes:
        """Like `read`, with the disk read off the event loop."""
        if self.log.near(offset):
            return self.log.read(offset, max_bytes)
        return await in_worker(self.log.worker, self.log.read, offset, max_bytes)

    async def modes(self, offset: int) -> bytes:
        """Return the escape sequences that set the terminal's modes of this offset."""
        return await in_worker(self.log.worker, self.log.modes_at, offset)

    async def send(self, data: bytes) -> None:
        """Like `write`, and note the text, so that viewers can leave out its echo."""
        echo = self.source.echo if self.source is not None else "none"
        if echo != "none":
            self.sent.note(self.end_offset, data, is_cooked=echo != "editor")
        await self.write(data)

    async def write(self, data: bytes) -> None:
        """Type `data` unchanged; return when the source has accepted it, drop it if cancelled.

        Gone after the end; Busy while too much waits.
        """
        if self.source is None or self.state == "ended":
            raise Gone(f"Console {self.name!r} has ended and takes no input.")
        with self.waiting.hold(data):
            self.typed += 1
            self.typed_at = self.end_offset
            await self.source.write(data)

    # -- viewers -------------------------------------------------------------------------------

    def enter(self, viewer: Viewer) -> None:
        """Add a viewer. In mode `steal` the other writers become watchers, and are notified."""
        self.viewers.append(viewer)
        if viewer.mode == "steal":
            for other in self.writers():
                if other is not viewer:
                    other.mode = "watch"
                    other.stolen_by = viewer.user
        self._viewers_changed()

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer; leaving twice is fine."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self._viewers_changed()

    @property
    def shown_viewers(self) -> list[Viewer]:
        """The viewers that lists name: at most MOST_SHOWN, writers first."""
        if self._shown is None:
            self._shown = list(self.viewers)
            if len(self._shown) > MOST_SHOWN:
                self._shown = sorted(self._shown, key=lambda one: one.mode == "watch")[:MOST_SHOWN]
        return self._shown

    def writers(self) -> Iterator[Viewer]:
        """Return the viewers that may type."""
        return (viewer for viewer in list(self.viewers) if viewer.mode != "watch")

    async def type(self, viewer: Viewer, data: bytes) -> None:
        """Type for a viewer. Denied for a watcher, Busy after another viewer took over."""
        if viewer.stolen_by is not None:
            raise Busy(f"{viewer.stolen_by} has taken over this console; you are watching.")
        if viewer.mode == "watch":
            raise Denied("You are watching this console; open it with mode=join to type.")
        await self.write(data)

    def resize(self, viewer: Viewer, rows: int, cols: int) -> None:
        """Set the screen size of a writer; a watcher's does not count."""
        if viewer.mode == "watch":
            return
        viewer.size = (
            min(max(rows, SMALLEST_SCREEN[0]), LARGEST_SCREEN[0]),
            min(max(cols, SMALLEST_SCREEN[1]), LARGEST_SCREEN[1]),
        )
        self._fit()

    def _fit(self) -> None:
        sizes = [viewer.size for viewer in self.writers() if viewer.size is not None]
        if self.source is not None and self.state == "live":
            rows = min((size[0] for size in sizes), default=None)
            cols = min((size[1] for size in sizes), default=None)
            self.source.resize(rows, cols)

    def _viewers_changed(self) -> None:
        self._shown = None
        self._fit()
        self.on_viewers()
        self.on_news()
        for viewer in list(self.viewers):
            try:
                viewer.on_change()
            except Exception:  # noqa: PERF203 - the other viewers must still be told
                logging.getLogger(__name__).exception("A viewer of %r failed", self.name)
