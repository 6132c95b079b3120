"""What the pages say is what the code does: the reference, and every block of code."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import yaml

from tests import reference
from tests.conftest import Server

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

# Blocks of README.md that are not run as they stand, by a line in them, and why.
NOT_RUN = {
    "pip install jupyter_bridge ": "installs from an index, or into this environment",
    "make run": "opens JupyterLab, and waits; cli/test_kernels.py and the demo's own tests run it",
    "export JUPYTER_BRIDGE_URL": "an example of a server's address",
    "python -m tests.openbis": "waits, and needs a person's answers; cli/test_openbis.py tells it",
    "jupyter bridge conn add lab": "needs a second server; consoles/test_remotes.py has one",
    "jupyter bridge attach work": "needs a person at a terminal; cli/test_attach.py is one",
    "mkdir -p /tmp/store": "a place outside of the tests; cli/test_conn.py does the same",
    "jupyter bridge console -k": "needs a person at a prompt; cli/test_console.py is one",
}


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text()
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(page.name, line, found[1], found[2])


BLOCKS = list(blocks())
README = [block for block in BLOCKS if block.page == "README.md"]


def why_not(block: Block) -> str | None:
    return next((why for line, why in NOT_RUN.items() if line in block.text), None)


def test_the_reference_is_the_code_s() -> None:
    """Each route, trait, command, metric, event and Problem is on the page, and nothing else is."""
    page = (REPOSITORY / "docs" / "reference.md").read_text()
    assert page == reference.page(), "make it again: python -m tests.reference > docs/reference.md"
    assert page.count("\n| ") > 120
    assert "docs/reference.md" in (REPOSITORY / "README.md").read_text()
    assert not re.search(r"\|  \|$", page, re.MULTILINE), "one says nothing"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_of_its_language(block: Block) -> None:
    """Shell, Python, JSON and YAML parse; a block that names none is a drawing."""
    if block.language == "sh":
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    elif block.language == "python":
        ast.parse(block.text)
    elif block.language == "json":
        msgspec.json.decode(block.text)
    elif block.language == "yaml":
        assert yaml.safe_load(block.text)
    else:
        assert not block.language, f"nobody checks {block.language}"
        assert not re.search(r"^(curl|jupyter|pip|import) ", block.text, re.MULTILINE)


def test_each_exception_is_needed() -> None:
    """No block is excused twice, or for nothing."""
    for line in NOT_RUN:
        assert sum(line in block.text for block in README) == 1, line


@pytest.fixture
def shell_env(bridge_server: Server, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "JUPYTER_BRIDGE_URL": bridge_server.url,
        "JUPYTER_BRIDGE_TOKEN": bridge_server.token,
        "HOME": str(tmp_path),
    }


def run(command: list[str], text: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        command, input=text, text=True, capture_output=True, env=env, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("block", [b for b in README if b.language == "python"], ids=str)
def test_the_readme_s_python_runs(block: Block, shell_env: dict[str, str]) -> None:
    """Against a server whose address stands in the environment, and with an answer of 42."""
    assert "42" in run([sys.executable, "-W", "error", "-"], block.text, shell_env)


SHELL = [b for b in README if b.language == "sh" and why_not(b) is None]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_readme_s_shell_runs(block: Block, shell_env: dict[str, str]) -> None:
    """With its placeholders filled in, each command of a block succeeds, and says no Problem."""
    text = block.text.replace(
        "B=${JUPYTER_BRIDGE_URL}bridge\n", "set -euo pipefail\nB=${JUPYTER_BRIDGE_URL}bridge\n"
    )
    # "make" makes something in a folder of the test's own.
    home = Path(shell_env["HOME"])
    (home / "Makefile").write_text("all:\n\t@echo made\n")
    text = text.replace("cd /tmp && make", f"cd {home} && make")
    # "K=…" is filled in from the spawn before it, "executions/…" from the Location before it.
    spawn = re.search(r"^(curl .*spawn/.*)\n(K=…)", text, re.MULTILINE)
    if spawn is not None:
        text = text.replace(spawn[1], f"SAID=$({spawn[1]})")
        read = "python -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])'"
        text = text.replace("K=…", f'K=$(echo "$SAID" | {read})\necho $K')
    asked = re.search(r"^(curl .*respond-async.*\| grep Location)$", text, re.MULTILINE)
    if asked is not None:
        text = text.replace(asked[1], f"X=$({asked[1]} | sed 's|.*/executions/||' | tr -d '\\r')")
        text = text.replace("executions/…", "executions/$X")
    assert "…" not in re.sub(r"#.*", "", text), text
    begun = time.monotonic()
    if "$auth" in text and "auth=" not in text:
        text = (
            "B=${JUPYTER_BRIDGE_URL}bridge\n"
            'auth="Authorization: token $JUPYTER_BRIDGE_TOKEN"\n' + text
        )
    said = run(["bash", "-e", "-o", "pipefail"], text, shell_env)
    assert '"error":"' not in said.replace('"status":"error"', ""), said
    assert said.strip()
    assert time.monotonic() - begun < 100


def named_tests() -> list[tuple[str, str]]:
    """Each test that README.md or docs/security.md names, as its file and its name or ""."""
    found: list[tuple[str, str]] = []
    for page in (REPOSITORY / "README.md", REPOSITORY / "docs" / "security.md"):
        file = ""
        for name in re.findall(r"`([\w/]*\.py|)(?:::(\w+))?`", page.read_text()):
            file = name[0] or file
            if "test_" in file and (name[0] or name[1]):
                found.append((file.removeprefix("tests/"), name[1]))
    return found


def test_the_tests_that_are_named_exist() -> None:
    """Whoever reads a claim finds its proof, and a proof that was renamed is renamed there."""
    named = named_tests()
    assert sum(bool(name) for _, name in named) > 25
    for file, name in named:
        exact = REPOSITORY / "tests" / file
        found = [p for p in (REPOSITORY / "tests").rglob(exact.name) if str(p).endswith(file)]
        paths = [exact] if exact.exists() else found
        assert len(paths) == 1, f"{file}: {paths}"
        if name:
            words = rf"^(async )?def {name}\(|^{name} = "
            assert re.search(words, paths[0].read_text(), re.MULTILINE), f"{file}::{name}"
