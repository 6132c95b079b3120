"""openapi.json, generated from the routes and the types of bodies, queries and answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from jupyter_bridge.models.common import ProblemModel
from jupyter_bridge.problems import Problem
from jupyter_bridge.version import __version__
from jupyter_bridge.web import NDJSON, SSE, BridgeHandler, BridgeSocket, Route, Verb, verb

_METHODS = ("get", "post", "put", "delete", "patch")


def describe(routes: Sequence[Route], *, base: str, version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `routes`, served below `base`."""
    verbs = [
        (route, method, spec)
        for route in routes
        for method in _METHODS
        if isinstance(spec := getattr(getattr(route.handler, method, None), "verb", None), Verb)
    ]
    types: list[Any] = [ProblemModel]
    for _, _, spec in verbs:
        types += [t for t in (spec.body, spec.query, spec.reply) if t is not None]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    by_type = {_key(t): schema for t, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route, method, spec in verbs:
        operation = _operation(route, method, spec, by_type)
        paths.setdefault(route.path, {})[method] = operation
    for route in routes:
        if route.socket is not None:
            at = paths.setdefault(route.path, {})
            at["get"] = _handshake(route, route.socket, at.get("get"), by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jupyter Bridge",
            "version": version,
            "description": "HTTP and websocket access to the kernels, consoles and connections "
            "of a Jupyter server.",
        },
        "servers": [{"url": base}],
        "security": [{"token": []}, {"query": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "username-localhost"},
            },
        },
    }


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(route: Route, method: str, spec: Verb, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__name__.removesuffix('Handler')}.{method}",
        "summary": spec.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(spec)],
        "responses": {str(spec.status): _answer(spec, schemas), "default": _problem(schemas)},
    }
    for status in spec.also:
        operation["responses"][str(status)] = _answer(spec, schemas)
    if spec.streams:
        operation["responses"]["202"] = {
            "description": "Not finished yet; Location is the url to read the result from.",
            "content": {"application/json": {"schema": schemas[_key(spec.reply)]}},
        }
    if spec.body is not None:
        operation["requestBody"] = {
            "required": _has_required(spec.body),
            "content": {"application/json": {"schema": schemas[_key(spec.body)]}},
        }
    elif spec.raw:
        content: dict[str, Any] = {"application/octet-stream": {"schema": {}}}
        operation["requestBody"] = {"required": False, "content": content}
    return operation


def _answer(spec: Verb, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": spec.summary}
    content: dict[str, Any] = {kind: {"schema": {}} for kind in spec.kinds}
    if spec.reply is not None:
        content["application/json"] = {"schema": schemas[_key(spec.reply)]}
    if spec.streams:
        content.update({kind: {"schema": {"type": "string"}} for kind in (SSE, NDJSON)})
    if content:
        answer["content"] = content
    return answer


def _problem(schemas: dict[str, Any]) -> dict[str, Any]:
    codes = sorted(f"{p.status} {p.code}" for p in _tree(Problem) if p is not Problem)
    return {
        "description": "A Problem: " + ", ".join(codes),
        "content": {"application/json": {"schema": schemas[_key(ProblemModel)]}},
    }


def _tree(kind: type[Problem]) -> list[type[Problem]]:
    return [kind, *(p for child in kind.__subclasses__() for p in _tree(child))]


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _query_parameters(spec: Verb) -> list[dict[str, Any]]:
    return [] if spec.query is None else _parameters_of(spec.query)


def _parameters_of(query: type) -> list[dict[str, Any]]:
    schema = msgspec.json.schema(query)
    definition = schema["$defs"][query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in definition.get("required", []),
            "schema": property_schema,
        }
        for name, property_schema in definition["properties"].items()
    ]


def _has_required(body: type) -> bool:
    return any(field.required for field in msgspec.structs.fields(body))


def _handshake(
    route: Route,
    socket: type[BridgeSocket],
    plain: dict[str, Any] | None,
    schemas: dict[str, Any],
) -> dict[str, Any]:
    """Describe a websocket's handshake, and the plain GET of the same path if there is one."""
    spoken = f" Subprotocols: {', '.join(socket.subprotocols)}, or none."
    summary = f"A websocket: {(socket.__doc__ or '').strip().splitlines()[0]}"
    parameters = _parameters_of(socket.query_type) if socket.query_type else []
    operation = plain or {
        "operationId": f"{socket.__name__}.{route.path.split('/')[1]}",
        "parameters": [*_path_parameters(route), *parameters],
        "responses": {"default": _problem(schemas)},
    }
    operation["summary"] = summary + (spoken if socket.subprotocols else "")
    operation["responses"]["101"] = {"description": "The websocket is open."}
    return operation


def routes(every: list[Route]) -> list[Route]:
    """Return the route of the document; `every` is complete when it is requested."""
    return [Route("/openapi.json", OpenAPIHandler, {"routes": every, "made": {}})]


class OpenAPIHandler(BridgeHandler):
    """`GET B/openapi.json`."""

    resources = ("bridge",)

    def initialize(self, routes: list[Route], made: dict[str, dict[str, Any]]) -> None:
        self.routes = routes
        self._made = made

    @verb("read", "Describe every route")
    async def get(self) -> dict[str, Any]:
        # Made at the first request: that takes 30 to 60 ms of the event loop.
        base = self.link("")
        if base not in self._made:
            self._made[base] = self._describe(base)
        return self._made[base]

    def _describe(self, base: str) -> dict[str, Any]:
        # "/?" is the index with and without its slash; the document shows "/".
        routes = [
            Route("/", route.handler) if route.path == "/?" else route
            for route in self.routes
            if route.top == "/bridge"
        ]
        return describe(routes, base=base, version=__version__)
