"""Connections: named remote systems, logged in once, browsed, moved, mounted."""
