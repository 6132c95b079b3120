"""Data sets on their way, checked and resumable."""
