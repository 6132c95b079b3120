"""The jupyter connector: other Jupyter servers and hubs."""
