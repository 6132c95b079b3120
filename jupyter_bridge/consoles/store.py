"""ConsoleStore: every console by its name, with its record and its journal."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.archive import Archive, ConsoleRecord
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Conflict
from jupyter_bridge.wire.times import now, read_iso, to_iso

# How often the backlog is checked while a producer is paused, seconds.
RELIEF_SECONDS = 0.01


class ConsoleStore:
    """Consoles by name: `load` those of earlier servers, `start` live ones, `forget` them.

    A file's console is `put` here without a journal.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        on_ended: Callable[[Console], None],
        on_news: Callable[[str, str], None] = lambda name, kind: None,
    ) -> None:
        """`on_news(name, kind)` is called when anything that lists show changes."""
        self._archive = archive
        self._on_ended = on_ended
        self._on_news = on_news
        self._consoles: dict[str, Console] = {}
        # The former names of renamed consoles, for viewers that come back.
        self._former: WeakValueDictionary[str, Console] = WeakValueDictionary()
        self._records: dict[Console, tuple[ConsoleRecord, Journal]] = {}

    def load(self) -> None:
        """Load the journals of earlier servers; reads the disk, before the loop runs."""
        for record, journal in self._archive.load():
            about = record.about
            if journal.first_offset == journal.end_offset or about.get("for_one_run"):
                self._archive.forget(record, journal)
                continue
            console = Console(
                str(about["name"]),
                str(about.get("kind", "terminal")),
                journal,
                None,
                title=str(about.get("title", "")),
                started=read_iso(about["started"]),
                exit=Exit.read(about.get("exit")),
                last_line=str(about.get("last_line", "")),
            )
            console.last_activity = read_iso(about["ended"]) or console.started
            self._records[console] = (record, journal)
            self.make_room(console.name)
            self.put(console)

    def __iter__(self) -> Iterator[Console]:
        for console, (record, _) in list(self._records.items()):
            if record.deleted:
                self.forget(console)
        return iter(list(self._consoles.values()))

    def find(self, name: str) -> Console | None:
        """Return the console of this name, live or ended, or a live one that had it."""
        former = self._former.get(name)
        if former is not None and former.state == "ended":
            former = None
        return self._consoles.get(name, former)

    def put(self, console: Console) -> None:
        """Add a console under its name."""
        self._consoles[console.name] = console
        console.on_news = lambda: self._on_news(console.name, console.kind)
        console.on_news()

    def make_room(self, name: str) -> None:
        """Rename the console that has this name to `<name>~<epoch>`."""
        old = self._consoles.pop(name, None)
        if old is not None:
            old.name = f"{name}~{old.epoch}"
            self.put(old)

    def rename(self, console: Console, name: str) -> None:
        """Give a console another name; an ended one of that name gets its epoch added.

        Viewers that come back by the old name find it while it is live. Conflict if another live
        console has the new name.
        """
        before, other = console.name, self.find(name)
        if other is not None and other is not console and other.state == "live":
            raise Conflict(f"A console named {name!r} already exists.")
        if name == before:
            return
        del self._consoles[before]
        self._on_news(before, console.kind)
        self.make_room(name)
        self._former[before] = console
        console.name = name
        self.put(console)
        record = self._records[console][0]
        record.about["name"] = name
        self._archive.save(record)

    def give_back(self, console: Console, name: str) -> None:
        """Undo `make_room`, if no other console took the name."""
        self._consoles.pop(console.name, None)
        console.on_news()
        console.name = name
        self.put(console)

    def start(self, name: str, source: Source, *, goes_on: bool = False) -> Console:
        """Return a live console with a new journal, or that of an ended console of this name.

        A source that `goes_on` reports missing bytes itself.
        """
        old = self._consoles.get(name)
        if old is not None and old in self._records:
            record, journal = self._records.pop(old)
            record.about.pop("ended", None)
            if not goes_on:
                journal.skip(1)  # a gap: the output of the meantime is unknown
        else:
            about = {
                "name": name,
                "kind": source.kind,
                "title": source.title,
                "epoch": secrets.token_hex(6),
                "started": to_iso(now()),
            }
            record, journal = self._archive.create(about)
        output = metrics.CONSOLE_BYTES.labels(source.kind)

        def on_output(data: bytes) -> None:
            journal.append(data)
            self._archive.poke(journal.backlog)
            output.inc(len(data))
            if journal.congested:
                _pause(source, journal)

        def on_size(rows: int, cols: int) -> None:
            journal.note_size(rows, cols)
            self._archive.poke()

        console = Console(
            name,
            source.kind,
            journal,
            source,
            title=source.title,
            started=read_iso(record.about["started"]),
            on_output=on_output,
            on_gap=journal.skip,
            on_size=on_size,
            on_ended=self._on_ended,
            last_line=old.last_line if old is not None else "",
        )
        self._records[console] = (record, journal)
        self.put(console)
        return console

    def retitle(self, console: Console, title: str) -> None:
        """Set the title, once the source knows it."""
        console.title = title
        self._records[console][0].about["title"] = title

    def has_ended(self, console: Console) -> bool:
        """Tell whether the terminal or kernel has ended, and not only its source."""
        return console in self._records and "exit" in self._records[console][0].about

    def end(self, console: Console, how: Exit | None) -> None:
        """Record the end and `how` it came; None if only the source was closed."""
        record, journal = self._records[console]
        record.about["ended"] = to_iso(now())
        record.about["last_line"] = console.last_line
        if console.is_for_one_run:
            record.about["for_one_run"] = True
        if how is not None:
            record.about["exit"] = {"code": how.code, "signal": how.signal}
        self._archive.end(record, journal)

    def forget(self, console: Console) -> None:
        """Remove a console, and delete its journal."""
        if self._consoles.get(console.name) is console:
            del self._consoles[console.name]
            self._on_news(console.name, console.kind)
        removed = self._records.pop(console, None)
        if removed is not None and not removed[0].deleted:
            self._archive.forget(*removed)

    def stop(self) -> None:
        """Write every journal; blocks for the disk."""
        self._archive.stop()


def _pause(source: Source, journal: Journal) -> None:
    """Pause the producer until the disk has caught up."""

    def relieve() -> None:
        if journal.congested:
            loop.call_later(RELIEF_SECONDS, relieve)
        else:
            source.resume()

    loop = asyncio.get_running_loop()
    source.pause()
    loop.call_later(RELIEF_SECONDS, relieve)
