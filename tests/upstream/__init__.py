"""The published test suites of jupyter_server and jupyter_server_terminals, with the bridge."""
