"""The hostile inputs by name; each is an attack that continues until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.hostile.target import Target

Attack = Callable[[Target], AsyncIterator[None]]
ATTACKS: dict[str, Input] = {}
# Options for connections to this machine, where the hostile remotes are.
LOOPBACK = "--BridgeApp.allow_loopback=True"


@dataclass(frozen=True)
class Input:
    """One hostile input.

    `attack` prepares everything before its first `yield`. It counts its requests in `target.sent`,
    continues until it is stopped or has sent everything, and then cleans up. `options` are the
    server's. With `peer` it can be sent to a server without the bridge, too.
    """

    name: str
    what: str
    attack: Attack
    options: tuple[str, ...] = ()
    peer: bool = False


def hostile(what: str, *options: str, peer: bool = False) -> Callable[[Attack], Attack]:
    """Register an attack by the name of its function; `what` is the text of its row."""

    def keep(attack: Attack) -> Attack:
        name = attack.__name__
        ATTACKS[name] = Input(name, what, attack, options, peer)
        return attack

    return keep


async def at_once(
    count: int, work: Callable[[int], Coroutine[Any, Any, None]], pause: float = 0.0
) -> None:
    """Repeat `work(number)` in `count` concurrent tasks; never returns."""

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
    """Run it, and ignore refusals and closed connections, which are right."""
    try:
        await work
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        await asyncio.sleep(pause)


async def benign(target: Target) -> AsyncIterator[None]:
    """A benign client that sends small requests, one after the other."""
    yield
    while True:
        await target.ask("GET", "api/kernels")
        await asyncio.sleep(0.01)
