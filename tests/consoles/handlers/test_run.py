"""The run routes on a real server: waited for, streamed, asked for later, refused."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from tests.conftest import Server
from tests.support.waiting import PATIENCE


class Api:
    """The routes below /bridge, with the token."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self.server.headers, **options.pop("headers", {})}
        return self.session.request(
            method, f"{self.server.url}bridge/{path}", headers=headers, **options
        )

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self.request(method, path, **options) as answer:
            said = await answer.read()
            return answer.status, json.loads(said) if said else None, answer.headers

    async def run(self, command: str, headers: Any = None, **body: Any) -> tuple[int, Any, Any]:
        return await self.ask(
            "POST", "run", json={"command": command, **body}, headers=headers or {}
        )

    async def until(self, run: str, done: Callable[[Any], bool]) -> Any:
        while True:
            _, answer, _ = await self.ask("GET", f"runs/{run}?wait=0.05")
            if done(answer):
                return answer


@pytest.fixture
def api(bridge_server: Server, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Api]:
    """The routes of a real server."""

    async def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))

    opened = jp_asyncio_loop.run_until_complete(session())
    yield Api(bridge_server, opened)
    jp_asyncio_loop.run_until_complete(opened.close())


@pytest.fixture
def bash(api: Api, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """The name of a warm bash, which is ended afterwards."""
    name = f"run_{uuid.uuid4().hex[:8]}"
    body = {"name": name, "shell_command": ["bash", "--norc", "-i"]}
    opening = api.ask("POST", "consoles", json=body)
    status, said, _ = jp_asyncio_loop.run_until_complete(opening)
    assert status == 201, said
    yield name
    jp_asyncio_loop.run_until_complete(api.ask("DELETE", f"consoles/{name}?purge=1"))


async def test_waits_for_the_answer(api: Api, bash: str) -> None:
    """A run is answered when it has ended, names itself in Location, and can be read again."""
    status, answer, headers = await api.run("echo hi; (exit 3)", console=bash, queue=True)
    assert status == 200
    assert (answer["status"], answer["output"], answer["exit_code"]) == ("done", "hi\n", 3)
    assert headers["Location"].endswith(f"/bridge/runs/{answer['run']}")
    assert "stdout" not in answer
    for _ in range(2):
        assert (await api.ask("GET", f"runs/{answer['run']}"))[1] == answer


async def test_split_and_binary(api: Api, bash: str) -> None:
    """Bytes that are no text come in base64 beside the text."""
    _, answer, _ = await api.run(
        "printf '\\377'; echo é >&2", console=bash, queue=True, output="split"
    )
    assert (answer["stdout"], answer["stdout_base64"]) == ("\ufffd", "/w==")
    assert answer["stderr"] == "é\n"
    assert "stderr_base64" not in answer


async def test_streams_ndjson(api: Api, bash: str) -> None:
    """Output comes as it is written, and `done` closes with the status."""
    body = {"command": "echo a; read x; echo b$x; (exit 4)", "console": bash, "queue": True}
    headers = {"Accept": "application/x-ndjson"}
    text = ""
    async with api.request("POST", "run", json=body, headers=headers) as answer:
        run = answer.headers["Location"].rpartition("/")[2]
        async for line in answer.content:
            if not line.strip():
                continue
            event = json.loads(line)
            if event["event"] == "output":
                text += event["data"]["text"]
                if text == "a\n":
                    status, _, _ = await api.ask("POST", f"runs/{run}/input", data=b"in\n")
                    assert status == 204
    assert text == "a\nin\nbin\n"
    assert event["event"] == "done"
    assert (event["data"]["status"], event["data"]["exit_code"]) == ("done", 4)


async def test_streams_again_from_an_id(api: Api, bash: str) -> None:
    """Server-sent events go on behind Last-Event-ID."""
    _, answer, _ = await api.run("printf 0123456789", console=bash, queue=True)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "4"}
    async with api.request("GET", f"runs/{answer['run']}", headers=headers) as stream:
        text = await stream.text()
    first, last = text.strip().split("\n\n")
    assert first.splitlines()[:2] == ["id: 10", "event: output"]
    assert json.loads(first.partition("data: ")[2])["text"] == "456789"
    assert "event: done" in last


async def test_asked_for_later(api: Api, bash: str) -> None:
    """`respond-async` answers 202 at once, `wait=` after so long; DELETE stops the run."""
    more = {"console": bash, "queue": True}
    for prefer in ("respond-async", "wait=0.05"):
        status, answer, headers = await api.run("sleep 100", {"Prefer": prefer}, **more)
        assert status == 202
        assert headers["Location"].endswith(answer["run"])
        await api.until(answer["run"], lambda said: said["status"] == "running")
        assert (await api.ask("DELETE", f"runs/{answer['run']}"))[0] == 202
        said = await api.until(answer["run"], lambda said: said["exit_code"] is not None)
        assert (said["status"], said["exit_code"], said["signal"]) == ("cancelled", 130, "SIGINT")


async def test_timeout_is_an_answer(api: Api, bash: str) -> None:
    """A command that takes too long is 200 with `timeout`, and what it had written."""
    more = {"console": bash, "queue": True, "timeout": 1}
    status, answer, _ = await api.run("echo a; sleep 100", **more)
    assert (status, answer["status"], answer["exit_code"]) == (200, "timeout", 130)
    assert answer["output"].startswith("a\n")


async def test_the_same_key_is_the_same_run(api: Api, bash: str) -> None:
    """A request that is sent twice runs once."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    more = {"console": bash, "queue": True}
    answers = await asyncio.gather(*(api.run("date +%N", key, **more) for _ in range(3)))
    assert len({answer["output"] for _, answer, _ in answers}) == 1
    assert (await api.run("false", key, **more))[0] == 409


async def test_busy(api: Api, bash: str) -> None:
    """A shell that is at work is 409 `busy`, and says with what."""
    _, answer, _ = await api.run("sleep 100", {"Prefer": "respond-async"}, console=bash, queue=True)
    await api.until(answer["run"], lambda said: said["status"] == "running")
    status, problem, _ = await api.run("true", console=bash)
    assert (status, problem["error"], problem["run"]) == (409, "busy", answer["run"])
    await api.ask("DELETE", f"runs/{answer['run']}")


async def test_fresh_and_ended(api: Api, bash: str) -> None:
    """Without a console a login shell runs it and goes; an ended console is 410."""
    status, answer, _ = await api.run("echo fresh; exit 7")
    assert (status, answer["status"], answer["exit_code"]) == (200, "session-closed", 7)
    assert answer["output"] == "fresh\n"
    await api.run("exit", console=bash, queue=True)
    status, problem, _ = await api.run("true", console=bash)
    assert (status, problem["error"]) == (410, "gone")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "command"),
        ({"command": 1}, 400, "command"),
        ({"command": "a\0b"}, 400, "command"),
        ({"command": "true", "timeout": 0}, 400, "timeout"),
        ({"command": "true", "output": "both"}, 400, "output"),
        ({"command": "true", "nope": 1}, 400, "nope"),
        ({"command": "true", "cwd": "/no/such"}, 400, "cwd"),
        ({"command": "true", "env": {"A=B": "c"}}, 400, "env"),
        ({"command": "true", "max_output": -1}, 400, "max_output"),
        ({"command": "true", "console": "no_such_console"}, 404, None),
        ({"command": "x" * (1 << 20)}, 413, None),
    ],
)
async def test_bad_input(api: Api, body: dict[str, Any], status: int, field: str | None) -> None:
    """What cannot be run is refused with a sentence, and names the field."""
    content = io.BytesIO(json.dumps(body).encode())  # aiohttp warns of large bytes
    found, problem, _ = await api.ask("POST", "run", data=content)
    assert found == status
    assert problem["message"]
    assert problem.get("field") == field


async def test_a_command_of_a_megabyte(api: Api, bash: str) -> None:
    """A command as long as a body may be is run, and its output is whole."""
    word = "x" * 1_000_000
    body = {"command": f"echo {word}", "console": bash, "queue": True}
    content = io.BytesIO(json.dumps(body).encode())
    status, answer, _ = await api.ask("POST", "run", data=content)
    assert (status, answer["exit_code"]) == (200, 0)
    assert answer["output"] == word + "\n"


async def test_unknown_runs(api: Api) -> None:
    """A run that is not there is 404 for every verb."""
    for method, path in (("GET", "runs/x"), ("DELETE", "runs/x"), ("POST", "runs/x/input")):
        status, problem, _ = await api.ask(method, path)
        assert (status, problem["error"]) == (404, "not-found")
