"""`python -m bench [PART …] [--quick] [--markdown]`: run all benchmarks, or the named ones."""

from __future__ import annotations

import sys
import traceback

from bench import (
    connections,
    consoles,
    costs,
    gateways,
    hostile,
    kernels,
    lab,
    load,
    replay,
    run,
    transfers,
)

PARTS = {
    "kernels": kernels.main,
    "gateways": gateways.main,
    "consoles": consoles.main,
    "replay": replay.main,
    "run": run.main,
    "transfers": transfers.main,
    "connections": connections.main,
    "load": load.main,
    "hostile": hostile.main,
    "costs": costs.main,
    "lab": lab.main,
}


def main(argv: list[str]) -> int:
    """Run the named parts (default: all) with these options; return the highest exit code."""
    options = [word for word in argv if word not in PARTS]
    chosen = [name for name in argv if name in PARTS] or list(PARTS)
    return max(_measure(name, options) for name in chosen)


def _measure(name: str, options: list[str]) -> int:
    """Run one part and return its exit code; 1 if it raises, so that the other parts still run."""
    try:
        return PARTS[name](options)
    except Exception:
        traceback.print_exc()
        return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
