"""Search what consoles said, line by line, and for the commands that were run."""
