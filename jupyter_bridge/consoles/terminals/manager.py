"""How every host terminal gets recorded from its first byte, whoever opened it.

`recorded(cls, record)` subclasses the host's terminal manager (or the one the site has chosen), to
be given to the host's own trait `TerminalsExtensionApp.terminal_manager_class`. Such a manager

    reads bytes, not text, so that output which is not UTF-8 is kept exactly;
    reads as much as is there in one turn of the loop, and gives it to the host's clients as before;
    keeps one client's failure from costing another its chunk;
    gives each terminal an input lane of its own, so that a stalled one holds up no other;
    waits for a terminal's process without stopping the loop, and knows its exit status.

`attach(manager, record)` is for a manager that is there already: terminals are then recorded from
where they are, as text. One whose beginning is gone begins with a gap.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
from collections.abc import Callable
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

# What hears of each new terminal; returns its Console, which the terminal then has as
# `bridge_console`.
Record = Callable[[str, TerminalSource], Any]

# Read in one turn of the loop at most, so that a fast terminal leaves the others theirs.
TURN_BYTES = 64 * 1024
# The host replays its last 1,000 chunks to a new client; they stay as small as they were.
HOST_CHUNK = 4096
# A process ends some time after its pty did; as long as the host's own 0.1 s, then it is made to.
REAP_PAUSES = (0.0, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06)

_log = logging.getLogger(__name__)


class RecordedTerminals(TerminalManager):
    """The host's terminal manager, with a record of everything. Made by `recorded`."""

    bridge_record: Record = staticmethod(lambda name, source: None)

    def __init__(self, **kwargs: Any) -> None:
        self.bridge_lanes = InputWorkers()
        kwargs.setdefault("blocking_io_executor", self.bridge_lanes)
        super().__init__(**kwargs)
        self._sources: dict[Any, TerminalSource] = {}
        self._reaping = TaskSet()

    def new_terminal(self, **kwargs: Any) -> Any:
        """As the host's; `bridge_spawned` is a terminal that was spawned off the loop already."""
        spawned = kwargs.pop("bridge_spawned", None)
        return spawned if spawned is not None else super().new_terminal(**kwargs)

    def start_reading(self, ptywclients: Any) -> None:
        """Record the terminal, then read it."""
        source = TerminalSource(ptywclients, self.bridge_lanes.lane(ptywclients))
        ptywclients.ptyproc.write = source.type_text
        fd = ptywclients.ptyproc.fd

        def reading(on: bool) -> None:
            loop = IOLoop.current()
            loop.remove_handler(fd)
            if on and self.ptys_by_fd.get(fd) is ptywclients:
                loop.add_handler(fd, self.pty_read, loop.READ)

        source.can_pause(reading)
        self._sources[ptywclients] = source
        try:
            ptywclients.bridge_console = self.bridge_record(ptywclients.term_name, source)
        except Exception:
            _log.exception("Terminal %s cannot be recorded", ptywclients.term_name)
        super().start_reading(ptywclients)

    def pty_read(self, fd: int, events: Any = None) -> None:
        """What the pty has said, to the record first, then to the host's clients."""
        terminal = self.ptys_by_fd.get(fd)
        if terminal is None:
            return
        data, ended = _read_ready(fd)
        if data:
            self.pre_pty_read_hook(terminal)
            self._sources[terminal].feed(data)
            text = terminal.ptyproc.decoder.decode(data, final=False)
            if text:
                _tell(terminal, text)
        if ended:
            IOLoop.current().remove_handler(fd)
            self._reaping.start(self._reap(terminal))

    async def _reap(self, terminal: Any) -> None:
        process = terminal.ptyproc
        for pause in REAP_PAUSES:
            if not _is_alive(process):
                break
            await asyncio.sleep(pause)
        else:
            await terminal.terminate(force=True)
        process.delayafterclose = 0  # it is dead: there is nothing to wait for
        name = terminal.term_name
        namesake = self.terminals.get(name)
        try:
            self.on_eof(terminal)
        except Exception:
            _log.exception("Terminal %s did not close", name)
        if namesake is not None and namesake is not terminal:
            self.terminals[name] = namesake  # the host forgets by name, not by terminal
        self._sources.pop(terminal).ended(exit_of(process))
        for client in list(terminal.clients):
            try:
                client.on_pty_died()
            except Exception:  # noqa: PERF203 - one client's failure is its own
                _log.exception("A client of terminal %s failed", name)


def _tell(terminal: Any, text: str) -> None:
    for start in range(0, len(text), HOST_CHUNK):
        terminal.read_buffer.append(text[start : start + HOST_CHUNK])
    for client in list(terminal.clients):
        try:
            client.on_pty_read(text)
        except Exception:  # noqa: PERF203 - one client's failure is its own
            _log.exception("A client of terminal %s failed", terminal.term_name)


def _read_ready(fd: int) -> tuple[bytes, bool]:
    """What can be read without waiting, at most a turn's worth, and whether that was the last."""
    poller = select.poll()
    poller.register(fd, select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR)
    parts: list[bytes] = []
    size = 0
    while size < TURN_BYTES and poller.poll(0):
        try:
            part = os.read(fd, TURN_BYTES)
        except BlockingIOError:
            break
        except OSError:  # Linux says EIO where other systems say end of file
            part = b""
        if not part:
            return b"".join(parts), True
        parts.append(part)
        size += len(part)
    return b"".join(parts), False


def _is_alive(process: Any) -> bool:
    try:
        return bool(process.isalive())
    except Exception:  # somebody else has waited for it; then nobody knows its status
        return False


def recorded(base: type, record: Record) -> type | None:
    """A subclass of the manager class `base` that records; None when `base` reads its own way."""
    if not issubclass(base, TerminalManager) or base.pty_read is not TermManagerBase.pty_read:
        return None
    bases = (RecordedTerminals,) if base is TerminalManager else (RecordedTerminals, base)
    body = {"bridge_record": staticmethod(record), "__doc__": base.__doc__}
    return new_class(base.__name__, bases, exec_body=lambda namespace: namespace.update(body))


def adopt(server: Any, record: Record) -> bool:
    """Have the host make its terminals with `recorded`; to be called while extensions are linked.

    False when its manager class cannot be subclassed so; `attach` it when it is there.
    """
    base: Any = server.config.TerminalsExtensionApp.get("terminal_manager_class", TerminalManager)
    if isinstance(base, str):
        module, _, name = base.rpartition(".")
        base = getattr(__import__(module, fromlist=[name]), name)
    chosen = recorded(base, record)
    if chosen is None:
        return False
    server.update_config(Config({"TerminalsExtensionApp": {"terminal_manager_class": chosen}}))
    return True


class TerminalClient:
    """A client of a host terminal that passes its text on as bytes; for managers read elsewhere."""

    size = (None, None)

    def __init__(self, terminal: Any, source: TerminalSource) -> None:
        self._terminal = terminal
        self._source = source

    def on_pty_read(self, text: str) -> None:
        """The terminal said this."""
        self._source.feed(text.encode())

    def on_pty_died(self) -> None:
        """The terminal is gone."""
        process = self._terminal.ptyproc
        self._source.ended(exit_of(process) if not _is_alive(process) else Exit())


class _Terminals(dict[str, Any]):
    """The manager's table of terminals; each that is put in gets a Listener."""

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
                source.missed(1)  # the host has let go of the beginning; nobody knows how much
            for text in held:
                source.feed(text.encode())
            terminal.clients.insert(0, TerminalClient(terminal, source))
            terminal.bridge_console = self._record(name, source)
        super().__setitem__(name, terminal)


def attach(manager: Any, record: Record) -> None:
    """Record a manager's terminals as one more client of each; what it had before is lost."""
    if not isinstance(manager, RecordedTerminals) and not isinstance(manager.terminals, _Terminals):
        manager.terminals = _Terminals(manager.terminals, record)
