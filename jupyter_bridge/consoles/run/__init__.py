"""Shell commands with their exact output and exit status."""
