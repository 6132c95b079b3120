"""Every command, against names that would drive the terminal: on a pty, and in a pipe."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from jupyter_bridge.cli.app import app
from jupyter_bridge.client import Bridge, connect
from tests.conftest import start_server
from tests.simulators.taken_server import taken_over
from tests.support.forking import Commands

# Clipboard, title, colours, C1 as U+009B, a bidi control, and a line that looks like our own.
HOSTILE = "x\x1b]52;c;cm0=\x07\x1b]0;t\x1b\\\x1b[7;35m\x9b31m\u202e\nFORGED [red]y[/red] :smile:"
SHOWN = r"x\x1b]52;c;cm0=\x07\x1b]0;t\x1b\\x1b[7;35m\x9b31m\u202e\nFORGED [red]y[/red] :smile:"
# As the name of a file: a slash cannot stand in one.
FILE = HOSTILE.replace("[/red]", "")
FILE_SHOWN = SHOWN.replace("[/red]", "")
RAW = re.compile(
    "\x1b\\]|\x07|\x1b\\[7;35m|[\x80-\x9f]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
    "|^FORGED|[\udc80-\udcff]",
    re.MULTILINE,
)


@dataclass
class Scene:
    """What there is: a server, and hostile things in it."""

    bridge: Bridge
    kernel: str
    console: str
    transfer: str
    commands: Commands


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Files, a kernelspec, a kernel, a title and a remote, each with a hostile name."""
    folder = tmp_path_factory.mktemp("hostile")
    spec = folder / "data/kernels/hostile"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    about = {"argv": argv, "display_name": HOSTILE, "language": HOSTILE}
    (spec / "kernel.json").write_text(json.dumps(about))
    server = start_server(folder, "--BridgeApp.allow_loopback=True")
    (server.root / "store" / FILE).mkdir(parents=True)
    (server.root / "store" / FILE / f"{FILE}.txt").write_text("content\n")
    (server.root / f"{FILE}.log").write_text("content\n")
    (server.root / f"{FILE}.up").write_text("content\n")
    commands = Commands(server.url, server.token)
    names = (HOSTILE, f"{HOSTILE}2")
    with taken_over(HOSTILE, names, HOSTILE) as far, connect(server.url, server.token) as bridge:
        kernel = bridge.spawn("hostile", name=HOSTILE).id
        bridge.execute(kernel, "1")
        env: dict[str, str | None] = {"PS1": "$ ", "ENV": None}
        bridge.consoles.open("work", shell_command=["/bin/sh", "-i"], env=env)
        _title(bridge)
        bridge.connections.add("store", str(server.root / "store"))
        bridge.connections.add("far", far, kind="jupyter", token="-")
        found = bridge.connections.download("store", f"{FILE}/absent{HOSTILE[:20]}", "brought")
        yield Scene(bridge, kernel, "work", found.transfer, commands)
        bridge.shutdown(kernel)
    commands.stop()
    server.stop()


def _title(bridge: Bridge) -> None:
    """A program sets the terminal's title to what it can of it."""
    title = HOSTILE.partition("\n")[0].replace("\x1b", "").replace("\x07", "")
    quoted = "".join(f"\\{byte:03o}" for byte in title.encode())
    bridge.consoles.send("work", f"printf '\\033]0;{quoted}\\007\\nrea''dy\\n'", newline=True)
    with bridge.consoles.tail("work", until="ready", timeout=30) as line:
        for _ in line:
            pass


def cases(scene: Scene) -> dict[str, list[tuple[Any, ...]]]:
    """For each command the calls that meet hostile names; a dict says what is special.

    `shows`: what has to be in the output, so that the name was met indeed. `keys`: what a person
    types when a pattern shows up; such a call needs a terminal.
    """
    file, up = f"file:{FILE}.log", f"{FILE}.up"
    shown, hurt = {"shows": FILE_SHOWN[:30]}, {"shows": r"\x9b31m\u202e"}
    nothing: dict[str, Any] = {}
    leave = {"keys": [("content", "\x1d")], "shows": FILE_SHOWN[:30]}
    return {
        "kernels": [("kernels", hurt), ("kernels", "--conn", "far", hurt)],
        "spawn": [("spawn", HOSTILE, hurt), ("spawn", f"far:{HOSTILE}", nothing)],
        "shutdown": [("shutdown", HOSTILE + "no", hurt)],
        "interrupt": [("interrupt", scene.kernel, nothing), ("interrupt", HOSTILE + "no", hurt)],
        "restart": [("restart", f"far:{HOSTILE}", nothing), ("restart", HOSTILE + "no", hurt)],
        "execute": [
            ("execute", "-k", HOSTILE, "-c", "1", {"shows": "1"}),
            ("execute", "-k", HOSTILE + "no", "-c", "1", hurt),
            ("execute", HOSTILE, hurt),
            ("execute", "-k", HOSTILE, "-c", f"input({HOSTILE!r})", {"keys": [("FORGED", "a\r")]}),
        ],
        "console": [("console", "-k", HOSTILE + "no", hurt)],
        "run": [
            ("run", "-c", HOSTILE, "--", "true", hurt),
            ("run", "--cwd", HOSTILE, "--", "true", hurt),
            ("run", "--stdin", HOSTILE, "--", "true", hurt),
            ("run", "--env", HOSTILE, "--", "true", {"shows": r"x\x1b]52"}),
        ],
        "consoles": [
            ("consoles", {"shows": r"\x9b31m\u202e"}),
            ("consoles", "--conn", "far", hurt),
            ("consoles", "--conn", HOSTILE, hurt),
        ],
        "tail": [
            ("tail", file, {"shows": "content"}),
            ("tail", file, f"{file}no", shown),
            ("tail", f"far:{HOSTILE}", nothing),
            ("tail", HOSTILE, hurt),
        ],
        "consoles new": [("consoles", "new", HOSTILE, nothing)],
        "consoles end": [("consoles", "end", HOSTILE, hurt)],
        "consoles rename": [
            ("consoles", "rename", HOSTILE, "x", hurt),
            ("consoles", "rename", "work", HOSTILE, nothing),
        ],
        "attach": [("attach", file, "--watch", leave), ("attach", HOSTILE, nothing)],
        "send": [("send", HOSTILE, "x", hurt), ("send", file, "x", nothing)],
        "record": [("record", HOSTILE, nothing)],
        "search": [
            ("search", "content", "-c", file, nothing),
            ("search", "x", "-c", HOSTILE, nothing),
            ("search", HOSTILE, nothing),
            ("search", "-E", f"{HOSTILE}(", nothing),
        ],
        "history": [
            ("history", scene.console, nothing),
            ("history", file, nothing),
            ("history", HOSTILE, hurt),
        ],
        "conn list": [("conn", "list", nothing)],
        "conn ls": [("conn", "ls", nothing)],
        "conn show": [("conn", "show", "far", nothing), ("conn", "show", HOSTILE, hurt)],
        "conn add": [
            ("conn", "add", HOSTILE, "/", nothing),
            ("conn", "add", "y", HOSTILE, nothing),
            ("conn", "add", "y", "/", "-k", HOSTILE, hurt),
            ("conn", "add", "y", "/", "-f", f"{HOSTILE}=1", {"shows": r"x\x1b]52"}),
        ],
        "conn login": [
            ("conn", "login", "far", nothing),
            ("conn", "login", HOSTILE, hurt),
            ("conn", "login", "store", "-u", HOSTILE, {"keys": [(": ", "\r")]}),
        ],
        "conn logout": [("conn", "logout", HOSTILE, hurt)],
        "conn mount": [
            ("conn", "mount", HOSTILE, hurt),
            ("conn", "mount", "store", HOSTILE, nothing),
        ],
        "conn unmount": [("conn", "unmount", HOSTILE, hurt)],
        "conn umount": [("conn", "umount", HOSTILE, hurt)],
        "conn remove": [("conn", "remove", HOSTILE, hurt)],
        "conn rm": [("conn", "rm", HOSTILE, hurt)],
        "conn browse": [
            ("conn", "browse", "store", shown),
            ("conn", "browse", "store", FILE, shown),
            ("conn", "browse", "store", HOSTILE, nothing),
        ],
        "dataset ls": [
            ("dataset", "ls", "store", FILE, shown),
            ("dataset", "ls", "store", HOSTILE, nothing),
        ],
        "dataset get": [
            ("dataset", "get", "store", FILE, "brought", {"shows": FILE_SHOWN[:30]}),
            ("dataset", "get", "store", f"{FILE}no", "brought", shown),
        ],
        "dataset put": [
            ("dataset", "put", "store", up, shown),
            ("dataset", "put", "store", HOSTILE, nothing),
            ("dataset", "put", "store", up, "--prop", HOSTILE, hurt),
        ],
        "dataset transfers": [("dataset", "transfers", shown)],
        "dataset cancel": [("dataset", "cancel", HOSTILE, nothing)],
        "dataset pause": [("dataset", "pause", HOSTILE, nothing)],
        "dataset resume": [
            ("dataset", "resume", HOSTILE, nothing),
            ("dataset", "resume", scene.transfer, nothing),
        ],
        "env show": [("env", "show", HOSTILE + "no", hurt)],
        "env save": [("env", "save", scene.kernel, f"{FILE}no/a.ipynb", nothing)],
        # A wrong use, as `jupyter bridge tail *` makes it in a folder with such files.
        "": [
            (HOSTILE, shown),
            (f"--{HOSTILE}", nothing),
            ("tail", "-n", HOSTILE, "x", nothing),
            ("conn", HOSTILE, shown),
            ("kernels", HOSTILE, shown),
        ],
    }


def commands(command: Any, path: str = "") -> Iterator[str]:
    """The path of every command in the tree."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path
        return
    if path and command.invoke_without_command:
        yield path
    for name, child in children.items():
        yield from commands(child, f"{path} {name}".strip())


COMMANDS = sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_no_control_of_a_stranger(scene: Scene, command: str) -> None:
    """No byte of a name that a terminal would act on is written, in any way it is asked for."""
    for *words, special in cases(scene)[command]:
        keys = special.get("keys")
        seen = []
        for terminal in (True, False):
            for json_wanted in ([] if keys or not command else [["--json"]]) + [[]]:
                if keys and not terminal:
                    continue
                call = [*words, *json_wanted]
                code, shown = scene.commands.run(*call, terminal=terminal, keys=keys)
                text = shown.replace("\r\n", "\n")
                found = RAW.search(_without_ours(text, command, keys))
                assert found is None, (call, code, text)
                assert "Traceback" not in text, text
                if not json_wanted:
                    seen.append(text)
        assert all(special.get("shows", "") in re.sub(r"\s*│\n│\s*", "", text) for text in seen), (
            words,
            seen,
        )


def _without_ours(text: str, command: str, keys: object) -> str:
    """A kernel's question may have lines and colours."""
    if command == "execute" and keys:
        return text.replace("\x1b[7;35m", "").replace("\nFORGED", "")
    return text


def test_every_command_is_met() -> None:
    """A new command is added to the table, or this fails."""
    scene: Any = Scene(*[""] * 5)  # type: ignore[arg-type]
    assert sorted(cases(scene)) == sorted([*COMMANDS, ""])


def test_what_would_be_found() -> None:
    """Each part of the hostile name is found where it is written as it is."""
    for part in ("\x1b]52", "\x07", "\x1b[7;35m", "\x9b", "\u202e", "\nFORGED", "\udcff"):
        assert RAW.search(f"a{part}b"), part
    assert not RAW.search(SHOWN)
    assert not RAW.search("\x1b[1mNAME\x1b[0m\n")
