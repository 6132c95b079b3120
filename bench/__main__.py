"""`python -m bench [PART …] [--quick] [--markdown]`: every bench there is, or some parts."""

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
    run,
    transfers,
)

PARTS = {
    "kernels": kernels.main,
    "gateways": gateways.main,
    "consoles": consoles.main,
    "run": run.main,
    "transfers": transfers.main,
    "connections": connections.main,
    "load": load.main,
    "hostile": hostile.main,
    "costs": costs.main,
    "lab": lab.main,
}


def main(argv: list[str]) -> int:
    """Run the named parts (all, if none is named) with the options given; the worst exit code."""
    options = [word for word in argv if word not in PARTS]
    chosen = [name for name in argv if name in PARTS] or list(PARTS)
    return max(_measure(name, options) for name in chosen)


def _measure(name: str, options: list[str]) -> int:
    """The part's exit code; one that breaks off does not keep the others from being measured."""
    try:
        return PARTS[name](options)
    except Exception:
        traceback.print_exc()
        return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
