"""`python -m tests.hostile.attacking NAME URL ROOT SECONDS`: one attack, in a process of its own.

The token is in the environment. The process writes `ready`, waits for a line, attacks for SECONDS,
and writes how many requests or frames it sent.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from typing import Any, cast

import anyio

from tests.hostile import over_http, over_remotes, over_sockets  # noqa: F401 - they keep theirs
from tests.hostile.inputs import ATTACKS, benign
from tests.hostile.target import Target


async def attack(name: str, target: Target, seconds: float) -> None:
    """Prepare, write `ready`, wait for a line, attack for `seconds`, clean up."""
    chosen = benign if name == "benign" else ATTACKS[name].attack
    async with aclosing(cast(Any, chosen(target))) as steps:
        with anyio.fail_after(240):
            await anext(steps)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        target.sent = 0
        with anyio.move_on_after(seconds):
            try:
                await anext(steps)
            except StopAsyncIteration:
                await asyncio.sleep(1)  # the attack's last effects may not be over
    print(target.sent, flush=True)


def main(argv: list[str]) -> int:
    name, url, root, seconds = argv
    asyncio.run(attack(name, Target(url, os.environ["HOSTILE_TOKEN"], root), float(seconds)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
