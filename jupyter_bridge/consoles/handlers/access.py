"""What the authorizer is asked for a console, decided by what the console is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.registry import ConsoleRegistry, NoConsole, Permit
from jupyter_bridge.models.consoles import ConsoleModel
from jupyter_bridge.web import RequestBase
from jupyter_bridge.wire.names import ConsoleName, KernelName

T = TypeVar("T", Console, ConsoleModel)

OWN = "bridge:consoles"
# What a console of each kind shows, and so what is asked beside the bridge's own resource.
_BESIDE = {
    "terminal": ("terminals",),
    "kernel": ("kernels",),
    "file": ("contents",),
    "remote": ("bridge:connections",),
}
_EVERYTHING = ("terminals", "kernels", "contents", "bridge:connections")


def resources_of(kind: str, name: str) -> tuple[str, ...]:
    """The resources of a console of this kind; a name alone tells nothing but a kernel's home.

    A kind that nobody knows, from a journal of another version, needs everything.
    """
    beside = _BESIDE.get(kind, _EVERYTHING)
    if kind == "kernel" and KernelName.parse(ConsoleName.parse(name).rest).connection:
        beside = (*beside, "bridge:connections")
    return (OWN, *beside)


class ConsoleDoor(RequestBase):
    """For handlers of consoles: find one, and ask for what it is."""

    consoles: ConsoleRegistry

    async def demand_named(self, name: str, *actions: str) -> None:
        """Ask for `actions` on whatever the name may turn out to mean; nothing is opened yet."""
        for kind in self.consoles.kinds_of(name):
            for action in actions:
                await self.demand(action, *resources_of(kind, name))

    async def demand_console(self, console: Console, *actions: str) -> None:
        """Ask for `actions` on this very console."""
        for action in actions:
            await self.demand(action, *resources_of(console.kind, console.name))

    def permit(self, action: str) -> Permit:
        """Ask for `action` on the console that is found in the end."""

        async def ask(console: Console) -> None:
            await self.demand_console(console, action)

        return ask

    async def open_console(self, name: str, action: str, *, to_write: bool = False) -> Console:
        """The console of this name, opened if need be; Denied unless the user may do `action`."""
        await self.demand_named(name, action)
        async with self.telling_names():
            console = await self.consoles.open(name, to_write=to_write)
        # While it was opened the name may have become another's.
        await self.demand_console(console, action)
        return console

    async def readable(self, consoles: Iterable[T]) -> list[T]:
        """Those of the consoles that the user may read."""
        known: dict[tuple[str, ...], bool] = {}
        shown = []
        for console in consoles:
            resources = resources_of(console.kind, console.name)
            if resources not in known:
                known[resources] = await self.may("read", *resources)
            if known[resources]:
                shown.append(console)
        return shown

    @asynccontextmanager
    async def telling_names(self) -> AsyncIterator[None]:
        """Where there is no such console, tell the names of those that the user may read."""
        try:
            yield
        except NoConsole as problem:
            problem.details["consoles"] = [one.name for one in await self.readable(self.consoles)]
            raise
