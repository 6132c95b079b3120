"""Ways to another server: HTTP, websockets that reconnect, streams of lines."""
