"""Connections: named remote systems with a shared login, whose data can be moved and mounted."""
