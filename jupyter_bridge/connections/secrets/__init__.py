"""Where secrets are kept: the vault and its backends."""
