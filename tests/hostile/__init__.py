"""Hostile inputs of clients and remotes, for `make bench` and the fuzzer."""
