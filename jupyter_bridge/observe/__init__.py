"""What an operator sees: metrics, events, and the log.

None of them ever carries a secret, a command's text or a message's content.
"""
