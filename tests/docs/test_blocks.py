"""Every block of code on every page does what the page says."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from jupyter_bridge.connections.connector_registry import GROUP
from tests.connections.config.test_files import found
from tests.docs.pages import REPOSITORY, Block, blocks
from tests.docs.readers import ANSWERS, ELSEWHERE, answer_to, why_not
from tests.docs.stage import Stage, stage
from tests.docs.typed import commands, typed

SHELL = list(blocks("sh"))
PYTHON = list(blocks("python"))
# What the programs of a page print, as a regular expression.
PRINTS = {
    "README.md": "42",
    "kernels.md": "42",
    "connections.md": r"^done$",
    "run.md": r"^0 no skull$",
}
# Pages whose Python is no program of its own, and the test that does with it what they say.
NO_PROGRAMS = {
    "operations.md": "support/gateways.py",
    "writing-a-connector.md": "docs/test_connector.py",
}


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as there:
        yield there


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shell(block: Block, staged: Stage) -> None:
    """Each command succeeds, and says what it is to say; what goes on is stopped."""
    lines = [line for line in commands(block.text) if why_not(line) is None]
    for program in ("websocat", "asciinema"):
        there = shutil.which(program, path=staged.env["PATH"])
        if there is None and any(program in line for line in lines):
            pytest.skip(f"{program} is not there")
    with staged.set(block):
        said = typed([staged.line(line) for line in lines], staged.env, staged.home)
    for line, (command, text, status) in zip(lines, said, strict=True):
        expected = answer_to(line)
        assert status == expected.status, (command, text)
        assert re.search(expected.says, text.replace("\r", ""), re.MULTILINE), (command, text)
        assert '"error":"' not in text.replace('"status":"error"', ""), (command, text)


def test_each_line_has_its_place() -> None:
    """No answer and no excuse is for nothing, and the test that an excuse names is there."""
    lines = [line for block in SHELL for line in commands(block.text)]
    for beginning in ELSEWHERE:
        assert any(line.startswith(beginning) for line in lines), beginning
    for test in (*(test for _, test in ELSEWHERE.values()), *NO_PROGRAMS.values()):
        assert (REPOSITORY / "tests" / test).exists(), test
    for part in ANSWERS:
        assert any(part in line and why_not(line) is None for line in lines), part
    assert sum(why_not(line) is None for line in lines) > 50


@pytest.mark.parametrize("block", [b for b in PYTHON if b.page not in NO_PROGRAMS], ids=str)
def test_python(block: Block, staged: Stage) -> None:
    """A program runs, without a warning, and prints what comes of it."""
    with staged.set(block):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-"],
            input=staged.fill(block.text),
            text=True,
            capture_output=True,
            env=staged.env,
            cwd=staged.home,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(PRINTS[block.page], done.stdout, re.MULTILINE), done.stdout


async def test_json(staged: Stage) -> None:
    """A Problem as it is shown, and a body that is taken."""
    shown, body = (msgspec.json.decode(block.text) for block in blocks("json"))
    headers, url = staged.near.headers, f"{staged.near.url}bridge"
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{url}/spawn/pyton3") as answer:
            problem = await answer.json()
            assert answer.status == 404
        assert problem.keys() == shown.keys()
        assert (problem["error"], problem["reason"]) == (shown["error"], problem["message"])
        there, example = (", ".join(one["kernelspecs"]) for one in (problem, shown))
        assert problem["message"] == shown["message"].replace(example, there)
        async with session.post(f"{url}/execute?kernel=python3", json=body) as answer:
            assert '"text":"Ada\\n"' in await answer.text()


def test_yaml(tmp_path: Path) -> None:
    """The file of connections is read, every word of it."""
    (block,) = blocks("yaml")
    read = found(tmp_path, block.text)
    assert (sorted(read.entries), read.reports) == (["lab", "old"], [])
    assert (read.entries["old"].verify, read.entries["old"].insecure_http) == (False, True)


def test_toml() -> None:
    """An entry point of the group that is looked through."""
    (block,) = blocks("toml")
    parser = configparser.ConfigParser()
    parser.read_string(block.text)
    assert parser.sections() == [f'project.entry-points."{GROUP}"']


def test_no_block_is_left_out() -> None:
    """A block is of a language that is run here, or a drawing, which has no commands in it."""
    for block in blocks():
        assert block.language in ("sh", "python", "json", "yaml", "toml", ""), block
        if not block.language:
            assert not re.search(r"^(curl|jupyter|pip|import) ", block.text, re.MULTILINE), block
    for page in {block.page for block in blocks()}:
        path = REPOSITORY / ("docs" if page != "README.md" else ".") / page
        fenced = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        assert not re.search(r"^ {4}\S", fenced, re.MULTILINE), f"{page} has code without a fence"
