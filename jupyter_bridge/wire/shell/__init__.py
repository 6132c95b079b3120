"""Shell scripts, the marks they print, and files sent through a terminal."""
