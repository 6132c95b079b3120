"""A console's bytes by absolute offset, in memory and on disk."""
