"""ConsoleRegistry: every console by name, live consoles and ended ones with a journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

from msgspec.structs import asdict

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.single_flight import SingleFlight
from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.aio.throttle import Throttle
from jupyter_bridge.consoles.connection_consoles import ConnectionConsoles
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.archive import Archive
from jupyter_bridge.consoles.listing import shown_models, shown_state
from jupyter_bridge.consoles.sources.file import FileSource
from jupyter_bridge.consoles.sources.kernel import KernelSource
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.consoles.store import ConsoleStore
from jupyter_bridge.consoles.terminals.manager import attach
from jupyter_bridge.consoles.terminals.shell_folder import ShellFolder
from jupyter_bridge.consoles.terminals.spawn import check_name, spawn
from jupyter_bridge.consoles.unused import LINGER, Unused
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.models.consoles import ConsoleModel, TerminalOptions
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Busy, NotFound, Problem, Timeout, Unavailable, Unsupported
from jupyter_bridge.wire.names import ConsoleName

Provider = Callable[[str], Awaitable[Source]]

# How long a terminal's processes may take to end before the request fails, seconds.
END_SECONDS = 10.0
# At most one event per console in this time, seconds: people do not read lists faster.
TELL_SECONDS = 1.0
# The most open consoles of all connections: each is a socket here and there.
MAX_REMOTE = 500
# How much earlier output a remote source is given, to resume from there, bytes.
RECALL_BYTES = 256 << 10

Permit = Callable[[Console], Awaitable[None]]
"""`permit(console)` raises if the user may not do the action to this console."""


async def anybody(console: Console) -> None:
    """A Permit that allows everything."""


class NoConsole(NotFound):
    """No console has this name."""


class ConsoleRegistry:
    """Finds consoles (`get`), opens them by name (`open`) and creates terminals (`create`).

    `kernels(id)` returns a kernel's Source, `remotes` has those of connections, and `manager()` is
    the host's terminal manager, or None if terminals are off. `on_state(name, kind, state)` is
    called, at a limited rate, when a console appears, has output or new viewers, ends, or is gone.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        root_dir: Path,
        manager: Callable[[], Any] = lambda: None,
        kernels: Provider | None = None,
        remotes: ConnectionConsoles | None = None,
        allow_hidden: bool = False,
        on_ended: Callable[[Console], None] = lambda console: None,
        on_state: Callable[[str, str, str], None] = lambda name, kind, state: None,
        linger: float = LINGER,
    ) -> None:
        self._store = ConsoleStore(archive, on_ended=self._on_ended, on_news=self._on_news)
        self._throttle = Throttle(self._report_state, TELL_SECONDS)
        self._on_state = on_state
        self._quiet = False
        self._root_dir = root_dir
        self.shells = ShellFolder()
        self._manager = manager
        self._kernels = kernels
        self._remotes = remotes
        if remotes is not None:
            remotes.on_gone = self.leave
            remotes.on_news = lambda name: self._on_news(name, "remote")
        self._allow_hidden = allow_hidden
        self._ended_hook = on_ended
        self._openings: SingleFlight[Console] = SingleFlight()
        self._tasks = TaskSet()
        self._unused = Unused(self._close, linger)
        # Consoles whose source was closed here while the remote terminal or kernel runs on.
        self._left: WeakSet[Console] = WeakSet()
        metrics.CONSOLES.set_function(lambda: sum(one.state == "live" for one in self._store))
        metrics.CONSOLE_VIEWERS.set_function(lambda: sum(len(one.viewers) for one in self._store))

    def load(self) -> None:
        """Load the journals of earlier servers; reads the disk, before the loop runs."""
        self._quiet = True
        self._store.load()
        self._quiet = False

    def _on_news(self, name: str, kind: str) -> None:
        if not self._quiet:
            self._throttle.note(name, kind)

    def _report_state(self, name: str, kind: str) -> None:
        """Report the present state of a console."""
        state = shown_state(name, kind, self._store.find(name), self._remotes)
        self._on_state(name, kind, state)

    def __iter__(self) -> Iterator[Console]:
        return iter(self._store)

    def attach(self) -> None:
        """Record the terminals of a manager that `terminals.adopt` could not subclass."""
        manager = self._manager()
        if manager is not None:
            attach(manager, self.record)

    def models(self, connection: str | None = None) -> list[ConsoleModel]:
        """Return every console as lists show it, unopened ones of connections included."""
        shown = shown_models(self, self._remotes, connection)
        if self._remotes is not None:
            self._remotes.refresh()
        return shown

    async def ask(self, connection: str) -> list[ConsoleModel]:
        """Ask one connection for its consoles; return them."""
        if self._remotes is None:
            raise NotFound(f"No such connection: {connection}")
        await self._remotes.ask(connection)
        return self.models(connection)

    def get(self, name: str) -> Console:
        """Return the console of this name, live or ended; raises NotFound."""
        console = self._store.find(name)
        if console is None:
            raise NoConsole(f"No console named {name!r}.")
        return console

    def kinds_of(self, name: str) -> list[str]:
        """Return the kinds that the console of this name may have once it is opened.

        A live console has its own kind, whatever its name. Otherwise the name tells the kind to
        open; if opening fails, the ended console of this name is shown.
        """
        console, called = self._store.find(name), ConsoleName.parse(name).kind
        if console is None:
            return [called]
        if console.state == "live" or called == "terminal":
            return [console.kind]
        return list(dict.fromkeys((console.kind, called)))

    async def open(self, name: str, *, to_write: bool = False, wait: bool = False) -> Console:
        """Like `get`, but opens `kernel:`, `file:` and `<connection>:<node>` by name.

        Returns the ended console of this name if its target is gone or, unless `to_write`, if the
        connection fails. With `wait`, a file need not be there yet.
        """
        console, called = self._store.find(name), ConsoleName.parse(name)
        if called.kind == "terminal" or (console is not None and console.state == "live"):
            found = await self._unused.claimed(self.get(name))
            if not wait and found.source is not None and found.source.is_missing:
                raise NotFound(f"There is no file {called.rest!r} yet.")
            return found
        if wait and called.kind == "file":
            return await self._openings.join(f"wait:{name}", lambda: self._open_file(called, True))
        try:
            return await self._openings.join(name, lambda: self._open(called))
        except Problem as problem:
            gone = isinstance(problem, NotFound)
            if console is not None and (gone or (called.connection and not to_write)):
                return self.get(name)
            raise

    async def _open(self, called: ConsoleName) -> Console:
        name = str(called)
        if called.kind == "file":
            return await self._open_file(called)
        if called.kind == "kernel" and self._kernels is not None:
            source = await self._kernels(called.rest)
            self._displace(name, source.kind)
            console = self._store.start(name, source)
            await self._open_or_forget(console)
            return self._claim(console)
        if called.connection is not None and self._remotes is not None:
            return await self._open_remote(called, self._remotes)
        raise NoConsole(f"No console named {name!r}.")

    async def _open_file(self, called: ConsoleName, wait: bool = False) -> Console:
        name, root, hidden = str(called), self._root_dir, self._allow_hidden
        file = await FileSource.find(root, called.rest, allow_hidden=hidden, wait=wait)
        found = self._store.find(name)
        if found is not None and found.kind == "file" and found.state == "live":
            await file.close()  # opened meanwhile by another request
            return await self._unused.claimed(found)
        await self._unused.make_room(file)
        self._displace(name, "file")
        console = Console(name, "file", file.log, file, on_ended=self._store.forget)
        self._store.put(console)
        await console.open()
        return self._claim(console)

    def _claim(self, console: Console) -> Console:
        """Keep the console open only while it has viewers; a request will look at it."""
        console.on_viewers = lambda: self._unused.note(console)
        self._unused.claim(console)
        return console

    async def _open_or_forget(self, console: Console) -> None:
        """Open the console; forget it if that fails and it has no output."""
        try:
            await console.open()
        except BaseException:
            if console.first_offset == console.end_offset:
                self._store.forget(console)
            raise

    def _displace(self, name: str, kind: str) -> None:
        """Rename an old console of this name if it is of another kind.

        A terminal may be called `kernel:…` or `file:…`, and a user who may read one kind may not
        read the other.
        """
        old = self._store.find(name)
        if old is not None and old.kind != kind:
            self._store.make_room(name)

    async def _open_remote(self, called: ConsoleName, remotes: ConnectionConsoles) -> Console:
        """Open a console of a connection. It stays open, and its old journal is continued."""
        name, source = str(called), await remotes.source(called)
        self._displace(name, source.kind)
        old = self._store.find(name)
        # The old terminal itself has ended: a live one of this name is a different one.
        is_new = old is not None and self._store.has_ended(old)
        if is_new:
            await remotes.check(called)
            self._store.make_room(name)
        elif old is not None:
            source.recall(await asyncio.to_thread(old.newest, RECALL_BYTES))
        try:
            if sum(one.kind == "remote" and one.state == "live" for one in self) >= MAX_REMOTE:
                raise Busy(f"{MAX_REMOTE} consoles of connections are open. End some of them.")
            console = self._store.start(name, source, goes_on=True)
            await self._open_or_forget(console)
        except BaseException:
            if is_new and old is not None and self._store.find(name) is None:
                self._store.give_back(old, name)
            raise
        self._store.retitle(console, source.title)
        return console

    def leave(self, connection: str) -> None:
        """Close every console of a disconnected connection; each can be opened again."""
        for console in self._store:
            source = console.source
            is_its = isinstance(source, RemoteSource) and source.connection.name == connection
            if is_its and console.state == "live":
                self._close(console)

    def record(self, name: str, source: Source) -> Console:
        """Record a terminal from now on; an old console of this name is renamed."""
        self._store.make_room(name)
        console = self._store.start(name, source)
        self._tasks.start(console.open())
        return console

    def _on_ended(self, console: Console) -> None:
        is_over = console not in self._left
        self._store.end(console, (console.exit or Exit()) if is_over else None)
        if isinstance(console.source, (KernelSource, RemoteSource)) and is_over:  # it may go on
            self._tasks.start(console.source.close())
        self._ended_hook(console)

    def _close(self, console: Console) -> None:
        """Close a live console's source here; the terminal or kernel itself runs on."""
        assert console.source is not None, "it was live"
        self._tasks.start(console.source.close())
        self._left.add(console)
        console.on_end(Exit())

    # -- terminals -----------------------------------------------------------------------------

    async def create(self, options: TerminalOptions) -> Console:
        """Create a terminal in the host's terminal manager.

        `cwd` may be relative to the server's root. Conflict if a live console has this name.
        """
        manager = self._manager()
        if manager is None:
            raise Unsupported("This server runs without terminals.")
        live = {console.name for console in self if console.state == "live"}
        return await spawn(manager, options, root_dir=self._root_dir, taken=live)

    async def rename(self, name: str, new: str, *, permit: Permit = anybody) -> Console:
        """Rename a terminal, here only. Conflict if a live console has the new name."""
        console = self.get(name)
        await permit(console)
        if console.kind != "terminal":
            raise Unsupported("Only terminals of this server can be renamed.")
        check_name(new)
        self._store.rename(console, new)
        return console

    async def end(self, name: str, *, purge: bool = False, permit: Permit = anybody) -> None:
        """End a terminal and wait for its exit; `purge` deletes its journal."""
        is_remote = ConsoleName.parse(name).connection and self._remotes is not None
        console = await self.open(name) if is_remote else self.get(name)
        await permit(console)
        if console.state == "live" and console.source is not None:
            await console.source.end()
            try:
                await within(END_SECONDS, console.ended())
            except asyncio.TimeoutError:
                raise Timeout(f"Console {name!r} did not end within {END_SECONDS:g} s.") from None
        if purge:
            self._store.forget(console)

    def forget(self, console: Console) -> None:
        """Remove an ended console and delete its journal; twice is fine."""
        self._store.forget(console)

    async def create_remote(self, connection: str, options: TerminalOptions) -> Console:
        """Create and open a console of a connection."""
        if self._remotes is None:
            raise NotFound(f"No such connection: {connection}")
        how = {name: value for name, value in asdict(options).items() if value}
        return await self.open(await self._remotes.create(connection, **how))

    async def close(self) -> None:
        """Close every source and write every journal; the host ends its terminals itself."""
        self._unused.stop()
        self._ended_hook = lambda console: None
        self._quiet = True
        await self._openings.stop(Unavailable("The server is stopping."))
        await self._tasks.stop()
        self._throttle.close()
        for console in self._store:
            if console.source is not None and console.state == "live":
                if isinstance(console.source, RemoteSource):
                    self._left.add(console)
                console.on_end(Exit())
                await console.source.close()
        await asyncio.to_thread(self._store.stop)
        self.shells.close()
