"""A command in a terminal of this server."""
