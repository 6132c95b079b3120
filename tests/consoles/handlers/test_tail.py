"""tail over HTTP: where it begins and ends, what it says; resumed over websockets."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.support.console_client import bridge_of, frame, frames, output, said
from tests.support.waiting import until


async def test_tail_takes_lines_offset_and_since(bridge_server: Server) -> None:
    """lines=N, offset=N and since= each begin where they say, headers tell where that is."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 1000; printf unfinished; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=unfinished&timeout=60")
        assert await bridge.text(f"tail/{name}?lines=2") == "1000\r\nunfinished"
        assert await bridge.text(f"tail/{name}?lines=0") == ""
        assert (await bridge.text(f"tail/{name}")).startswith("952\r\n")
        assert (await bridge.text(f"tail/{name}?offset=0")).startswith("1\r\n2\r\n")
        assert (await bridge.text(f"tail/{name}?since=3600")).startswith("1\r\n2\r\n")
        assert await bridge.text(f"tail/{name}?since=2100-01-01T00:00:00Z") == ""
        assert (await bridge.text(f"tail/{name}?since=2020-01-01T00:00:00%2B01:00"))[:3] == "1\r\n"
        async with bridge.session.get(
            bridge.url(f"tail/{name}?lines=1"), headers=bridge_server.headers
        ) as answer:
            _, console = await bridge.ask("GET", f"consoles/{name}")
            assert int(answer.headers["Bridge-Offset"]) == console["end_offset"] - 10
            assert answer.headers["Bridge-Epoch"] == console["epoch"]
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert await answer.text() == "unfinished"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lines=-1", 400),
        ("lines=many", 400),
        ("offset=-5", 400),
        ("offset=99999999", 409),
        ("offset=0&epoch=other", 409),
        ("epoch=other", 400),
        ("lines=1&offset=1", 400),
        ("since=yesterday", 400),
        ("until=%28", 400),
        ("until=%28%3F%3Da%29", 400),
        ("timeout=-1", 400),
        ("strip=html", 400),
        ("format=xml", 400),
        ("to=-1", 400),
        ("to=99999999", 409),
        ("offset=2&to=1", 400),
        ("format=raw&strip=ansi", 400),
        ("follow=maybe", 400),
    ],
)
async def test_a_tail_that_cannot_be_is_a_problem(
    bridge_server: Server, query: str, status: int
) -> None:
    """Every bad argument is a Problem, over HTTP and as a refused handshake alike."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("printf abc; exec cat")
        await bridge.text(f"tail/{name}?until=abc&timeout=60")
        got, problem = await bridge.ask("GET", f"tail/{name}?{query}")
        assert got == status, problem
        assert problem["message"] == problem["reason"]
        if status == 409:
            assert {"epoch", "end_offset"} <= set(problem)
        for route in ("tail", "interact"):
            if (route, query) == ("interact", "to=99999999"):
                continue  # it follows, and so may wait for it
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await bridge.socket(f"{route}/{name}?{query}")
            assert refused.value.status == status


async def test_a_tail_ends_where_it_is_told_to(bridge_server: Server) -> None:
    """`to` is exclusive; what follows may wait for it, over HTTP and websockets alike."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty -opost -echo; printf 0123456789; read x; printf abc; cat")
        await bridge.text(f"tail/{name}?until=9&timeout=60")
        assert await bridge.text(f"tail/{name}?offset=2&to=5") == "234"
        assert await bridge.text(f"tail/{name}?offset=0&to=10") == "0123456789"
        assert await bridge.text(f"tail/{name}?offset=4&to=4") == ""
        assert await bridge.text(f"tail/{name}?offset=4&to=6&follow=true") == "45"
        async with bridge.socket(f"tail/{name}?offset=8&to=12&follow=true") as socket:
            assert await said(socket, b"89") == b"89"
            await bridge.ask("POST", f"send/{name}?newline=1")
            assert output(await frames(socket)) == b"ab"
            assert socket.close_code == 1000


async def test_a_journal_is_downloaded_byte_for_byte(bridge_server: Server) -> None:
    """`format=raw` leaves nothing out: no query, no byte that is not UTF-8."""
    said_there = b"a\x1b[6nb\xff\x00\x1b]11;?\x07\r\nend"
    async with bridge_of(bridge_server) as bridge:
        octal = "".join(f"\\{byte:03o}" for byte in said_there)
        name = await bridge.open(f"stty -opost; printf '{octal}'; exit 0", name="raw_1")
        await bridge.ended(name)
        for query, expected, offset in (
            ("offset=0", said_there, 0),
            ("offset=2&to=9", said_there[2:9], 2),
            ("lines=1", b"end", len(said_there) - 3),
            ("lines=0", b"", len(said_there)),
        ):
            async with bridge.session.get(
                bridge.url(f"tail/{name}?{query}&format=raw"),
                headers={**bridge_server.headers, "Accept": "*/*, application/x-ndjson"},
            ) as answer:
                assert answer.status == 200
                assert await answer.read() == expected
                assert answer.headers["Content-Type"] == "application/octet-stream"
                disposition = answer.headers["Content-Disposition"]
                assert disposition == 'attachment; filename="raw_1.log"'
                assert answer.headers["Bridge-Offset"] == str(offset)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await bridge.socket(f"tail/{name}?format=raw")
        assert refused.value.status == 400


async def test_a_download_leaves_gaps_out(bridge_server: Server) -> None:
    """What a file lost is not in its bytes, and the header tells where the first byte stood."""
    log = bridge_server.root / "gap é.log"
    log.write_text("gone\n")
    async with (
        bridge_of(bridge_server) as bridge,
        bridge.socket("tail/file:gap é.log?offset=0&follow=true") as socket,
    ):
        await frame(socket, wire.OutputFrame)
        log.write_text("x\n")
        gap = await frame(socket, wire.GapFrame)
        url = bridge.url("tail/file:gap é.log?offset=0&format=raw")
        async with bridge.session.get(url, headers=bridge_server.headers) as answer:
            assert await answer.read() == b"x\n"
            assert answer.headers["Bridge-Offset"] == str(gap.to)
            disposition = answer.headers["Content-Disposition"]
            assert disposition.endswith("filename*=UTF-8''file%3Agap%20%C3%A9.log.log")


async def test_until_waits_and_stops_right_behind_the_match(bridge_server: Server) -> None:
    """A script waits for a line without sleeping: the answer ends with what it waited for."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("read x; printf '\\033[1mrea\\033[0mdy now'; exec sleep 1000")
        waiting = asyncio.ensure_future(
            bridge.text(f"tail/{name}?lines=0&until=ready&timeout=60&strip=ansi")
        )

        async def watched() -> bool:
            return bool((await bridge.ask("GET", f"consoles/{name}"))[1]["viewers"])

        await until(watched, "a viewer")
        await bridge.ask("POST", f"send/{name}?newline=1")
        assert (await waiting).endswith("ready")
        text = await bridge.text(f"tail/{name}?until=r.a.y&format=ndjson&timeout=60")
        lines = [json.loads(line) for line in text.splitlines() if line]
        match = lines[-1]["match"]
        last = lines[-2]
        assert last["offset"] + len(last["data"].encode()) == match["to"]
        assert "".join(line.get("data", "") for line in lines).endswith("rea\x1b[0mdy")


async def test_until_that_never_comes_is_a_timeout(bridge_server: Server) -> None:
    """Nothing came: 504. Something came: the answer breaks off, which curl takes for a failure."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("echo something; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=something&timeout=60")
        status, problem = await bridge.ask("GET", f"tail/{name}?lines=0&until=x&timeout=0.2")
        assert (status, problem["error"]) == (504, "timeout")
        with pytest.raises(aiohttp.ClientPayloadError):
            await bridge.ask("GET", f"tail/{name}?until=xyz&timeout=0.2")
        text = await bridge.text(f"tail/{name}?until=xyz&timeout=0.2&format=ndjson")
        assert json.loads(text.splitlines()[-1])["problem"]["error"] == "timeout"
        assert await bridge.text(f"tail/{name}?follow=true&timeout=0.2") == "something\r\n"


async def test_ndjson_tells_bytes_exactly_and_the_exit(bridge_server: Server) -> None:
    """What is not UTF-8 comes as base64; the last line is the exit."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty -opost; printf 'a\\377b'; exit 3")
        await bridge.ended(name)
        text = await bridge.text(f"tail/{name}", Accept="application/x-ndjson")
        assert [json.loads(line) for line in text.splitlines()] == [
            {"offset": 0, "base64": "Yf9i"},
            {"exit": {"code": 3, "signal": None}},
        ]
        assert await bridge.text(f"tail/{name}") == "a\ufffdb"


async def test_the_cray_headers_mean_lines_and_follow(bridge_server: Server) -> None:
    """A client of the HPE/Cray console service asks in its own words."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 5; read x; echo six; exit 0")
        await bridge.text(f"tail/{name}?until=5&timeout=60")
        assert await bridge.text(f"tail/{name}", **{"Cray-Console-Lines": "2"}) == "4\r\n5\r\n"
        headers = {"Cray-Console-Lines": "1", "Cray-Console-Follow": "True"}
        async with bridge.socket(f"tail/{name}", v1=False, headers=headers) as socket:
            assert (await socket.receive()).data == "5\r\n"
            async with bridge.socket(f"interact/{name}", v1=False) as typist:
                await typist.send_str("a line without its newline")
                rest = [message.data async for message in socket]
        assert "".join(rest).endswith("six\r\n")
        for header in (
            {"Cray-Console-Lines": "x"},
            {"Cray-Console-Lines": "9" * 5000},
            {"Cray-Console-Lines": "-1"},
            {"Cray-Console-Lines": "1e3"},
            {"Cray-Console-Follow": "x"},
        ):
            status, _ = await bridge.ask("GET", f"tail/{name}", headers=header)
            assert status == 400


async def test_replayed_history_asks_a_terminal_nothing(bridge_server: Server) -> None:
    """Queries in history are left out, frames never span them; live ones come through."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open(
            "stty -echo; printf 'a\\033[6nb\\033]11;?\\007c'; read x; printf 'd\\033[6ne'; read x"
        )
        await bridge.text(f"tail/{name}?until=c&timeout=60")
        async with bridge.socket(f"interact/{name}?offset=0") as socket:
            pieces = [await frame(socket, wire.OutputFrame) for _ in range(3)]
            assert [(piece.offset, piece.data) for piece in pieces] == [
                (0, b"a"),
                (5, b"b"),
                (13, b"c"),
            ]
            await socket.send_bytes(wire.to_client_frame(wire.Input(b"\n")))
            assert b"d\x1b[6ne" in await said(socket, b"e")
        assert (await bridge.text(f"tail/{name}")).replace("\r\n", "") == "abcde"
        # Resumed inside of a query, its rest is left out, too.
        assert (await bridge.text(f"tail/{name}?offset=3")).startswith("bc")


async def test_a_thousand_disconnects_lose_and_repeat_nothing(bridge_server: Server) -> None:
    """Cut at any moment and resumed by offset, every byte comes exactly once."""
    count = 60
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 60000; exit 0")
        _, console = await bridge.ask("GET", f"consoles/{name}")
        got, cuts, done = b"", 0, False
        while not done:
            path = f"tail/{name}?offset={len(got)}&epoch={console['epoch']}&follow=true"
            async with bridge.socket(path) as socket:
                budget = (cuts * 7919) % 5 if cuts < count else None
                async for message in socket:
                    step = wire.from_server_frame(message.data)
                    if isinstance(step, wire.OutputFrame):
                        assert step.offset == len(got)
                        got += step.data
                    done = isinstance(step, wire.Ended)
                    if budget is not None and not done:
                        budget -= 1
                        if budget <= 0:
                            break
            cuts += 1
        assert got == b"".join(b"%d\r\n" % i for i in range(1, 60001))
