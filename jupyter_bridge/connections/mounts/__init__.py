"""The sshfs mounts of connections."""
