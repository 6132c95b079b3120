"""The sftp connector."""
