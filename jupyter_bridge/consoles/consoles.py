"""Consoles: every console by name, live ones and those whose journal is still kept."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_bridge import observe
from jupyter_bridge.consoles.archive import Archive, Record
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal import Journal
from jupyter_bridge.consoles.sources.file import FileSource
from jupyter_bridge.consoles.spawn import Wish, spawn
from jupyter_bridge.consoles.terminals import attach
from jupyter_bridge.problems import NotFound, Timeout, Unsupported
from jupyter_bridge.seams import Exit, Source
from jupyter_bridge.wire.times import from_iso, now, to_iso

Provider = Callable[[str], Awaitable[Source]]

# A console that was opened by name and that nobody looks at any more is closed after this; seconds.
LINGER = 60.0
# A terminal's processes may take so long to end before somebody hears that they do not; seconds.
END_SECONDS = 10.0
# Unwritten bytes are looked at this often while a producer is paused; seconds.
RELIEF_SECONDS = 0.01


class Consoles:
    """The collection. `get` what exists, `open` what can be opened by name, `create` terminals.

    `kernels(id)` and `remotes(connection, node)` give Sources; `manager()` is the host's terminal
    manager, or None where terminals are switched off.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        root_dir: Path,
        manager: Callable[[], Any] = lambda: None,
        kernels: Provider | None = None,
        remotes: Callable[[str, str], Awaitable[Source]] | None = None,
        allow_hidden: bool = False,
        on_ended: Callable[[Console], None] = lambda console: None,
        linger: float = LINGER,
    ) -> None:
        self._archive = archive
        self._root_dir = root_dir
        self._manager = manager
        self._kernels = kernels
        self._remotes = remotes
        self._allow_hidden = allow_hidden
        self._ended_hook = on_ended
        self._linger = linger
        self._consoles: dict[str, Console] = {}
        self._kept: dict[Console, tuple[Record, Journal]] = {}
        self._opening: dict[str, asyncio.Task[Console]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[Console, asyncio.TimerHandle] = {}
        observe.CONSOLES.set_function(
            lambda: sum(console.state == "live" for console in self._consoles.values())
        )
        observe.CONSOLE_VIEWERS.set_function(
            lambda: sum(len(console.viewers) for console in self._consoles.values())
        )

    def load(self) -> None:
        """Take in the journals that earlier servers left; reads the disk, before the loop runs."""
        for record, journal in self._archive.load():
            about = record.about
            if journal.first_offset == journal.end_offset:
                self._archive.forget(record, journal)
                continue
            how = about.get("exit") or {}
            console = Console(
                str(about["name"]),
                str(about.get("kind", "terminal")),
                journal,
                None,
                title=str(about.get("title", "")),
                started=_parsed(about["started"]),
                exit=Exit(how.get("code"), how.get("signal")),
            )
            console.last_activity = _parsed(about["ended"]) or console.started
            self._kept[console] = (record, journal)
            self._make_room(console.name)
            self._put(console)

    def attach(self) -> None:
        """Record also the terminals of a manager that `terminals.adopt` could not make its own."""
        manager = self._manager()
        if manager is not None:
            attach(manager, self.record)

    def __iter__(self) -> Iterator[Console]:
        for console, (record, _) in list(self._kept.items()):
            if record.deleted:
                self._forget(console)
        return iter(list(self._consoles.values()))

    def get(self, name: str) -> Console:
        """The console of this name, live or ended; raises NotFound."""
        console = self._consoles.get(name)
        if console is None:
            raise NotFound(
                f"There is no console {name!r}.", consoles=[console.name for console in self]
            )
        return console

    async def open(self, name: str) -> Console:
        """Like `get`, but also opens `kernel:`, `file:` and `<connection>:<node>` by their name."""
        console = self._consoles.get(name)
        if ":" not in name or (console is not None and console.state == "live"):
            return self.get(name)
        opening = self._opening.get(name)
        if opening is None:
            # In no request's context: the console outlives the one that opens it.
            opening = contextvars.Context().run(asyncio.ensure_future, self._open(name))
            self._opening[name] = opening
            opening.add_done_callback(lambda done: self._opening.pop(name, None))
        try:
            return await asyncio.shield(opening)
        except NotFound:
            return self.get(name) if console is not None else await asyncio.shield(opening)

    async def _open(self, name: str) -> Console:
        kind, _, rest = name.partition(":")
        if kind == "file":
            file = await FileSource.find(self._root_dir, rest, allow_hidden=self._allow_hidden)
            console = Console(name, "file", file.log, file, on_ended=self._on_file_ended)
            self._put(console)
            await console.open()
            self._watch_seats(console)
            return console
        if kind == "kernel" and self._kernels is not None:
            source = await self._kernels(rest)
        elif kind != "kernel" and self._remotes is not None:
            source = await self._remotes(kind, rest)
        else:
            raise NotFound(f"There is no console {name!r}.")
        console = self._start(name, source)
        try:
            await console.open()
        except BaseException:
            if console.first_offset == console.end_offset:
                self._forget(console)
            raise
        self._watch_seats(console)
        return console

    def record(self, name: str, source: Source) -> None:
        """Keep what a terminal says from now on; a name that was used before begins anew."""
        self._make_room(name)
        console = self._start(name, source)
        task = asyncio.ensure_future(console.open())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _start(self, name: str, source: Source) -> Console:
        """A live console with a journal: a new one, or that of a console which goes on."""
        old = self._consoles.get(name)
        if old is not None and old in self._kept:
            record, journal = self._kept.pop(old)
            record.about.pop("ended", None)
            journal.skip(1)  # nobody knows what it said meanwhile
        else:
            about = {
                "name": name,
                "kind": source.kind,
                "title": source.title,
                "epoch": secrets.token_hex(6),
                "started": to_iso(now()),
            }
            record, journal = self._archive.create(about)
        output = observe.CONSOLE_BYTES.labels(source.kind)

        def on_output(data: bytes) -> None:
            journal.append(data)
            self._archive.poke(journal.backlog)
            output.inc(len(data))
            if journal.congested:
                self._pause(source, journal)

        console = Console(
            name,
            source.kind,
            journal,
            source,
            title=source.title,
            started=_parsed(record.about["started"]),
            on_output=on_output,
            on_gap=journal.skip,
            on_ended=self._on_ended,
        )
        self._kept[console] = (record, journal)
        self._put(console)
        return console

    def _pause(self, source: Source, journal: Journal) -> None:
        """The disk is behind: stop the producer until it has caught up."""

        def relieve() -> None:
            if journal.congested:
                loop.call_later(RELIEF_SECONDS, relieve)
            else:
                source.resume()

        loop = asyncio.get_running_loop()
        source.pause()
        loop.call_later(RELIEF_SECONDS, relieve)

    def _put(self, console: Console) -> None:
        self._consoles[console.name] = console

    def _make_room(self, name: str) -> None:
        """A console whose name is taken over is kept under its name and epoch."""
        old = self._consoles.pop(name, None)
        if old is not None:
            old.name = f"{name}~{old.epoch}"
            self._consoles[old.name] = old

    def _on_ended(self, console: Console) -> None:
        record, journal = self._kept[console]
        how = console.exit or Exit()
        record.about |= {"ended": to_iso(now()), "exit": {"code": how.code, "signal": how.signal}}
        self._archive.end(record, journal)
        self._ended_hook(console)

    def _on_file_ended(self, console: Console) -> None:
        self._forget(console)

    def _forget(self, console: Console) -> None:
        if self._consoles.get(console.name) is console:
            del self._consoles[console.name]
        kept = self._kept.pop(console, None)
        if kept is not None and not kept[0].deleted:
            self._archive.forget(*kept)

    # Consoles that are open only while somebody looks

    def _watch_seats(self, console: Console) -> None:
        console.on_seats = lambda: self._seats_changed(console)
        self._seats_changed(console)

    def _seats_changed(self, console: Console) -> None:
        timer = self._timers.pop(console, None)
        if timer is not None:
            timer.cancel()
        if not console.viewers and console.state == "live":
            loop = asyncio.get_running_loop()
            self._timers[console] = loop.call_later(self._linger, self._let_go, console)

    def _let_go(self, console: Console) -> None:
        self._timers.pop(console, None)
        if not console.viewers and console.source is not None:
            task = asyncio.ensure_future(console.source.close())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            console.on_end(Exit())

    # Terminals

    async def create(
        self,
        name: str | None = None,
        *,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        shell_command: Sequence[str] | None = None,
        rows: int | None = None,
        cols: int | None = None,
    ) -> Console:
        """A new terminal in the host's terminal manager; a live console of that name is a Conflict.

        `cwd` may be relative to the server's root. `console.source` is a TerminalSource.
        """
        manager = self._manager()
        if manager is None:
            raise Unsupported("This server runs without terminals.")
        live = {console.name for console in self if console.state == "live"}
        wish = Wish(name, cwd, env, shell_command, rows, cols)
        return self.get(await spawn(manager, wish, root_dir=self._root_dir, taken=live))

    async def end(self, name: str, *, purge: bool = False) -> None:
        """End a terminal and wait for its exit; its journal stays unless `purge`."""
        console = self.get(name)
        if console.state == "live" and console.source is not None:
            await console.source.end()
            try:
                await asyncio.wait_for(console.ended(), END_SECONDS)
            except asyncio.TimeoutError:
                raise Timeout(f"Console {name!r} has not ended within {END_SECONDS:g} s.") from None
        if purge:
            self._forget(console)

    async def stop(self) -> None:
        """Close every source and write every journal; the terminals themselves are the host's."""
        for timer in self._timers.values():
            timer.cancel()
        for task in [*self._opening.values(), *self._tasks]:
            task.cancel()
        self._ended_hook = lambda console: None
        for console in list(self._consoles.values()):
            if console.source is not None and console.state == "live":
                console.on_end(Exit())
                await console.source.close()
        await asyncio.to_thread(self._archive.stop)


def _parsed(text: Any) -> datetime.datetime | None:
    try:
        return from_iso(str(text))
    except ValueError:
        return None
