"""The openbis connector."""
