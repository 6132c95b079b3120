"""The command writes through one module, and what is a stranger's is visible there."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import jupyter_bridge
from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import Call
from jupyter_bridge.cli.prompts import Prompter
from jupyter_bridge.client import InputRequest
from jupyter_bridge.problems import NotFound

Capture = pytest.CaptureFixture[str]

PACKAGE = Path(jupyter_bridge.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
WRITER = "cli/output.py"
# It copies a kernel's stderr to the server's own, as the host would without the bridge.
EXCEPT = {("kernels/host/stderr_tail.py", "sys.__stderr__")}
# A file descriptor is asked for its size and its keys; `output.raw_to` writes to it.
EXCEPT |= {("cli/commands/attach.py", "sys.stdout")}
# The names of what a process reads are compared with this one.
EXCEPT |= {("consoles/run/local/processes.py", "/dev/tty")}
# The command that checks the log: `python -m jupyter_bridge.connections.audit`.
EXCEPT |= {("connections/audit.py", "sys.stdout")}
NAMES = {"print", "input", "getpass.getpass", "sys.displayhook"}
STREAMS = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
TYPER = {f"{module}.{name}" for module in ("typer", "click") for name in ("echo", "secho")}
TYPER |= {f"{module}.{name}" for module in ("typer", "click") for name in ("prompt", "confirm")}

HOSTILE = "a\x1b]52;c;cm0=\x07\x9b31m\u202e\nFORGED [red]b[/red] :smile:"
SHOWN = r"a\x1b]52;c;cm0=\x07\x9b31m\u202e\nFORGED [red]b[/red] :smile:"


def writes(module: str, source: str) -> Iterator[tuple[str, str]]:
    """What a module names that writes where a person reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            name = node.id
        elif isinstance(node, ast.Constant) and node.value == "/dev/tty":
            name = "/dev/tty"
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in NAMES | STREAMS | TYPER or full.startswith("rich."):
                    yield module, full
            continue
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "rich":
                    yield module, alias.name
            continue
        else:
            continue
        in_command = module.startswith("cli/")
        if name in NAMES | STREAMS | TYPER | {"/dev/tty"} or (in_command and name == "os.write"):
            yield module, name


@pytest.mark.parametrize("module", [module for module in MODULES if module != WRITER])
def test_nothing_else_writes(module: str) -> None:
    """No other module prints, or has stdout, stderr, the terminal or rich in its hands."""
    found = set(writes(module, (PACKAGE / module).read_text()))
    if module == "cli/call.py":  # how characters are written that the terminal does not have
        found -= {(module, name) for name in STREAMS}
    assert found <= EXCEPT


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "import sys\nsys.stdout.write('x')",
        "from sys import stderr",
        "import typer\ntyper.echo('x')",
        "from rich.console import Console",
        "def f():\n    import rich",
        "open('/dev/tty', 'w')",
        "import getpass\ngetpass.getpass('x')",
        "import os\nos.write(1, b'x')",
    ],
)
def test_the_test(source: str) -> None:
    """Each way to write is found."""
    assert list(writes("cli/new.py", source))


def test_lines_and_notes(capsys: Capture) -> None:
    """A line and a note are one line each; a Problem too, as a sentence and as JSON."""
    Call().print(HOSTILE)
    Call().note(HOSTILE)
    Call().complain(NotFound(HOSTILE))
    Call(json=True).complain(NotFound(HOSTILE))
    out, err = capsys.readouterr()
    assert out == f"{SHOWN}\n"
    first, second, third, rest = err.split("\n")
    assert (first, second, rest) == (SHOWN, SHOWN, "")
    assert json.loads(third)["message"] == HOSTILE
    assert "\x9b" not in third
    assert "\u202e" not in third


def test_json(capsys: Capture) -> None:
    """A value is the same value, on one line; a word that is not UTF-8 does not hinder it."""
    Call().print_json({HOSTILE: [HOSTILE, 1]})
    Call().print_json({"a": "\udcff"})
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {HOSTILE: [HOSTILE, 1]}
    assert first.isascii()
    assert second == '{"a": "\\udcff"}'


def test_table(capsys: Capture) -> None:
    """A cell is text: neither markup nor an emoji's code, and no row begins in it."""
    output.table(("A", "B"), [(HOSTILE, "1"), ("x", "2")], right={"B"}, whole={"A"})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["A", "B"], [*SHOWN.split(), "1"], ["x", "2"]]


def test_a_program_asks(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's question keeps its colours and lines, and nothing else that is unseen."""
    prompt = f"\x1b[32mName\x1b[0m\n{HOSTILE}"
    monkeypatch.setattr(output, "_read", lambda file: "typed\n")
    monkeypatch.setattr("sys.stdin", _Pipe())
    assert Prompter().answer(InputRequest("1", {"prompt": prompt})) == "typed"
    said = capsys.readouterr().out
    assert said == "\x1b[32mName\x1b[0m\n" + SHOWN.replace(r"\n", "\n")
    output.ask(prompt)
    assert "\x1b" not in capsys.readouterr().out


class _Pipe:
    def isatty(self) -> bool:
        return False
