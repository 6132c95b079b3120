"""A Jupyter server that was taken over: it says what it likes of its user and its consoles."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def taken_over(user: str, names: Sequence[str], sentence: str | None = None) -> Iterator[str]:
    """The address of one that has a console of each name; what it is asked else it does not know.

    It is asked as a server with the bridge is; no console of it can be opened. To all else it
    answers 404 with `sentence`, or with the path.
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
