"""`python -m tests.upstream`: fetch the suites and install what they need, once."""

from __future__ import annotations

from tests.upstream.prepared import prepare

if __name__ == "__main__":
    print(prepare())
