"""`python -m tests.upstream`: download the suites and install their dependencies, once."""

from __future__ import annotations

from tests.upstream.prepared import prepare

if __name__ == "__main__":
    print(prepare())
