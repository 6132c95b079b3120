"""Bytes to messages and back: pure functions and small state machines, no IO, no async.

Each module's docstring is the document of its protocol.
"""
