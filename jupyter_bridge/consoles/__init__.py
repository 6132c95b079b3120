"""Consoles: terminals, kernels, files and remote consoles, recorded, read and typed into."""
