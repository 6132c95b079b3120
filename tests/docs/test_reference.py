"""docs/reference.md is the code's, and the tests that pages name are there."""

from __future__ import annotations

import re

from tests import reference

from .pages import REPOSITORY


def test_the_reference_is_the_code_s() -> None:
    """Each route, trait, command, metric, event and Problem is on the page, and nothing else is."""
    page = (REPOSITORY / "docs" / "reference.md").read_text()
    assert page == reference.page(), "make it again: python -m tests.reference > docs/reference.md"
    assert page.count("\n| ") > 120
    assert "docs/reference.md" in (REPOSITORY / "README.md").read_text()
    assert not re.search(r"\|  \|$", page, re.MULTILINE), "one says nothing"


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
