"""A hostile Jupyter server: the names of its user and its consoles are chosen by a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def taken_over(user: str, names: Sequence[str], sentence: str | None = None) -> Iterator[str]:
    """Run a server that lists a console with each of these names; yields its URL.

    It looks like a server with the bridge, but no console can be opened. Any other request is
    answered 404 with `sentence`, or with the path.
    """
    consoles = [{"name": name, "title": name, "state": "live"} for name in names]
    answers: dict[str, Any] = {
        "/api/me": {"identity": {"username": user}},
        "/api/status": {},
        "/bridge/": {
            "name": "jupyter_bridge",
            "version": "0.1.0",
            "parts": {"consoles": "/bridge/consoles"},
            "links": {},
        },
        "/bridge/consoles": consoles,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path)
            body = json.dumps(
                {"message": sentence or self.path} if found is None else found
            ).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()
