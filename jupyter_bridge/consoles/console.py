"""Console: something that talks, remembered: one Source, one Log, any number of viewers.

The producer appends and never waits for a reader; whoever reads keeps an offset of their own and
asks for what comes after it (`wait`, then `read`). See `view.py` for the cursor most readers use.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from jupyter_bridge.aio.news import News
from jupyter_bridge.aio.serial_worker import SerialWorker, off_loop
from jupyter_bridge.consoles.last_line import LOOK_BYTES, last_line
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.models.consoles import ConsoleModel, ViewerModel
from jupyter_bridge.problems import Busy, Denied, Gone
from jupyter_bridge.wire.times import now

Mode = Literal["watch", "join", "steal"]
State = Literal["live", "ended"]

# Nobody can fold everybody's terminal to nothing: a smaller screen than this counts as this one.
SMALLEST_SCREEN = (2, 10)
# A larger one is a mistake; the kernel's winsize holds 16 bits.
LARGEST_SCREEN = (1000, 2000)
# Each viewer is told of the others: so many names are what a person can read.
MOST_SHOWN = 100


class Log(Protocol):
    """A console's bytes by absolute offset: a Journal, or a followed file itself."""

    @property
    def lane(self) -> SerialWorker | None:
        """Where its blocking calls run; None for what lies on the server's own disk."""

    @property
    def epoch(self) -> str:
        """Changes when offsets begin anew, so that an old offset is never mistaken."""

    @property
    def first_offset(self) -> int:
        """The oldest byte still held."""

    @property
    def end_offset(self) -> int:
        """One past the newest byte."""

    def held(self, offset: int) -> int:
        """The first offset at or after this one that is held, or the end."""

    def near(self, offset: int) -> bool:
        """Whether reading here needs no disk."""

    def read(self, offset: int, max_bytes: int) -> bytes:
        """At most `max_bytes` from `offset` on; fewer at a gap; none at the end or inside a gap."""

    def recent(self, max_bytes: int) -> bytes:
        """At most so many of the last bytes, of those in memory; never reads the disk."""

    def tail(self, lines: int) -> int:
        """Where the last `lines` lines begin."""

    def since(self, when: float) -> int:
        """Where what came at or after this Unix time begins, to the index's precision."""

    def times(self, start: int, end: int) -> list[tuple[int, float]]:
        """Known (offset, Unix time) pairs in this range, ascending."""


@dataclass(eq=False)
class Viewer:
    """Somebody who looks at a console, and in which mode; `on_change` tells of any change."""

    user: str
    mode: Mode
    on_change: Callable[[], None] = field(repr=False)
    size: tuple[int, int] | None = None
    stolen_by: str | None = None

    def model(self) -> ViewerModel:
        """The viewer as the routes show it."""
        return ViewerModel(self.user, self.mode)


class Console:
    """One thing that talks. `Consoles` makes these; end and forget them there too."""

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
        self.viewers: list[Viewer] = []
        self._shown: list[Viewer] | None = None  # not known since somebody came or went
        # How often something was typed from here, by whomever.
        self.typed = 0
        self._append = on_output
        self._skip = on_gap
        self.on_ended = on_ended
        self.on_seats: Callable[[], None] = lambda: None
        # Told of all that lists show of it; often, and so may do next to nothing.
        self.on_news: Callable[[], None] = lambda: None
        # The last line, and the end of what it was taken from.
        self._last_line = (log.end_offset if last_line else -1, last_line)
        self._news = News()

    @property
    def epoch(self) -> str:
        """Changes when offsets begin anew."""
        return self.log.epoch

    @property
    def first_offset(self) -> int:
        """The oldest byte still held."""
        return self.log.first_offset

    @property
    def end_offset(self) -> int:
        """One past the newest byte."""
        return self.log.end_offset

    @property
    def last_line(self) -> str:
        """The last line it said that is not blank, as far as memory goes; see `lastline.py`."""
        end = self.end_offset
        if self._last_line[0] != end:
            self._last_line = end, last_line(self.log.recent(LOOK_BYTES))
        return self._last_line[1]

    def model(self) -> ConsoleModel:
        """The console as the routes show it."""
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

    # What the source says

    async def open(self) -> None:
        """Open the source; raises its Problem, and the console is ended then."""
        assert self.source is not None
        try:
            await self.source.open(self.on_output, self.on_gap, self.on_end)
        except BaseException:
            self.on_end(Exit())
            raise

    def on_output(self, data: bytes) -> None:
        """Keep what the source said and wake whoever waits for it."""
        if self._append is not None:
            self._append(data)
        self.wake()

    def on_gap(self, lost: int) -> None:
        """So many bytes are missing here."""
        if self._skip is not None:
            self._skip(max(1, lost))
        self.wake()

    def on_end(self, exit: Exit) -> None:  # noqa: A002
        """The source has said its last; what it said stays readable."""
        if self.state == "ended":
            return
        self.state = "ended"
        self.exit = exit
        self.last_line  # noqa: B018 - known from now on: the memory is given back
        self.wake()
        if self.on_ended is not None:
            self.on_ended(self)

    def wake(self) -> None:
        """Let everybody in `wait` look again."""
        self.last_activity = now()
        self.on_news()
        self._news.tell()

    # What readers and writers do

    async def wait(self, offset: int) -> None:
        """Return when there is a byte at or after `offset`, or none will ever come."""
        while self.end_offset <= offset and self.state == "live":
            await self.change()

    async def ended(self) -> None:
        """Return when the source has said its last."""
        while self.state == "live":
            await self.change()

    async def change(self) -> None:
        """Return at the next output, gap or end."""
        if self.state == "live":
            await self._news.next.wait()

    def newest(self, max_bytes: int) -> bytes:
        """The last of what it said, behind its last gap; reads the disk."""
        end = self.end_offset
        at, found = max(self.first_offset, end - max_bytes), b""
        while at < end:
            data = self.read(at, end - at)
            found = found + data if data else b""
            at = at + len(data) if data else max(at + 1, self.log.held(at))
        return found

    def read(self, offset: int, max_bytes: int) -> bytes:
        """At most `max_bytes` from `offset` on, never across a gap (see `Log.read`).

        Bytes long past come from the disk and block for it; `fetch` does that off the loop.
        """
        return self.log.read(offset, max_bytes)

    async def fetch(self, offset: int, max_bytes: int) -> bytes:
        """Like `read`, with disk work off the event loop."""
        if self.log.near(offset):
            return self.log.read(offset, max_bytes)
        return await off_loop(self.log.lane, self.log.read, offset, max_bytes)

    async def write(self, data: bytes) -> None:
        """Type `data` as it is; returns when the source has taken it. Raises Gone after the end."""
        if self.source is None or self.state == "ended":
            raise Gone(f"Console {self.name!r} has ended; nothing reads what is typed there.")
        self.typed += 1
        await self.source.write(data)

    # Who is here

    def enter(self, viewer: Viewer) -> None:
        """Take a seat. A stealer makes the other writers watchers; they are told."""
        self.viewers.append(viewer)
        if viewer.mode == "steal":
            for other in self.writers():
                if other is not viewer:
                    other.mode = "watch"
                    other.stolen_by = viewer.user
        self._seats_changed()

    def leave(self, viewer: Viewer) -> None:
        """Give the seat back; leaving twice is fine."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self._seats_changed()

    @property
    def shown_viewers(self) -> list[Viewer]:
        """Who is named where viewers are listed: all, or of many those first who may type."""
        if self._shown is None:
            self._shown = list(self.viewers)
            if len(self._shown) > MOST_SHOWN:
                self._shown = sorted(self._shown, key=lambda one: one.mode == "watch")[:MOST_SHOWN]
        return self._shown

    def writers(self) -> Iterator[Viewer]:
        """Those who may type."""
        return (viewer for viewer in list(self.viewers) if viewer.mode != "watch")

    async def type(self, viewer: Viewer, data: bytes) -> None:
        """Type for a viewer; raises Denied for a watcher, Busy for one whose seat was stolen."""
        if viewer.stolen_by is not None:
            raise Busy(f"{viewer.stolen_by} has taken over this console; you are watching.")
        if viewer.mode == "watch":
            raise Denied("You are watching this console; open it with mode=join to type.")
        await self.write(data)

    def resize(self, viewer: Viewer, rows: int, cols: int) -> None:
        """A writer's screen has this size now; a watcher's never counts."""
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

    def _seats_changed(self) -> None:
        self._shown = None
        self._fit()
        self.on_seats()
        self.on_news()
        for viewer in list(self.viewers):
            try:
                viewer.on_change()
            except Exception:  # noqa: PERF203 - one viewer's trouble is never another's
                logging.getLogger(__name__).exception("A viewer of %r failed", self.name)
