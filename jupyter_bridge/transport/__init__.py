"""Connections to other servers: HTTP, websockets that reconnect, streams of lines."""
