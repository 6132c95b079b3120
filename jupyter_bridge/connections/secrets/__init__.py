"""The vault for secrets, and its backends."""
