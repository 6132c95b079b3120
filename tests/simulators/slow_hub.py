"""A JupyterHub that starts a user's server in steps that a test controls."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# If a test ends early, requests wait no longer than this, seconds.
PATIENCE = 60.0


@dataclass
class SlowHub:
    """`tell` sets the progress of the start of jo's server; it runs at 100 percent."""

    url: str = ""
    told: queue.Queue[tuple[int, str]] = field(default_factory=queue.Queue)
    is_ready: bool = False

    def tell(self, percent: int, message: str) -> None:
        self.told.put((percent, message))


@contextmanager
def slow_hub() -> Iterator[SlowHub]:
    hub = SlowHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            servers = {"": {"ready": True, "url": "/user/jo/"}} if hub.is_ready else {}
            answers = {
                "/hub/api/": {"version": "5.2.1"},
                "/hub/api/user": {"name": "jo"},
                "/hub/api/users/jo": {"name": "jo", "servers": servers},
                "/user/jo/api/me": {"identity": {"username": "jo"}},
                "/user/jo/api/status": {},
            }
            if self.path == "/hub/api/users/jo/server/progress":
                self._follow()
            elif self.path in answers:
                self._answer(200, answers[self.path])
            else:
                self._answer(404, {"message": "not found"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(202, {})

        def _answer(self, status: int, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _follow(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            while not hub.is_ready:
                percent, message = hub.told.get(timeout=PATIENCE)
                hub.is_ready = percent == 100
                event = {"progress": percent, "message": message, "ready": hub.is_ready}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}/"
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()
