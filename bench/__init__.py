"""The benchmarks behind docs/performance.md: the bridge compared with the host alone."""
