"""Kernels: one open line each, shared by every client, and code run on them."""
