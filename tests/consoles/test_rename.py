"""A terminal gets another name; its programs, viewers and journal go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.problems import BadRequest, Conflict, NotFound, Unsupported
from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.consoles.conftest import house, says
from tests.support.console_client import bridge_of, frame, said
from tests.support.waiting import until


async def test_viewers_go_on(bridge_server: Server) -> None:
    """Who looks sees what comes; who comes back by the first name finds it, too."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty -echo; echo ready; exec cat")
        new = f"{name}_renamed"
        async with bridge.socket(f"interact/{name}") as socket:
            assert await said(socket, b"ready")
            status, model = await bridge.ask("PATCH", f"consoles/{name}", json={"name": new})
            assert (status, model["name"], model["state"]) == (200, new, "live")
            bridge.mine.append(new)
            for place in (name, new):
                await bridge.ask("POST", f"send/{place}?newline=1", data=place.encode())
                assert await said(socket, f"{place}\r\n".encode())
                async with bridge.socket(f"tail/{place}") as again:
                    assert (await frame(again, wire.Start)).about["name"] == new
        _, found = await bridge.ask("GET", "consoles")
        assert [one["name"] for one in found if one["name"] in (name, new)] == [new]
        status, problem = await bridge.ask("POST", "consoles", json={"name": name})
        assert (status, problem["error"]) == (409, "conflict")
        assert (await bridge.ask("DELETE", f"consoles/{new}"))[0] == 204
        assert (await bridge.ask("GET", f"tail/{name}"))[0] == 404


async def test_the_name_outlives_the_server(tmp_path: Path) -> None:
    """Its journal is found under the new name after a restart; an ended one is renamed, too."""
    async with house(tmp_path) as consoles:
        console = await consoles.create(TerminalOptions(name="one"))
        await console.write(b"echo he''re\n")
        await says(console, b"here")
        assert await consoles.rename("one", "two") is console
        assert consoles.get("one") is console
        await consoles.end("two")
        await until(lambda: console.state == "ended")
        await consoles.rename("two", "three")
        with pytest.raises(NotFound):
            consoles.get("two")
    async with house(tmp_path) as consoles:
        assert [one.name for one in consoles] == ["three"]
        assert b"here" in consoles.get("three").read(0, 1000)


async def test_what_cannot_be_renamed_is_refused(tmp_path: Path) -> None:
    """A name that is taken or no name, a console that is no terminal of this server."""
    async with house(tmp_path) as consoles:
        (tmp_path / "root" / "log").write_text("x")
        await consoles.create(TerminalOptions(name="one"))
        two = await consoles.create(TerminalOptions(name="two"))
        await consoles.open("file:log")
        for name, new, problem in (
            ("one", "two", Conflict),
            ("one", "new", BadRequest),
            ("one", "a b", BadRequest),
            ("one", "kernel:x", BadRequest),
            ("nope", "three", NotFound),
            ("file:log", "three", Unsupported),
        ):
            with pytest.raises(problem):
                await consoles.rename(name, new)
        assert (await consoles.rename("one", "one")).name == "one"
        # An ended console gives its name away, as to a new terminal.
        await consoles.end("two")
        await consoles.rename("one", "two")
        assert consoles.get("two") is not two
        assert two.name == f"two~{two.epoch}"
        assert (await consoles.rename("two", "one")).name == "one"
