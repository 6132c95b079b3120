"""What strangers, careless clients and hostile remotes send, for `make bench` and the fuzzer."""
