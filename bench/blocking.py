"""A server extension for benchmarks: `GET /bench/block?seconds=3` blocks the event loop."""

from __future__ import annotations

import time
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web


class BlockHandler(JupyterHandler):
    """Blocks the event loop, as a careless extension does."""

    @web.authenticated
    def get(self) -> None:
        time.sleep(float(self.get_query_argument("seconds")))
        self.finish("{}")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    path = url_path_join(server.base_url, "bench", "block")
    server.web_app.add_handlers(".*$", [(path, BlockHandler)])
