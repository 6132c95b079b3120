"""docs/security.md: each promise names its test, and each test that is named is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
PAGE = REPOSITORY / "docs" / "security.md"
# `relay/test_x.py::test_one`, and then `::test_two` of the same file.
NAMED = re.compile(r"`(?:tests/)?([\w/]+\.py)?((?:::\w+)*)`")
# Tables that explain; the table below each of them promises.
EXPLAINS = ("| resource |", "| proof |")


def named_in(text: str) -> Iterator[tuple[str, str]]:
    """(file, name) of each test that is named; the name is empty where it is the whole file."""
    file = ""
    for found in NAMED.finditer(text):
        if not found[1] and not found[2]:
            continue
        file = found[1] or file
        if found[2] or "test_" in file:
            yield file, found[2].rpartition("::")[2]


def all_named(page: Path) -> list[tuple[str, str]]:
    lines = page.read_text(encoding="utf-8").splitlines()
    return sorted({one for line in lines for one in named_in(line)})


def rows(page: str) -> Iterator[tuple[str, str]]:
    """(head, row) of each row of the page's tables."""
    head = ""
    for line in page.splitlines():
        if not line.startswith("|"):
            head = ""
        elif not head:
            head = line
        elif not line.startswith("|---"):
            yield head, line


@cache
def names_of(file: Path) -> frozenset[str]:
    """The functions, classes and their aliases in a file of tests."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(names)


@pytest.mark.parametrize("page", [PAGE, REPOSITORY / "README.md"], ids=lambda page: page.name)
def test_every_test_that_is_named_is_there(page: Path) -> None:
    """A test that was renamed or removed is named nowhere as what holds a promise."""
    named = all_named(page)
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (TESTS / file).is_file() or (name and name not in names_of(TESTS / file))
    ]
    assert missing == []


def test_every_promise_names_a_test() -> None:
    """Each row of the page's tables says what holds it, by file and function."""
    table = list(rows(PAGE.read_text(encoding="utf-8")))
    assert len(table) > 60
    without = [
        row
        for head, row in table
        if not head.startswith(EXPLAINS) and not any(name for _, name in named_in(row))
    ]
    assert without == []


def test_what_would_be_found() -> None:
    """A test that is not there, and a row without one, are seen."""
    row = "| a | b (`web/test_access.py::test_x`, `::test_y`, with `::1` and `c.py`) |"
    assert list(named_in(row))[:2] == [
        ("web/test_access.py", "test_x"),
        ("web/test_access.py", "test_y"),
    ]
    assert "test_x" not in names_of(TESTS / "web/test_access.py")
    assert list(rows("| head |\n|---|\n| row |\n\ntext")) == [("| head |", "| row |")]
