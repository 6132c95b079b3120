"""Reading a console: from where, until when, and in which form."""
