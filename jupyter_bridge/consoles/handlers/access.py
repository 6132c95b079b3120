"""Authorization of console requests: who may read, type into or end a console of which kind."""

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
# Further resources that the user needs, as a console of each kind shows them.
_BESIDE = {
    "terminal": ("terminals",),
    "kernel": ("kernels",),
    "file": ("contents",),
    "remote": ("bridge:connections",),
}
_EVERYTHING = ("terminals", "kernels", "contents", "bridge:connections")


def resources_of(kind: str, name: str) -> tuple[str, ...]:
    """Return the resources of a console of this kind; the name tells if a kernel is remote.

    An unknown kind, from a journal of another version, needs all resources.
    """
    beside = _BESIDE.get(kind, _EVERYTHING)
    if kind == "kernel" and KernelName.parse(ConsoleName.parse(name).rest).connection:
        beside = (*beside, "bridge:connections")
    return (OWN, *beside)


class ConsoleDoor(RequestBase):
    """A handler base that finds consoles and demands their resources."""

    consoles: ConsoleRegistry

    async def demand_named(self, name: str, *actions: str) -> None:
        """Demand `actions` on every kind that the name may have; opens nothing."""
        for kind in self.consoles.kinds_of(name):
            for action in actions:
                await self.demand(action, *resources_of(kind, name))

    async def demand_console(self, console: Console, *actions: str) -> None:
        """Demand `actions` on this console."""
        for action in actions:
            await self.demand(action, *resources_of(console.kind, console.name))

    def permit(self, action: str) -> Permit:
        """Return a Permit that demands `action` on the console that is found."""

        async def ask(console: Console) -> None:
            await self.demand_console(console, action)

        return ask

    async def open_console(
        self, name: str, action: str, *, to_write: bool = False, wait: bool = False
    ) -> Console:
        """Return the console of this name, opened; Denied unless the user may do `action`.

        With `wait`, a file need not be there yet.
        """
        await self.demand_named(name, action)
        async with self.adding_names():
            console = await self.consoles.open(name, to_write=to_write, wait=wait)
        # The name may have passed to another console meanwhile.
        await self.demand_console(console, action)
        return console

    async def readable(self, consoles: Iterable[T]) -> list[T]:
        """Return the consoles that the user may read."""
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
    async def adding_names(self) -> AsyncIterator[None]:
        """Add to a NoConsole problem the names of the consoles that the user may read."""
        try:
            yield
        except NoConsole as problem:
            problem.details["consoles"] = [
                one.name for one in await self.readable(self.consoles) if one.is_listed
            ]
            raise
