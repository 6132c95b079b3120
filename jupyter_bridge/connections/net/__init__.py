"""The network to remotes: addresses, names, TLS, HTTP."""
