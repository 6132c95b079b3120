"""`python -m tests.bench`: every bench there is."""

from __future__ import annotations

from tests.bench import kernels

if __name__ == "__main__":
    raise SystemExit(kernels.main())
