"""Code that runs on kernels, with its outputs, kept until it expires."""
