"""openbis_compat: jupyter-openbis-server's requests, answered as it answers them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start_server
from tests.simulators.openbis.record import REQUESTS, ask, store

VECTORS = Path(__file__).parents[2] / "vectors" / "openbis-server.json"
RECORDED: dict[str, Any] = json.loads(VECTORS.read_text())


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the bridge answers to the same requests, in the same order."""
    folder = tmp_path_factory.mktemp("compat")
    with store(folder / "openbis") as (simulator, perm_id):
        server = start_server(
            folder,
            "--BridgeApp.openbis_compat=True",
            "--BridgeApp.allow_loopback=True",
            env={"HOME": str(folder)},
        )
        try:
            yield ask(server, simulator, perm_id)
        finally:
            server.stop()


def expected(name: str) -> dict[str, Any]:
    """What is recorded, but for what differs on purpose (see handlers/compat)."""
    answer = dict(RECORDED[name])
    if answer["text"].startswith('{"status": 200, "statusText"'):
        answer["text"] = answer["text"][:-1] + ', "permId": "{made}"}'
    if name == "login to none":
        answer["text"] = '{"reason": "No such connection: absent"}'
    return answer


def test_every_request_is_recorded() -> None:
    """The vectors were made from the requests as they are now."""
    assert list(RECORDED) == [name for name, *_ in REQUESTS]


@pytest.mark.parametrize("name", RECORDED)
def test_an_answer_is_the_same(ours: dict[str, Any], name: str) -> None:
    """Status, type and every byte are those of jupyter-openbis-server 0.5.0."""
    assert ours[name] == expected(name)
