"""The document, the routes and the real answers agree."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from tests.kernels.conftest import bridge
from tests.support.kernel_client import Bridge

__all__ = ["bridge"]  # a fixture

PATHS = {
    "/": {"get"},
    "/openapi.json": {"get"},
    "/asyncapi.json": {"get"},
    "/kernels": {"get"},
    "/kernels/{kernel_id}": {"get"},
    "/spawn/{kernelspec}": {"get", "post"},
    "/shutdown/{kernel_id}": {"get", "post", "delete"},
    "/interrupt/{kernel_id}": {"post"},
    "/restart/{kernel_id}": {"post"},
    "/execute": {"post"},
    "/execute/{kernel_id}": {"post"},
    "/executions/{execution_id}": {"get", "delete"},
    "/executions/{execution_id}/input": {"post"},
    **{
        f"/{seat}/{{kernel_id}}": {"get"}
        for seat in ("channels", "shell", "iopub", "stdin", "stdio", "control")
    },
    "/consoles": {"get", "post"},
    "/consoles/{name}": {"get", "patch", "delete"},
    "/tail/{name}": {"get"},
    "/interact/{name}": {"get"},
    "/send/{name}": {"post"},
    "/recording/{name}": {"get"},
    "/search": {"get"},
    "/consoles/{name}/commands": {"get"},
    "/run": {"post"},
    "/runs/{run_id}": {"get", "delete"},
    "/runs/{run_id}/input": {"post"},
    "/kinds": {"get"},
    "/conns": {"get", "post"},
    "/conn/{name}": {"get", "put", "delete"},
    "/conn/{name}/browse/{path}": {"get"},
    "/dataset/{conn}": {"post"},
    "/dataset/{conn}/{perm_id}": {"get"},
    "/dataset/{conn}/{perm_id}/{path}": {"get", "post"},
    "/content/{conn}/{perm_id}/{file}": {"get"},
    "/datasetTypes/{conn}": {"get"},
    "/sample/{conn}/{identifier}": {"get"},
    "/transfers": {"get", "post"},
    "/transfers/{transfer_id}": {"get", "delete"},
    "/transfers/{transfer_id}/pause": {"post"},
    "/transfers/{transfer_id}/resume": {"post"},
    "/requirements": {"post"},
    "/environment/{kernel_id}": {"post"},
}


async def document(bridge: Bridge) -> Any:
    answer = await bridge.get("/openapi.json")
    assert answer.status == 200
    return answer.json


async def test_valid(bridge: Bridge) -> None:
    """The document is valid OpenAPI 3.1, and no operation id stands twice."""
    described = await document(bridge)
    validate(described)
    ids = [
        operation["operationId"]
        for path in described["paths"].values()
        for operation in path.values()
    ]
    assert len(ids) == len(set(ids))
    assert described["servers"] == [{"url": "/bridge"}]


async def test_names_every_route(bridge: Bridge) -> None:
    """Every route of the contract is described with its verbs, and says what it is."""
    paths = (await document(bridge))["paths"]
    assert {path: set(verbs) for path, verbs in paths.items()} == PATHS
    for path in paths.values():
        for operation in path.values():
            assert operation["summary"]


def check(described: Any, path: str, verb: str, status: int, body: Any) -> None:
    """`body` fits the schema that the document gives for this answer."""
    operation = described["paths"][path][verb]
    responses = operation["responses"]
    response = responses.get(str(status), responses["default"])
    schema = response["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": described["components"]}).validate(
        body
    )


async def test_answers_are_as_described(bridge: Bridge) -> None:
    """Real answers, good and bad, fit the schemas of the document."""
    described = await document(bridge)
    spawned = await bridge.post("/spawn/python3", {"name": "x"})
    kernel_id = spawned.json["id"]
    check(described, "/spawn/{kernelspec}", "post", spawned.status, spawned.json)
    calls = [
        ("GET", "/", "/", None),
        ("GET", "/kernels", "/kernels", None),
        ("GET", "/kernels/{kernel_id}", f"/kernels/{kernel_id}", None),
        ("POST", "/execute/{kernel_id}", f"/execute/{kernel_id}", {"code": "1/0"}),
        ("POST", "/execute/{kernel_id}", f"/execute/{kernel_id}", {"code": "print(1); 2"}),
        ("POST", "/execute/{kernel_id}", f"/execute/{kernel_id}", {"nope": 1}),
        ("POST", "/interrupt/{kernel_id}", f"/interrupt/{kernel_id}", None),
        ("GET", "/executions/{execution_id}", "/executions/nope", None),
        ("POST", "/spawn/{kernelspec}", "/spawn/nope", {}),
        ("DELETE", "/shutdown/{kernel_id}", f"/shutdown/{kernel_id}", None),
        ("DELETE", "/shutdown/{kernel_id}", f"/shutdown/{kernel_id}", None),
    ]
    for method, path, real, body in calls:
        answer = await bridge.call(method, real, body)
        check(described, path, method.lower(), answer.status, answer.json)


async def test_bodies_are_as_described(bridge: Bridge) -> None:
    """A body that the schema refuses is refused, and the other way round."""
    described = await document(bridge)
    operation = described["paths"]["/execute/{kernel_id}"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": described["components"]})
    async with bridge.kernel() as kernel_id:
        for body, good in (
            ({"code": "1"}, True),
            ({"code": "1", "timeout": 5, "inputs": ["a"]}, True),
            ({"code": 1}, False),
            ({"code": "1", "on_timeout": "x"}, False),
            ({"code": "1", "more": 1}, False),
            ({}, False),
        ):
            assert validator.is_valid(body) == good
            answer = await bridge.post(f"/execute/{kernel_id}", body)
            assert (answer.status == 200) == good, answer


async def test_says_what_would_do(bridge: Bridge) -> None:
    """A method that a route does not have is 405 with those it has in Allow, as is described."""
    for path, verbs in PATHS.items():
        missing = "PATCH" if "patch" not in verbs else "PUT"
        answer = await bridge.call(missing, path.format_map(Anything()))
        assert answer.status == 405, (path, answer)
        allowed = {method.lower() for method in answer.headers["Allow"].split(", ")}
        assert allowed - {"options"} == verbs, path


class Anything(dict[str, str]):
    """A name for each of a path's names."""

    def __missing__(self, name: str) -> str:
        return "x"


@pytest.mark.parametrize("path", ["/openapi.json", "/"])
async def test_needs_a_user(bridge: Bridge, path: str) -> None:
    """The document and the index are for users only."""
    answer = await bridge.get(path, headers={"Authorization": ""})
    assert answer.status == 403
