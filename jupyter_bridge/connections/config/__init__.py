"""Connections that files, traits and the environment configure."""
