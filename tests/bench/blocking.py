"""A server extension for the bench alone.

`GET /bench/block?seconds=3` stops the event loop; `GET /bench/unwatch?kernel=ID` makes the host
stop its own reading of that kernel's iopub, so that what is left is the cost of relaying.
"""

from __future__ import annotations

import time
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web


class BlockHandler(JupyterHandler):
    """Does what a careless extension does: something slow on the event loop."""

    @web.authenticated
    def get(self) -> None:
        time.sleep(float(self.get_query_argument("seconds")))
        self.finish("{}")


class UnwatchHandler(JupyterHandler):
    """Leaves a kernel to its clients."""

    @web.authenticated
    def get(self) -> None:
        self.kernel_manager.stop_watching_activity(self.get_query_argument("kernel"))
        self.finish("{}")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    for name, handler in (("block", BlockHandler), ("unwatch", UnwatchHandler)):
        path = url_path_join(server.base_url, "bench", name)
        server.web_app.add_handlers(".*$", [(path, handler)])
