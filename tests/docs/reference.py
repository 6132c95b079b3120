"""docs/reference.md, made from the code: `python -m tests.docs.reference > docs/reference.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import typer
from prometheus_client import REGISTRY

import jupyter_bridge
from jupyter_bridge import asyncapi, openapi
from jupyter_bridge.app import BridgeApp
from jupyter_bridge.cli.app import app as cli
from jupyter_bridge.connections import handlers as connections
from jupyter_bridge.consoles import handlers as consoles
from jupyter_bridge.kernels import handlers as relay
from jupyter_bridge.observe.events import SCHEMAS
from jupyter_bridge.problems import Problem
from jupyter_bridge.web import Route, index

OPENING = """# Reference

Every route, setting, command, metric, event and Problem, made from the code by
`python -m tests.docs.reference`. `B` is `{base_url}/bridge`. What they are for is on the other
pages; bodies, queries and answers are in `GET B/openapi.json`.
"""


def routes(*, compat: bool = False) -> list[Route]:
    """All routes, without the parts that they serve."""
    parts: Any = None
    return [
        *index.routes(),
        *openapi.routes([]),
        *asyncapi.routes([]),
        *relay.routes(parts, parts, parts),
        *consoles.routes(parts, parts, parts),
        *connections.routes(*(parts,) * 5, "", openbis_compat=compat),
    ]


def one_line(text: str | None) -> str:
    """The first paragraph, as a table holds it."""
    first = inspect.cleandoc(text or "").split("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def route_rows() -> Iterator[tuple[str, ...]]:
    paths = openapi.describe(routes(), base="/", version="")["paths"]
    for path, operations in sorted(paths.items()):
        for method, operation in operations.items():
            yield f"{method.upper()} `B{path}`", one_line(operation["summary"])
    yield "socket.io `B/socket.io/`", one_line("Namespaces `/{channel}/{kernel_id}`, event `msg`.")


def compat_rows() -> Iterator[tuple[str, ...]]:
    for route in routes(compat=True):
        if not route.top:
            for method in ("get", "post", "put", "delete"):
                verb = getattr(getattr(route.handler, method, None), "verb", None)
                if verb is not None:
                    yield f"{method.upper()} `{route.path}`", one_line(verb.summary)


def trait_rows() -> Iterator[tuple[str, ...]]:
    for name, trait in sorted(BridgeApp.class_own_traits(config=True).items()):
        yield f"`{name}`", one_line(trait.help)


def command_rows(group: typer.Typer = cli, before: str = "") -> Iterator[tuple[str, ...]]:
    for command in group.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        what = command.help or command.callback.__doc__
        yield f"`jupyter bridge {before}{name}`", one_line(what)
    for info in group.registered_groups:
        assert info.typer_instance is not None
        name = str(info.name or info.typer_instance.info.name or "")
        default = info.typer_instance.registered_callback
        if default is not None and default.invoke_without_command is True:
            yield f"`jupyter bridge {before}{name}`", one_line(default.help)
        yield from command_rows(info.typer_instance, f"{before}{name} ".lstrip())


def metric_rows() -> Iterator[tuple[str, ...]]:
    for metric in sorted(REGISTRY.collect(), key=lambda metric: metric.name):
        if metric.name.startswith("jupyter_bridge_"):
            total = "_total" if metric.type == "counter" else ""
            yield f"`{metric.name}{total}`", metric.type, one_line(metric.documentation)


def event_rows() -> Iterator[tuple[str, ...]]:
    for name, schema in SCHEMAS.items():
        fields = ", ".join(f"`{field}`" for field in schema["properties"])
        yield f"`{name}`", one_line(schema["description"]), fields


def problems(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("jupyter_bridge."):
            yield child
            yield from problems(child)


def problem_rows() -> Iterator[tuple[str, ...]]:
    for module in walk_packages(jupyter_bridge.__path__, "jupyter_bridge."):
        import_module(module.name)  # each may have a Problem of its own
    told = {(kind.status, kind.code): one_line(kind.__doc__) for kind in reversed([*problems()])}
    for (status, code), what in sorted(told.items()):
        yield f"`{code}`", str(status), what


def page() -> str:
    """The whole page."""
    parts = [
        OPENING,
        "## Routes\n\n" + table(("route", "what it does"), route_rows()),
        "With `openbis_compat` also, with jupyter-openbis-server's own answers:\n\n"
        + table(("route", "what it does"), compat_rows()),
        "## Settings\n\nTraits of `c.BridgeApp`.\n\n"
        + table(("trait", "what it is for"), trait_rows()),
        "## Commands\n\n" + table(("command", "what it does"), command_rows()),
        "## Metrics\n\nOn the host's `/metrics`.\n\n"
        + table(("metric", "kind", "what it tells"), metric_rows()),
        "## Events\n\n`https://events.jupyter.org/jupyter_bridge/<event>/v1`, of the host's event "
        "logger.\n\n" + table(("event", "what happened", "fields"), event_rows()),
        "## Problems\n\nThe `error` of an answer, with its status; a websocket closes with 4000 + "
        "status.\n\n" + table(("error", "status", "what it means"), problem_rows()),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
