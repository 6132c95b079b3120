"""A server extension for tests: `GET /counted` counts the resources of the server's process."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from typing import Any

import psutil
from tornado.web import RequestHandler


class Counted(RequestHandler):
    """Returns numbers only; needs no login, as the server is a test's own, on loopback."""

    _allow_unauthenticated = True

    def get(self) -> None:
        gc.collect()
        process = psutil.Process()
        self.finish(
            json.dumps(
                {
                    "descriptors": process.num_fds(),
                    "tasks": len(asyncio.all_tasks()),
                    "requests": sum(map(_is_request, asyncio.all_tasks())),
                    "threads": threading.active_count(),
                    "children": len(process.children(recursive=True)),
                    "objects": len(gc.get_objects()),
                    "frozen": gc.get_freeze_count(),
                    "memory": process.memory_info().rss,
                    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
                }
            )
        )


def _is_request(task: asyncio.Task[Any]) -> bool:
    """Tell whether this object is a request in progress; the current one counts, too."""
    return getattr(task.get_coro(), "__qualname__", "").endswith("._execute")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tests.support.counting"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    serverapp.web_app.add_handlers(".*$", [(serverapp.base_url + "counted", Counted)])
