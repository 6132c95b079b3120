"""Hostile requests of every kind, made from a seed, against a real server.

`HOSTILE_SEED` and `HOSTILE_NUMBER` repeat one that was found; the seed alone repeats all of them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server, start_server
from tests.hostile.fuzzer import Fuzzer, summary
from tests.hostile.fuzzing import Maker, operations

SEED = os.environ.get("HOSTILE_SEED", "bridge")
NUMBER = os.environ.get("HOSTILE_NUMBER")
FEW, MANY = 750, 50_000
# How long somebody else may wait meanwhile, ms; the tests share the machine with others.
GENEROUS, GOAL = 5000.0, 250.0
REPOSITORY = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("proven", [False, True], ids=["without a proof", "with a proof"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    server = start_server(
        folder,
        "--BridgeApp.openbis_compat=True",
        env={"HOME": str(folder), "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        yield server
    finally:
        server.stop()


def numbers(count: int) -> range:
    """Those that are tried; the one that was found alone, if the environment names it."""
    return range(count) if NUMBER is None else range(int(NUMBER), int(NUMBER) + 1)


async def fuzz(server: Server, maker: Maker, count: int, slow: float) -> Fuzzer:
    fuzzer = Fuzzer(server, slow)
    await fuzzer.furnish()
    await fuzzer.run(maker, numbers(count))
    print(summary(fuzzer))
    return fuzzer


@BOTH
async def test_hostile_requests(server: Server, proven: bool) -> None:
    """None is answered with an error of ours, holds up others or is told with a traceback.

    Whoever has no proof changes nothing. Whoever has one is not refused everything.
    """
    fuzzer = await fuzz(server, Maker(SEED, proven=proven), FEW, GENEROUS)
    if NUMBER is None:
        assert fuzzer.unexplained == []
        assert proven == (fuzzer.statuses.get(201, 0) > 0), summary(fuzzer)
        assert fuzzer.statuses[200] > 10, summary(fuzzer)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@BOTH
async def test_a_hundred_thousand_hostile_requests(server: Server, proven: bool) -> None:
    """The same, with as many and a seed of its own; nobody waits for longer than 250 ms."""
    seed = os.environ.get("HOSTILE_SEED") or secrets.token_hex(4)
    fuzzer = await fuzz(server, Maker(seed, proven=proven), MANY, GOAL)
    # What none of the requests makes again is the machine's own; it has to be rare.
    assert len(fuzzer.unexplained) <= MANY // 10_000, summary(fuzzer)


def test_the_same_seed_makes_the_same_requests() -> None:
    """A number can be repeated, and others are other requests."""
    first, again = Maker("a", proven=False), Maker("a", proven=False)
    made = [first.make(number) for number in range(200)]
    assert [again.make(number) for number in range(200)] == made
    assert len({asked.data + b"".join(asked.then) for asked in made}) > 150


def test_every_route_is_tried() -> None:
    """The requests of the fast twin meet nearly every verb of every route."""
    met = set()
    for proven in (False, True):
        maker = Maker(SEED, proven=proven)
        texts = [maker.make(number).data.split(b" HTTP")[0].decode() for number in range(FEW)]
        for operation in operations():
            opening = f"{operation.method} {operation.path.split('{')[0]}"
            if any(text.startswith(opening) for text in texts):
                met.add(operation)
    assert len(met) > 0.9 * len(operations())
