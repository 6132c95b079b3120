"""docs/reference.md is the code's."""

from __future__ import annotations

import re

from tests.docs import reference
from tests.docs.pages import REPOSITORY


def test_the_reference_is_the_code_s() -> None:
    """Each route, trait, command, metric, event and Problem is on the page, and nothing else is."""
    page = (REPOSITORY / "docs" / "reference.md").read_text()
    assert page == reference.page(), (
        "make it again: python -m tests.docs.reference > docs/reference.md"
    )
    assert page.count("\n| ") > 120
    assert "docs/reference.md" in (REPOSITORY / "README.md").read_text()
    assert not re.search(r"\|  \|$", page, re.MULTILINE), "one says nothing"
