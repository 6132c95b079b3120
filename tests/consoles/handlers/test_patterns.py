"""`until=` against a real server: hostile patterns are answered, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.conftest import Server, start_server
from tests.support.console_client import Bridge, bridge_of

# What a loaded machine may take for an answer of a server that is not held up: `re` takes for ever.
STALL = 5.0
# Whether each matches 60 times `a` and `!`. `re` did not come to an end over most of them within
# 6 s; the rest, a filter on the syntax refused, or they are costly for RE2.
HOSTILE = {
    "(?:.|a)*X": False,
    "a*a*a*a*a*a*a*a*a*X": False,
    "(?:a{0,20}){0,20}X": False,
    "(a+)+$X": False,
    "(a|a)*X": False,
    "(a|aa)+X": False,
    "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)X": False,
    "(?:(?:a{0,10}){0,10}){0,9}X": False,
    "(?:a?){60}a{60}X": False,
    r"(?i)(?:\w+\s?)*X": False,
    r"([a-z]+)*\d": False,
    "(?:.{0,19}){0,19}X": False,
    "(?:a?){500}X": False,
    "[ab]*a[ab]{800}X": False,
    r"(?:\pL\pN?)*X": False,
    "(?:a?){60}a{60}": True,
    "(?:a+)+!": True,
    "^(a|aa)+!$": True,
    "(?:(?:a*)*)*!": True,
}


def at(pattern: str, **more: Any) -> str:
    rest = "".join(f"&{name}={value}" for name, value in more.items())
    return f"?until={quote(pattern, safe='')}&format=ndjson{rest}"


@contextlib.asynccontextmanager
async def pulse(bridge: Bridge) -> AsyncIterator[list[float]]:
    """How long the server takes to answer something else meanwhile, in seconds."""
    took: list[float] = []

    async def ask() -> None:
        while True:
            begin = time.perf_counter()
            status, _ = await bridge.ask("GET", "consoles")
            took.append(time.perf_counter() - begin)
            assert status == 200
            await asyncio.sleep(0.02)

    asking = asyncio.ensure_future(ask())
    try:
        yield took
    finally:
        asking.cancel()
        await asyncio.wait({asking})


def last(text: str) -> dict[str, Any]:
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines() if line]
    return lines[-1]


async def test_hostile_patterns_hold_nobody_up(bridge_server: Server) -> None:
    """All at once, on tail and interact: each finds what is there, or waits for it as asked."""
    async with bridge_of(bridge_server) as bridge:
        text = "a" * 60 + "!"
        name = await bridge.open(f"stty -echo; printf '{text}\\n'; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=!&timeout=60")

        async def look(pattern: str, found: bool) -> None:
            said = last(await bridge.text(f"tail/{name}{at(pattern, timeout=0.5)}"))
            assert ("match" in said) is found, (pattern, said)
            if not found:
                assert said["problem"]["error"] == "timeout"

        async def sit(pattern: str, found: bool) -> None:
            async with bridge.socket(f"interact/{name}{at(pattern, timeout=0.5)}") as socket:
                async for _ in socket:
                    pass
                assert socket.close_code == (1000 if found else 4504)

        async with pulse(bridge) as took:
            await asyncio.gather(*(look(*one) for one in HOSTILE.items()))
            await asyncio.gather(*(sit(*one) for one in HOSTILE.items()))
        assert max(took) < STALL


async def test_a_whole_journal_is_looked_through_beside_the_others(bridge_server: Server) -> None:
    """Megabytes of text, in pieces: cheap patterns and costly ones, and text full of escapes."""
    async with bridge_of(bridge_server) as bridge:
        script = (
            "stty -opost -echo; yes aaaaaaaaaaaaaaaaaaaaaaaaab | head -c 7000000;"
            "printf '\\033[mb' | yes \"$(cat)\" | tr -d '\\n' | head -c 1000000; echo X;"
        )
        name = await bridge.open(script + "exec sleep 1000")
        await bridge.text(f"tail/{name}?lines=0&until=X&timeout=60")

        async def look(pattern: str) -> Any:
            tail = b""
            url = bridge.url(f"tail/{name}{at(pattern, offset=0)}")
            async with bridge.session.get(url, headers=bridge_server.headers) as answer:
                async for data in answer.content.iter_any():
                    tail = (tail + data)[-4096:]
            return last("{" + tail.decode().rsplit("\n{", 1)[-1])

        async with pulse(bridge) as took:
            found = await asyncio.gather(look("X"), look("[^ab\\n]"), look("(?:a|ab|b\\n)*X$"))
            assert found[0] == found[1]
            assert found[0]["match"]["to"] == 8000001
            assert found[2]["match"]["to"] == 8000001
        assert max(took) < STALL


@pytest.fixture(scope="module")
def without_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose Python has no google-re2."""
    folder: Path = tmp_path_factory.mktemp("without")
    (folder / "shadow" / "re2").mkdir(parents=True)
    (folder / "shadow" / "re2" / "__init__.py").write_text("raise ImportError('no wheel')\n")
    path = os.pathsep.join([str(folder / "shadow"), os.environ.get("PYTHONPATH", "")])
    server = start_server(folder, env={"PYTHONPATH": path})
    try:
        yield server
    finally:
        server.stop()


async def test_without_the_engine_text_is_still_found(without_engine: Server) -> None:
    """Patterns are 501 and say what to install, as answers and as refused handshakes."""
    async with bridge_of(without_engine) as bridge:
        name = await bridge.open("printf 'tests passed.\\r\\n'; exec sleep 1000")
        said = last(await bridge.text(f"tail/{name}{at('passed', timeout=60)}"))
        assert "match" in said
        escaped = at(r"passed\.", timeout=60)
        assert "match" in last(await bridge.text(f"tail/{name}{escaped}"))
        status, problem = await bridge.ask("GET", f"tail/{name}{at('passed.')}")
        assert (status, problem["error"], problem["field"]) == (501, "unsupported", "until")
        assert "pip install google-re2" in problem["message"]
        for route in ("tail", "interact"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await bridge.socket(f"{route}/{name}?until=a%2B")
            assert refused.value.status == 501
