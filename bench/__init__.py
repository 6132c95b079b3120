"""The figures of docs/performance.md, measured here and now, beside what the host does today."""
