"""Reading a console: the start, the end, and the format."""
