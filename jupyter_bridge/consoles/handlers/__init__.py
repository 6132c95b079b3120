"""The routes of the consoles part."""

from __future__ import annotations

from jupyter_bridge.consoles.handlers.consoles import (
    CommandsHandler,
    ConsolesHandler,
    OneConsoleHandler,
    RecordingHandler,
    SendHandler,
)
from jupyter_bridge.consoles.handlers.run import OneRunHandler, RunInputHandler, RunsHandler
from jupyter_bridge.consoles.handlers.search import SearchHandler
from jupyter_bridge.consoles.handlers.socket import InteractSocket, TailSocket
from jupyter_bridge.consoles.handlers.tail import TailHandler
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.run.store import RunStore
from jupyter_bridge.observe.events import Events
from jupyter_bridge.web import Route


class ConsoleRoute(Route):
    """A path with a console's name, which may contain slashes (`file:logs/a.log`)."""

    @property
    def pattern(self) -> str:
        return super().pattern.replace("[^/]+", ".+")


def routes(consoles: ConsoleRegistry, runs: RunStore, events: Events) -> list[Route]:
    """Return every route of the consoles part."""
    parts = {"consoles": consoles, "events": events}
    run_parts = {"runs": runs, "events": events}
    return [
        Route("/consoles", ConsolesHandler, parts),
        ConsoleRoute("/consoles/{name}/commands", CommandsHandler, parts),
        ConsoleRoute("/consoles/{name}", OneConsoleHandler, parts),
        ConsoleRoute("/tail/{name}", TailHandler, parts, socket=TailSocket),
        ConsoleRoute("/interact/{name}", InteractSocket, parts),
        ConsoleRoute("/send/{name}", SendHandler, parts),
        ConsoleRoute("/recording/{name}", RecordingHandler, parts),
        Route("/search", SearchHandler, parts),
        Route("/run", RunsHandler, run_parts),
        Route("/runs/{run_id}", OneRunHandler, run_parts),
        Route("/runs/{run_id}/input", RunInputHandler, run_parts),
    ]
