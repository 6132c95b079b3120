"""Hostile requests of every kind, from a seed, against a real server.

`HOSTILE_SEED` and `HOSTILE_NUMBER` repeat one request; the seed alone repeats all of them.
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
    """The requests to send; only one, if the environment names it."""
    return range(count) if NUMBER is None else range(int(NUMBER), int(NUMBER) + 1)


async def fuzz(server: Server, maker: Maker, count: int, slow: float) -> Fuzzer:
    fuzzer = Fuzzer(server, slow)
    await fuzzer.furnish()
    await fuzzer.run(maker, numbers(count))
    print(summary(fuzzer))
    return fuzzer


@BOTH
async def test_hostile_requests(server: Server, proven: bool) -> None:
    """No request causes an internal error, a traceback, or a long latency for other clients.

    Requests without a proof change nothing, and some of those with a proof succeed.
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
    """The same holds for many requests of a new seed, with latencies below 250 ms."""
    seed = os.environ.get("HOSTILE_SEED") or secrets.token_hex(4)
    fuzzer = await fuzz(server, Maker(seed, proven=proven), MANY, GOAL)
    # A fault that no request reproduces comes from the machine; such faults must be rare.
    assert len(fuzzer.unexplained) <= MANY // 10_000, summary(fuzzer)


def test_the_same_seed_makes_the_same_requests() -> None:
    """A number always gives the same request, and different numbers give different requests."""
    first, again = Maker("a", proven=False), Maker("a", proven=False)
    made = [first.make(number) for number in range(200)]
    assert [again.make(number) for number in range(200)] == made
    assert len({asked.data + b"".join(asked.then) for asked in made}) > 150


def test_every_route_is_tried() -> None:
    """The requests of the fast test reach nearly every verb of every route."""
    met = set()
    for proven in (False, True):
        maker = Maker(SEED, proven=proven)
        texts = [maker.make(number).data.split(b" HTTP")[0].decode() for number in range(FEW)]
        for operation in operations():
            opening = f"{operation.method} {operation.path.split('{')[0]}"
            if any(text.startswith(opening) for text in texts):
                met.add(operation)
    assert len(met) > 0.9 * len(operations())
