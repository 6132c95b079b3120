"""The hostile inputs by name: each an attack that goes on until it is ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.hostile.target import Target

Attack = Callable[[Target], AsyncIterator[None]]
ATTACKS: dict[str, Input] = {}
# Where a connection leads to this very machine, as the hostile remotes do.
LOOPBACK = "--BridgeApp.allow_loopback=True"


@dataclass(frozen=True)
class Input:
    """One hostile input.

    What `attack` does before its first `yield` is preparation. It counts what it sends in
    `target.sent`, goes on until it is ended (or has done all there is), and then cleans up.
    `options` are the server's. With `peer` it can be sent to a server without the bridge, too.
    """

    name: str
    what: str
    attack: Attack
    options: tuple[str, ...] = ()
    peer: bool = False


def hostile(what: str, *options: str, peer: bool = False) -> Callable[[Attack], Attack]:
    """Keep an attack under the name of its function; `what` is what its row says."""

    def keep(attack: Attack) -> Attack:
        name = attack.__name__
        ATTACKS[name] = Input(name, what, attack, options, peer)
        return attack

    return keep


async def at_once(
    count: int, work: Callable[[int], Coroutine[Any, Any, None]], pause: float = 0.0
) -> None:
    """Do `work(number)` again and again, `count` of them beside each other; never returns."""

    async def one(number: int) -> None:
        while True:
            await work(number)
            await asyncio.sleep(pause)

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def again(work: Coroutine[Any, Any, None], pause: float = 0.05) -> None:
    """Do it; what the server refuses or ends is what it should refuse or end."""
    try:
        await work
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        await asyncio.sleep(pause)


async def benign(target: Target) -> AsyncIterator[None]:
    """What anybody may do: one client that asks small questions, one after the other."""
    yield
    while True:
        await target.ask("GET", "api/kernels")
        await asyncio.sleep(0.01)
