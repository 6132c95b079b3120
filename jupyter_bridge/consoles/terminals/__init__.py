"""The host's terminals, recorded from their first byte."""
