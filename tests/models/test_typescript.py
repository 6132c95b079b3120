"""The panel's types are the server's."""

from __future__ import annotations

from tests.models import typescript


def test_the_panel_s_types_are_the_models() -> None:
    """Each body and answer is there, and nothing else is."""
    assert typescript.FILE.read_text() == typescript.page(), (
        "make them again: python -m tests.models.typescript"
    )
