"""Where a console's bytes come from: a terminal, a kernel, a file, a remote console."""
