"""A command in a terminal that only its bytes reach."""
