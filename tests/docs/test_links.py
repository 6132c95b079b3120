"""What the pages and the code name is there: files, headings, pages. A page's lines are short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import REPOSITORY

PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
CODE = [
    path
    for folder in ("jupyter_bridge", "tests", "bench", "labextension/src")
    for path in sorted((REPOSITORY / folder).rglob("*"))
    if path.suffix in (".py", ".ts", ".tsx")
]
# From where a page may name a file.
FROM = [REPOSITORY / name for name in ("", "docs", "jupyter_bridge", "jupyter_bridge/connections")]
FROM += [REPOSITORY / "tests"]
# Files of users, of other programs, and of folders that the tests make.
ELSEWHERE = {
    "jupyter_kernel_gateway_config.py",
    "jupyter_enterprise_gateway_config.py",
    "script.py",
}
LONGEST_LINE = 100


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What links can end with, as GitHub makes it of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def is_there(name: str) -> bool:
    return name in ELSEWHERE or any((folder / name).exists() for folder in FROM)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link of a page leads to a file, and to a heading of it, that is there."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", prose(page)):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    """A file in backticks or in the prose is one of the repository."""
    named = re.findall(r"(?<![\w/.<>…{}*-])((?:[\w.-]+/)*[\w-]+\.(?:py|md|ts))\b", prose(page))
    assert [name for name in named if not is_there(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_short(page: Path) -> None:
    """Prose has lines of 100 characters at most; a row of a table is one line, however long."""
    generated = re.sub(r"<!-- bench.*?<!-- end", "", prose(page), flags=re.DOTALL)
    lines = [line for line in generated.splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > LONGEST_LINE] == []


def test_the_code_names_no_page_that_is_not_there() -> None:
    """A page that a comment or a docstring cites can be read."""
    cited = {
        (name, path.relative_to(REPOSITORY).as_posix())
        for path in CODE
        for name in re.findall(r"\b((?:docs/)?[A-Z]\w*\.md|docs/[\w-]+\.md)\b", path.read_text())
    }
    assert [one for one in sorted(cited) if not (REPOSITORY / one[0]).exists()] == []


def test_what_would_be_found() -> None:
    """A file and a heading that are not there are seen."""
    assert "a-get-that-changes-something" in anchors(REPOSITORY / "docs" / "kernels.md")
    assert not is_there("docs/nowhere" + ".md")
