"""The AsyncAPI document, the routes and real frames agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from jupyter_bridge.wire import console, kernel
from tests.kernels.conftest import bridge
from tests.support.kernel_client import Bridge
from tests.test_openapi import PATHS

__all__ = ["bridge"]  # a fixture

# npm install --prefix .cache/asyncapi @asyncapi/specs@6
_PACKAGE = Path(__file__).parents[1] / ".cache/asyncapi/node_modules/@asyncapi/specs"
_SCHEMA = _PACKAGE / "schemas/3.0.0.json"
SOCKETS = {"channels", "shell", "iopub", "stdin", "stdio", "control", "tail", "interact"}


async def document(bridge: Bridge) -> Any:
    answer = await bridge.get("/asyncapi.json")
    assert answer.status == 200
    return answer.json


def resolve(described: Any, reference: str) -> Any:
    """What a reference inside the document stands for; KeyError if there is nothing."""
    found = described
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for child in node.values() for found in references(child)]
    if isinstance(node, list):
        return [found for child in node for found in references(child)]
    return []


@pytest.mark.skipif(not _SCHEMA.exists(), reason="npm's @asyncapi/specs is not in .cache/asyncapi")
async def test_valid(bridge: Bridge) -> None:
    """The document is valid AsyncAPI 3.0, which one without a title is not."""
    schema = json.loads(_SCHEMA.read_text())
    parts = [
        (name, Resource.from_contents(part, default_specification=DRAFT7))
        for name, part in schema["definitions"].items()
    ]
    validator = Draft7Validator(schema, registry=Registry().with_resources(parts))
    described = await document(bridge)
    validator.validate(described)
    del described["info"]["title"]
    assert not validator.is_valid(described)


async def test_names_every_websocket(bridge: Bridge) -> None:
    """Every websocket route is a channel at its address, and nothing else is."""
    described = await document(bridge)
    assert described["asyncapi"] == "3.0.0"
    assert set(described["channels"]) == SOCKETS
    for channel in described["channels"].values():
        assert channel["address"] in PATHS
        assert channel["summary"]
        names = {f"{{{name}}}" for name in channel["parameters"]}
        assert all(name in channel["address"] for name in names)
        assert names


async def test_leads_somewhere(bridge: Bridge) -> None:
    """Every reference leads to something, and the server is where the document came from."""
    described = await document(bridge)
    found = references(described)
    assert len(found) > len(SOCKETS)
    for reference in found:
        assert resolve(described, reference)
    server = described["servers"]["bridge"]
    assert f"http://{server['host']}{server['pathname']}" == bridge.base
    assert server["protocol"] == "ws"


async def test_says_who_sends_what(bridge: Bridge) -> None:
    """A client sends on every seat but tail; each frame of the console's protocol is named."""
    described = await document(bridge)
    receives = {name.split(".")[0] for name in described["operations"] if name.endswith("receive")}
    assert receives == SOCKETS - {"tail"}
    messages = described["channels"]["interact"]["messages"]
    kinds = [*get_args(console.ServerFrame), *get_args(console.ClientFrame)]
    assert {kind.__name__.lower() for kind in kinds} <= set(messages)
    assert kernel.V1 in described["channels"]["channels"]["description"]


async def test_queries_are_those_of_the_routes(bridge: Bridge) -> None:
    """A channel's query is what openapi.json says of the same address."""
    described = await document(bridge)
    paths = (await bridge.get("/openapi.json")).json["paths"]
    for channel in described["channels"].values():
        query = channel["bindings"]["ws"]["query"]["properties"]
        parameters = paths[channel["address"]]["get"]["parameters"]
        assert set(query) == {p["name"] for p in parameters if p["in"] == "query"}


async def test_needs_a_user(bridge: Bridge) -> None:
    """The document is for users only."""
    assert (await bridge.get("/asyncapi.json", headers={"Authorization": ""})).status == 403
