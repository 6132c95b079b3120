"""Requests made from openapi.json, good and bad, against a real server: the answers are as it says.

What is in the way of a request (kernels, consoles, connections) exists, and is named in half of
the requests; commands that are run are harmless ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from tests.conftest import Server, start_server
from tests.support.asking import ask
from tests.test_openapi import PATHS

SHORT, LONG = 6, 200
# A request that waits for something waits this long at most, seconds.
PATIENCE = 30
# What JSON Schema cannot say: rules between two fields, names of variables, files that must exist.
# A request that breaks one of them is refused with a sentence, and is none of the document's lies.
# The other one counts every 5xx; here 501 to 504 are Problems that the contract names.
NOT_ASKED = {"positive_data_acceptance", "not_a_server_error"}


@dataclass
class Subject:
    """A server, its document, and what there is on it."""

    server: Server
    described: dict[str, Any]
    names: dict[str, list[str]]
    seen: dict[str, set[int]] = field(default_factory=dict)

    @property
    def alarms(self) -> list[str]:
        return re.findall(r"Internal error.*|never retrieved.*", self.server.log.read_text())


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    folder = tmp_path_factory.mktemp("conformance")
    store = folder / "root" / "store"
    (store / "a").mkdir(parents=True)
    (store / "a" / "one.txt").write_text("one")
    server = start_server(folder, env={"HOME": str(folder)})
    try:
        kernel = ask(server, "POST", "bridge/spawn/python3", {})["id"]
        ask(server, "POST", "bridge/conns", {"name": "lab", "url": str(store)})
        ask(server, "POST", "bridge/consoles", {"name": "one"})
        names = {
            "kernel_id": [kernel],
            "kernelspec": ["bash", "python3"],
            "execution_id": [
                ask(server, "POST", f"bridge/execute/{kernel}", {"code": "1"})["execution"]
            ],
            "run_id": [ask(server, "POST", "bridge/run", {"command": "true"})["run"]],
            "name": ["lab", "one", f"kernel:{kernel}"],
            "conn": ["lab"],
            "perm_id": ["a"],
            "identifier": ["a"],
            "path": ["a", "store/a"],
            "file": ["one.txt"],
        }
        yield Subject(server, ask(server, "GET", "bridge/openapi.json"), names)
    finally:
        server.stop()


@pytest.fixture
def schema(subject: Subject) -> Any:
    # Made-up tokens and cookies would only be refused; tests/web/test_access.py is about those.
    document = {**subject.described, "security": []}
    described = schemathesis.openapi.from_dict(document)
    described.config.update(base_url=f"{subject.server.url}bridge")

    @described.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        for name, value in (path_parameters or {}).items():
            known = subject.names.get(name)
            if known and isinstance(value, str) and len(value) % 2:
                path_parameters[name] = known[len(value) // 2 % len(known)]
        return path_parameters

    @described.hook
    def map_query(context: Any, query: Any) -> Any:
        # What follows a live console would wait for the next thing it says. Text that has begun
        # can tell a deadline only by breaking off; a line of NDJSON tells it.
        if isinstance(query, dict) and {"follow", "until"} & set(query):
            query.update(timeout="0.05", format="ndjson")
        return query

    @described.hook
    def map_body(context: Any, body: Any) -> Any:
        if isinstance(body, dict):
            if isinstance(body.get("command"), str):
                body["command"] = "true"
            words = body.get("shell_command")
            if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
                body["shell_command"] = ["true"]
            if isinstance(body.get("code"), str):
                body["code"] = "1"
        return body

    return described


def _ends_something(operation: tuple[str, str]) -> bool:
    return operation[1] == "DELETE" or "shutdown" in operation[0]


# What takes away what the others need comes last.
OPERATIONS = sorted(
    ((path, verb.upper()) for path, verbs in PATHS.items() for verb in verbs),
    key=lambda operation: (_ends_something(operation), operation),
)
EACH = pytest.mark.parametrize(
    ("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS]
)


def check(subject: Subject, schema: Any, path: str, method: str, examples: int) -> None:
    """Ask one operation so often, with good and with bad requests, and check each answer."""
    load_all_checks()
    left_out = [check for check in CHECKS.get_all() if check.__name__ in NOT_ASKED]
    assert len(left_out) == len(NOT_ASKED)
    bounds = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    operation = schema[path][method]
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        if mode is GenerationMode.NEGATIVE and not can_be_wrong(operation):
            continue

        @bounds
        @given(operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            answer = case.call_and_validate(
                headers=subject.server.headers, excluded_checks=left_out, timeout=PATIENCE
            )
            assert answer.status_code != 500, answer.content
            subject.seen.setdefault(f"{method} {path}", set()).add(answer.status_code)
            if path == "/spawn/{kernelspec}" and answer.status_code < 300:
                # Hundreds at the same time would be more than the server may open files.
                ask(subject.server, "DELETE", f"bridge/shutdown/{answer.json()['id']}")

        call()


def can_be_wrong(operation: Any) -> bool:
    """Whether there is anything in a request that could be of a wrong type."""
    raw = operation.definition.raw
    body = raw.get("requestBody", {"content": {}})["content"]
    return bool([p for p in raw["parameters"] if p["in"] == "query"] or "application/json" in body)


@EACH
def test_answers(subject: Subject, schema: Any, path: str, method: str) -> None:
    """Whatever is asked, the answer's status, type and body are described, and none is a 500."""
    check(subject, schema, path, method, SHORT)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@EACH
def test_answers_at_length(subject: Subject, schema: Any, path: str, method: str) -> None:
    """The same, with many more requests."""
    check(subject, schema, path, method, LONG)


def test_no_internal_errors(subject: Subject) -> None:
    """After all of them the server has no internal error in its log, and still answers.

    The requests were not all in vain: most operations have succeeded with one of them.
    """
    assert subject.alarms == []
    if len(subject.seen) == len(OPERATIONS):
        good = {name for name, statuses in subject.seen.items() if min(statuses) < 300}
        assert len(good) >= 30, sorted(set(subject.seen) - good)
    assert ask(subject.server, "GET", "bridge/kernels") is not None
