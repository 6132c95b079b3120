"""The route of a console's commands: its answer, its pages, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Server
from tests.support.console_client import bridge_of
from tests.support.waiting import until

SCRIPT = r"""
say() { printf '\033]133;%s\007' "$1"; }
for i in 1 2 3; do say "C;cmdline=echo\ $i"; echo "is $i"; say "D;$i"; done
say 'C;cmdline=sleep'; exec sleep 1000
"""


async def test_the_commands_of_a_console(bridge_server: Server) -> None:
    """All of them, or a page; a tail from a command's offset to its end is its output."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open(SCRIPT)

        async def answered() -> dict[str, Any] | None:
            status, answer = await bridge.ask("GET", f"consoles/{name}/commands")
            assert status == 200, answer
            return dict(answer) if len(answer["commands"]) == 4 else None

        answer = await until(answered, "the commands")
        found = answer["commands"]
        _, console = await bridge.ask("GET", f"consoles/{name}")
        assert (answer["console"], answer["epoch"]) == (name, console["epoch"])
        assert answer["truncated"] is False
        assert [(one["command"], one["exit_code"]) for one in found] == [
            *((f"echo {i}", i) for i in (1, 2, 3)),
            ("sleep", None),
        ]
        assert (found[3]["end_offset"], found[3]["cwd"]) == (None, None)
        for number, one in enumerate(found[:3], 1):
            assert console["started"][:19] <= one["time"] <= "9"
            place = f"tail/{name}?offset={one['offset']}&to={one['end_offset']}&format=raw"
            assert await bridge.text(place) == f"is {number}\r\n"
        query = f"consoles/{name}/commands?limit=2&before={found[3]['offset']}"
        _, page = await bridge.ask("GET", query)
        assert (page["commands"], page["truncated"]) == (found[1:3], True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=a", "limit"),
        ("before=-1", "before"),
    ],
)
async def test_a_bad_query_names_its_field(bridge_server: Server, query: str, field: str) -> None:
    """It is 400, as everywhere."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("sleep 1000")
        status, problem = await bridge.ask("GET", f"consoles/{name}/commands?{query}")
        assert (status, problem["error"], problem["field"]) == (400, "bad-request", field)


async def test_consoles_without_commands(bridge_server: Server) -> None:
    """A file has the marks that are in it; a name of no console is 404, with slashes in it, too."""
    async with bridge_of(bridge_server) as bridge:
        (bridge_server.root / "logs").mkdir()
        (bridge_server.root / "logs" / "a.log").write_text("plain\n")
        await bridge.text("tail/file:logs/a.log")
        for name in ("file:logs/a.log", "file%3Alogs%2Fa.log"):
            status, answer = await bridge.ask("GET", f"consoles/{name}/commands")
            assert (status, answer["commands"]) == (200, [])
        for name in ("nobody", "file:logs/b.log"):
            status, problem = await bridge.ask("GET", f"consoles/{name}/commands")
            assert (status, problem["error"]) == (404, "not-found")
        await bridge.ask("DELETE", "consoles/file:logs/a.log")
