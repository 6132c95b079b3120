"""The connectors that come with the bridge; each is found by its entry point, as a stranger's."""
