"""The outputs of one execution, from its messages to nbformat."""
