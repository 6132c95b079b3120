"""Index: the version of the bridge, and links to its parts."""

from __future__ import annotations

from jupyter_bridge.models.common import Index
from jupyter_bridge.version import __version__
from jupyter_bridge.web.handler import BridgeHandler, verb
from jupyter_bridge.web.route import Route


def routes() -> list[Route]:
    return [Route("/?", IndexHandler)]


class IndexHandler(BridgeHandler):
    """`GET B/`."""

    resources = ("bridge",)

    @verb("read", "Name the version, the parts and where they are", reply=Index)
    async def get(self) -> Index:
        return Index(
            name="jupyter_bridge",
            version=__version__,
            parts={
                "kernels": self.link("/kernels"),
                "consoles": self.link("/consoles"),
                "connections": self.link("/conns"),
            },
            links={
                "openapi": self.link("/openapi.json"),
                "asyncapi": self.link("/asyncapi.json"),
                "socket.io": self.link("/socket.io/"),
                "metrics": f"{self.base_url.rstrip('/')}/metrics",
            },
        )
