"""Record every terminal of the host from its first byte, whichever client opened it.

`recorded(cls, record, prepare)` subclasses the host's terminal manager, or the site's own, for the
host's trait `TerminalsExtensionApp.terminal_manager_class`. Such a manager

    reads bytes, not text, so that output that is not UTF-8 is kept exactly;
    reads all that is available in one turn of the loop, and gives it to the host's clients;
    sends a chunk to every client although one of them fails;
    gives each terminal an input worker of its own, so that a stalled terminal delays no other;
    starts shells so that they tell when they are at their prompt (`wire/shell/startup.py`);
    waits for a terminal's process without stopping the loop, and knows its exit status.

`attach(manager, record)` is for a manager that exists already: its terminals are recorded from
now on, as text. A recording without its beginning starts with a gap.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
from collections.abc import Callable, Mapping, Sequence
from types import new_class
from typing import Any

from jupyter_server_terminals.terminalmanager import TerminalManager
from terminado.management import TermManagerBase
from tornado.ioloop import IOLoop
from traitlets.config import Config

from jupyter_bridge.aio.serial_worker import InputWorkers, SerialWorker
from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.consoles.sources.terminal import TerminalSource, exit_of
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.wire.shell.startup import KnownShell

# Called with the name and source of each new terminal; returns its Console, which becomes the
# terminal's `bridge_console`.
Record = Callable[[str, TerminalSource], Any]
# Called with a terminal's arguments and environment; returns how to start its shell so that its
# prompt is known, or None.
Prepare = Callable[[Sequence[str], Mapping[str, str]], KnownShell | None]

# The most bytes read in one turn of the loop, so that a fast terminal does not delay the others.
TURN_BYTES = 64 * 1024
# The host replays its last 1,000 chunks to a new client; this is the size it expects.
HOST_CHUNK = 4096
# A process ends some time after its pty. After 0.1 s in all, as in the host, it is killed.
REAP_PAUSES = (0.0, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06)

_log = logging.getLogger(__name__)


class RecordedTerminals(TerminalManager):
    """The host's terminal manager, which also records; see `recorded`."""

    bridge_record: Record = staticmethod(lambda name, source: None)
    bridge_prepare: Prepare = staticmethod(lambda argv, env: None)

    def __init__(self, **kwargs: Any) -> None:
        self.bridge_workers = InputWorkers()
        kwargs.setdefault("blocking_io_executor", self.bridge_workers)
        super().__init__(**kwargs)
        self._sources: dict[Any, TerminalSource] = {}
        self._ending: set[Any] = set()
        self._reaping = TaskSet()

    def new_terminal(self, **kwargs: Any) -> Any:
        """Like the host's; `bridge_spawned` is a terminal that was spawned already."""
        spawned = kwargs.pop("bridge_spawned", None)
        if spawned is not None:
            return spawned
        options = {**self.term_settings, "shell_command": self.shell_command, **kwargs}
        argv = options["shell_command"]
        shell = self.bridge_prepare(argv, self.make_term_env(**options))
        if shell is not None:
            kwargs["shell_command"] = shell.start.argv
            kwargs["extra_env"] = {**(kwargs.get("extra_env") or {}), **shell.start.env}
        terminal: Any = super().new_terminal(**kwargs)
        terminal.bridge_shell, terminal.bridge_argv = shell, argv
        return terminal

    def start_reading(self, ptywclients: Any) -> None:
        """Record the terminal, then read it."""
        source = TerminalSource(ptywclients, self.bridge_workers.worker(ptywclients))
        ptywclients.ptyproc.write = source.type_text
        fd = ptywclients.ptyproc.fd

        def reading(on: bool) -> None:
            loop = IOLoop.current()
            loop.remove_handler(fd)
            if on and self.ptys_by_fd.get(fd) is ptywclients:
                loop.add_handler(fd, self.pty_read, loop.READ)

        source.can_pause(reading)
        source.can_close(lambda: self._close(ptywclients))
        self._sources[ptywclients] = source
        try:
            ptywclients.bridge_console = self.bridge_record(ptywclients.term_name, source)
        except Exception:
            _log.exception("Terminal %s cannot be recorded", ptywclients.term_name)
        super().start_reading(ptywclients)

    def pty_read(self, fd: int, events: Any = None) -> None:
        """Read the pty; pass its output to the record, then to the host's clients."""
        terminal = self.ptys_by_fd.get(fd)
        if terminal is None:
            return
        data, ended = _read_ready(fd)
        if data:
            self.pre_pty_read_hook(terminal)
            self._sources[terminal].feed(data)
            text = terminal.ptyproc.decoder.decode(data, final=False)
            if text:
                _send_to_clients(terminal, text)
        if ended:
            self._end(terminal)

    def _close(self, terminal: Any) -> None:
        """Read what is left, and close the pty although others may have it open."""
        fd = terminal.ptyproc.fd
        if self.ptys_by_fd.get(fd) is terminal:
            self.pty_read(fd)
            self._end(terminal)

    def _end(self, terminal: Any) -> None:
        if terminal in self._sources and terminal not in self._ending:
            self._ending.add(terminal)
            IOLoop.current().remove_handler(terminal.ptyproc.fd)
            self._reaping.start(self._reap(terminal))

    async def _reap(self, terminal: Any) -> None:
        process = terminal.ptyproc
        for pause in REAP_PAUSES:
            if not _is_alive(process):
                break
            await asyncio.sleep(pause)
        else:
            await terminal.terminate(force=True)
        process.delayafterclose = 0  # it has ended: no need to wait
        name = terminal.term_name
        namesake = self.terminals.get(name)
        try:
            self.on_eof(terminal)
        except Exception:
            _log.exception("Terminal %s did not close", name)
        if namesake is not None and namesake is not terminal:
            self.terminals[name] = namesake  # the host forgets by name, not by terminal
        self._ending.discard(terminal)
        self._sources.pop(terminal).ended(exit_of(process))
        for client in list(terminal.clients):
            try:
                client.on_pty_died()
            except Exception:  # noqa: PERF203 - the other clients must still be told
                _log.exception("A client of terminal %s failed", name)


def _send_to_clients(terminal: Any, text: str) -> None:
    for start in range(0, len(text), HOST_CHUNK):
        terminal.read_buffer.append(text[start : start + HOST_CHUNK])
    for client in list(terminal.clients):
        try:
            client.on_pty_read(text)
        except Exception:  # noqa: PERF203 - the other clients must still be told
            _log.exception("A client of terminal %s failed", terminal.term_name)


def _read_ready(fd: int) -> tuple[bytes, bool]:
    """Return what can be read without waiting, about TURN_BYTES at most, and whether it ended."""
    poller = select.poll()
    poller.register(fd, select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR)
    parts: list[bytes] = []
    size = 0
    while size < TURN_BYTES and poller.poll(0):
        try:
            part = os.read(fd, TURN_BYTES)
        except BlockingIOError:
            break
        except OSError:  # Linux raises EIO at the end of a pty
            part = b""
        if not part:
            return b"".join(parts), True
        parts.append(part)
        size += len(part)
    return b"".join(parts), False


def _is_alive(process: Any) -> bool:
    try:
        return bool(process.isalive())
    except Exception:  # other code has waited for it: its status is lost
        return False


def recorded(base: type, record: Record, prepare: Prepare) -> type | None:
    """Return a subclass of `base` that records; None if `base` has its own `pty_read`."""
    if not issubclass(base, TerminalManager) or base.pty_read is not TermManagerBase.pty_read:
        return None
    bases = (RecordedTerminals,) if base is TerminalManager else (RecordedTerminals, base)
    body = {
        "bridge_record": staticmethod(record),
        "bridge_prepare": staticmethod(prepare),
        "__doc__": base.__doc__,
    }
    return new_class(base.__name__, bases, exec_body=lambda namespace: namespace.update(body))


def adopt(server: Any, record: Record, prepare: Prepare) -> bool:
    """Give the host a manager class made by `recorded`; call it while extensions are linked.

    Returns False if its manager class cannot be subclassed; then `attach` the manager later.
    """
    base: Any = server.config.TerminalsExtensionApp.get("terminal_manager_class", TerminalManager)
    if isinstance(base, str):
        module, _, name = base.rpartition(".")
        base = getattr(__import__(module, fromlist=[name]), name)
    chosen = recorded(base, record, prepare)
    if chosen is None:
        return False
    server.update_config(Config({"TerminalsExtensionApp": {"terminal_manager_class": chosen}}))
    return True


class TerminalClient:
    """A client of a host terminal that passes its text on as bytes; for `attach`."""

    size = (None, None)

    def __init__(self, terminal: Any, source: TerminalSource) -> None:
        self._terminal = terminal
        self._source = source

    def on_pty_read(self, text: str) -> None:
        """Pass on output of the terminal."""
        self._source.feed(text.encode())

    def on_pty_died(self) -> None:
        """Pass on the end of the terminal."""
        process = self._terminal.ptyproc
        self._source.ended(exit_of(process) if not _is_alive(process) else Exit())


class _Terminals(dict[str, Any]):
    """The manager's table of terminals; each new terminal gets a TerminalClient."""

    def __init__(self, terminals: dict[str, Any], record: Record) -> None:
        super().__init__()
        self._record = record
        for name, terminal in terminals.items():
            self[name] = terminal

    def __setitem__(self, name: str, terminal: Any) -> None:
        if self.get(name) is not terminal:
            source = TerminalSource(terminal, SerialWorker())
            held = terminal.read_buffer
            if len(held) == held.maxlen:
                source.missed(1)  # the host has discarded an unknown part of the beginning
            for text in held:
                source.feed(text.encode())
            terminal.clients.insert(0, TerminalClient(terminal, source))
            terminal.bridge_console = self._record(name, source)
        super().__setitem__(name, terminal)


def attach(manager: Any, record: Record) -> None:
    """Record a manager's terminals, as one more client of each."""
    if not isinstance(manager, RecordedTerminals) and not isinstance(manager.terminals, _Terminals):
        manager.terminals = _Terminals(manager.terminals, record)
