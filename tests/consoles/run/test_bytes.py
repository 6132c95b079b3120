"""Folders, commands, variables and input of any bytes, in every shell."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest

from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import BadRequest
from tests.support.shells import SHELLS, Desk, d
from tests.support.waiting import until

__all__ = ["d"]


@pytest.mark.parametrize("shell", SHELLS)
class TestEveryShell:
    async def test_any_bytes(self, d: Desk, shell: str) -> None:
        """A folder, a command, a variable and an input that are not UTF-8 arrive as they are."""
        await d.open(shell)
        folder = os.fsencode(d.home) + b"/caf\xe9"
        os.mkdir(folder)
        answer = await d.run(
            None,
            shell,
            command_base64=b"pwd; printf '%s|' \"$X\" \"$Y\" '\xff'; cat",
            cwd_base64=folder,
            env={"Y": "é"},
            env_base64={"X": b"\xfe1"},
            stdin_base64=b"a\r\n\xfd",
        )
        exact = base64.b64decode(str(answer.output_base64))
        assert exact == folder + b"\n\xfe1|" + "é".encode() + b"|\xff|a\r\n\xfd"
        assert (answer.exit_code, answer.cwd_base64) == (0, folder)
        assert answer.cwd == folder.decode(errors="replace")

    async def test_every_run_in_such_a_folder(self, d: Desk, shell: str) -> None:
        """A shell that stands in such a folder takes runs, and each answer names the folder."""
        await d.open(shell)
        folder = os.fsencode(d.home) + b"/\xff"
        os.mkdir(folder)
        await d.run("true", shell, cwd_base64=folder)
        for output in ("tty", "split"):
            run = await d.start("echo here", shell, output=output, queue=True)
            events = [event async for event in run.events()]
            assert events[-1][2].cwd_base64 == folder


async def test_fresh_shell(d: Desk) -> None:
    """A fresh shell starts in such a folder, with such a variable."""
    folder = os.fsencode(d.home) + b"/\xff"
    os.mkdir(folder)
    answer = await d.run("pwd; echo $X", None, cwd_base64=folder, env_base64={"X": b"\xfe"})
    assert base64.b64decode(str(answer.output_base64)) == folder + b"\n\xfe\n"


async def test_new_terminal(d: Desk) -> None:
    """A terminal opens in such a folder."""
    folder = os.fsencode(d.home) + b"/\xff"
    os.mkdir(folder)
    command = ["/bin/sh", "-c", "pwd"]
    console = await d.consoles.create(TerminalOptions(cwd_base64=folder, shell_command=command))
    await until(lambda: console.state == "ended")
    assert console.newest(4096) == folder + b"\r\n"


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("command", {}),
        ("command", {"command": "true", "command_base64": b"true"}),
        ("command", {"command_base64": b"a\0b"}),
        ("cwd", {"command": "true", "cwd": "/", "cwd_base64": b"/"}),
        ("cwd", {"command": "true", "cwd_base64": b"/no/\xff"}),
        ("stdin", {"command": "true", "stdin": "", "stdin_base64": b""}),
        ("env", {"command": "true", "env": {"A": "1"}, "env_base64": {"A": b"2"}}),
        ("env", {"command": "true", "env_base64": {"A": b"\0"}}),
        ("env", {"command": "true", "env_base64": {"a-b": b"1"}}),
        ("env", {"command": "true", "env": {"A": "\udcff"}}),
    ],
)
async def test_refused(d: Desk, field: str, body: dict[str, Any]) -> None:
    """A value that is missing, given twice, or that no shell can take is refused and named."""
    with pytest.raises(BadRequest) as bad:
        await d.runs.start("me", RunBody(**body))
    assert bad.value.details["field"] == field
