"""The way out to remotes: addresses, names, TLS, HTTP."""
