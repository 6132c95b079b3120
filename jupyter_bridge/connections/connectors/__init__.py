"""The built-in connectors, found by their entry points like all others."""
