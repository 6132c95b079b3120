"""What a shell is told and what it says: marks, scripts, files over a terminal line."""
