"""Executions: runs of code on kernels, kept with their outputs until they expire."""
