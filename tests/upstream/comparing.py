"""Compares two runs of a suite: each test that passes without the bridge must pass with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.upstream.running import Run, Suite, run


@dataclass
class Comparison:
    """Both runs; `worse` are the tests that fail with the bridge only, also when run alone."""

    suite: Suite
    without: Run
    with_: Run
    worse: list[str] = field(default_factory=list)
    # Tests that differed only in the first run.
    unsteady: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"\n{self.suite.name} without the bridge: {self.without}; with it: {self.with_}"
        yield f"  {len(self.with_.with_bridge)} servers had it; logs: {self.with_.log.parent}"
        failed = self.without.those("failed")
        for what, tests in (
            ("fails both ways", failed & self.with_.those("failed")),
            ("fails without the bridge alone", failed - self.with_.those("failed")),
            ("was unsteady", self.unsteady),
            ("is worse with the bridge", self.worse),
        ):
            yield from (f"  {what}: {test}" for test in sorted(tests))


def compare(suite: Suite) -> Comparison:
    """Run a suite both ways: concurrently, unless its servers use fixed ports."""
    with ThreadPoolExecutor(1 if suite.launches else 2) as pool:
        without, with_ = pool.map(lambda bridge: run(suite, bridge=bridge), (False, True))
    both = Comparison(suite, without, with_)
    for test in sorted(without.those("passed") - with_.those("passed")):
        # A test may fail on a loaded machine, so it is repeated alone, both ways.
        again, again_with = (run(suite, bridge=bridge, alone=test) for bridge in (False, True))
        worse = again.those("passed") - again_with.those("passed")
        (both.worse if worse else both.unsteady).append(test)
    return both
