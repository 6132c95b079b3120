"""The search route: what is found, in which form, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import Server
from tests.consoles.handlers.test_patterns import HOSTILE, STALL, pulse, without_engine
from tests.support.console_client import Bridge, bridge_of
from tests.support.waiting import until

__all__ = ["without_engine"]


async def search(bridge: Bridge, text: str, **more: Any) -> dict[str, Any]:
    rest = "".join(f"&{name}={quote(str(value), safe='')}" for name, value in more.items())
    status, answer = await bridge.ask("GET", f"search?q={quote(text, safe='')}{rest}")
    assert status == 200, answer
    return dict(answer)


async def test_a_hit_says_where_its_line_is(bridge_server: Server) -> None:
    """Live and ended terminals and an open file: a tail from the offset shows the line first."""
    async with bridge_of(bridge_server) as bridge:
        (bridge_server.root / "s.log").write_text("first\nLOOK-FOR me too\n")
        live = await bridge.open(r"printf 'a\r\n\033[1mLOOK\033[0m-FOR it\r\n'; exec sleep 1000")
        ended = await bridge.open("printf 'LOOK-FOR \\377 this'")
        await bridge.ended(ended)
        await bridge.text(f"tail/{live}?until=it&timeout=60")
        await bridge.text("tail/file:s.log")
        found = await search(bridge, "LOOK-FOR")
        assert found.keys() == {"hits", "truncated"}
        assert found["truncated"] is False
        hits = {hit["console"]: hit for hit in found["hits"]}
        assert {name: hit["line"] for name, hit in hits.items()} == {
            live: "LOOK-FOR it",
            ended: "LOOK-FOR \ufffd this",
            "file:s.log": "LOOK-FOR me too",
        }
        _, consoles = await bridge.ask("GET", "consoles")
        for name, hit in hits.items():
            console = next(one for one in consoles if one["name"] == name)
            assert hit["epoch"] == console["epoch"]
            assert (hit["time"] is None) == (name == "file:s.log")
            assert hit["time"] is None or console["started"] <= hit["time"] <= "9"
            place = f"tail/{name}?offset={hit['offset']}&epoch={hit['epoch']}&strip=ansi"
            assert (await bridge.text(place)).splitlines()[0] == hit["line"]
        one = await search(bridge, "LOOK-FOR", console=live)
        assert [hit["console"] for hit in one["hits"]] == [live]
        assert (await search(bridge, "look-for", console=live))["hits"] == []
        pattern = await search(bridge, "(?i)look.*it$", regex="true")
        assert [hit["console"] for hit in pattern["hits"]] == [live]
        await bridge.ask("DELETE", "consoles/file:s.log")


async def test_one_hit_a_line(bridge_server: Server) -> None:
    """NDJSON has the same hits, by the query or the header; a last line if there is more."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 1 500; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=500&timeout=60")
        whole = await search(bridge, "1", console=name)
        for more, headers in (("&format=ndjson", {}), ("", {"Accept": "application/x-ndjson"})):
            url = bridge.url(f"search?q=1&console={name}{more}")
            headers = {**bridge_server.headers, **headers}
            async with bridge.session.get(url, headers=headers) as answer:
                assert answer.headers["Content-Type"].startswith("application/x-ndjson")
                lines = [json.loads(line) async for line in answer.content]
            assert lines == whole["hits"]
        text = await bridge.text(f"search?q=1&console={name}&limit=3&format=ndjson")
        lines = [json.loads(line) for line in text.splitlines()]
        assert lines == [*whole["hits"][:3], {"truncated": True, "unread": []}]
        assert (await search(bridge, "1", console=name, limit=3))["truncated"] is True


async def test_a_large_answer_is_whole(bridge_server: Server) -> None:
    """It is sent while it is found, and is the same JSON."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq -f %0300.0f 1 2000; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=2000&timeout=60")
        whole = await search(bridge, "0", console=name, limit=2000)
        assert (len(whole["hits"]), whole["truncated"]) == (2000, False)
        text = await bridge.text(f"search?q=0&console={name}&limit=2000&format=ndjson")
        assert [json.loads(line) for line in text.splitlines()] == whole["hits"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "q"),
        ("q=", 400, "q"),
        (f"q={'a' * 1001}", 400, "q"),
        (f"q={'a' * 20_000}", 400, "q"),
        ("q=a%0Ab", 400, "q"),
        ("q=%28&regex=true", 400, "q"),
        ("q=%28%3F%3Da%29&regex=true", 400, "q"),
        ("q=a&regex=perhaps", 400, "regex"),
        ("q=a&limit=-1", 400, "limit"),
        ("q=a&limit=0", 400, "limit"),
        ("q=a&limit=10001", 400, "limit"),
        ("q=a&limit=many", 400, "limit"),
        ("q=a&since=yesterday", 400, "since"),
        ("q=a&since=-5", 400, "since"),
        ("q=a&format=xml", 400, "format"),
        ("q=a&console=nobody", 404, None),
        ("q=a&console=file:nothing", 404, None),
        ("q=a&console=file:../x", 400, None),
    ],
)
async def test_a_search_that_cannot_be_is_a_problem(
    bridge_server: Server, query: str, status: int, field: str | None
) -> None:
    """Every bad argument is a Problem that names it; an unknown console names those there are."""
    async with bridge_of(bridge_server) as bridge:
        for form in ("", "&format=ndjson" if "format" not in query else ""):
            got, problem = await bridge.ask("GET", f"search?{query}{form}")
            assert got == status, problem
            assert problem.get("field") == field
            assert problem["message"] == problem["reason"]


async def test_a_time_to_come_finds_nothing(bridge_server: Server) -> None:
    """`since` in the future is no fault: a clock may be ahead. Spaces in the text count."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("echo 'one  two'; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=two&timeout=60")
        for since, hits in (("2100-01-01T00:00:00Z", 0), ("3600", 1), ("1e9", 1)):
            found = await search(bridge, "one  ", console=name, since=since)
            assert len(found["hits"]) == hits, since
        for text, hits in ((" two", 1), ("  two", 1), ("two ", 0), (" ", 1), ("   ", 0)):
            assert len((await search(bridge, text, console=name))["hits"]) == hits, text


async def test_a_search_holds_nobody_up_and_ends_with_its_client(bridge_server: Server) -> None:
    """Hostile patterns over megabytes, all at once; clients that leave end theirs."""
    async with bridge_of(bridge_server) as bridge:
        script = "stty -opost -echo; yes 'aaaaaaaaaaaaaaaaaaaa b' | head -c 6000000; echo; echo X;"
        name = await bridge.open(script + "exec sleep 1000")
        await bridge.text(f"tail/{name}?lines=0&until=X&timeout=60")

        async def look(pattern: str) -> None:
            query = f"search?q={quote(pattern, safe='')}&regex=true&console={name}&limit=5"
            status, answer = await bridge.ask("GET", query)
            assert (status, answer["truncated"]) == (200, len(answer["hits"]) == 5), pattern

        async with pulse(bridge) as took:
            slow = [asyncio.ensure_future(look(pattern)) for pattern in HOSTILE]
            await until(lambda: len(took) > 50)
            for one in slow:
                one.cancel()
            await asyncio.wait(slow)
            assert len((await search(bridge, "X", console=name))["hits"]) == 1
        assert max(took) < STALL
        assert not [one for one in slow if not one.cancelled() and one.exception()]


async def test_without_the_engine_text_is_found(without_engine: Server) -> None:
    """Text never needs google-re2; a pattern is 501, and says what to install."""
    async with bridge_of(without_engine) as bridge:
        name = await bridge.open("echo 'a.b (c)'; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=(c)&timeout=60".replace("(c)", "c"))
        assert len((await search(bridge, "a.b (c)", console=name))["hits"]) == 1
        assert len((await search(bridge, r"a\.b", regex="true", console=name))["hits"]) == 1
        status, problem = await bridge.ask("GET", "search?q=a.b&regex=true")
        assert (status, problem["error"], problem["field"]) == (501, "unsupported", "q")
        assert "pip install google-re2" in problem["message"]
