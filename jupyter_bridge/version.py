"""The version, where everything can read it without importing the hooks."""

__version__ = "0.1.0"
