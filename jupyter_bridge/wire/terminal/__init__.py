"""What terminals say and hold: modes, and recordings."""
