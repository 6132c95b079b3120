"""A command in a terminal that is reached only by its bytes."""
