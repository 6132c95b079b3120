"""Kernels: one relay each, shared by all clients, and code that runs on kernels."""
