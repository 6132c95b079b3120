"""Search what consoles said, line by line, off the event loop."""
