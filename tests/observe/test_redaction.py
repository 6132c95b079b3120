"""Secrets are blanked while somebody owns them, and cannot blank what a log is read for."""

from __future__ import annotations

import pytest

from jupyter_bridge import openapi
from jupyter_bridge.observe.redaction import MOST_OF_OWNER, Hidden, is_common
from tests.docs.reference import routes


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "secret", "1234567", "hunter2"),
        *("POST /bridge/spawn/", "/bridge/execute/", "GET /bridge/conns 200", "bridge/spawn"),
        *("connection", "Traceback (most recent call last):", "Internal error", "ServerApp"),
        *("127.0.0.1:8888", "2026-11-30 06:39:09", "00000000000", "aaaaaaaaaaaa", "-------------"),
        *("password", "password123", "jupyter_bridge", "token=", "kernel-1"),
    ],
)
def test_common_text(text: str) -> None:
    """Short text, numbers, patterns and the words of the log are not blanked."""
    assert is_common(text)
    hidden = Hidden()
    hidden.add(text, "owner")
    assert len(hidden) == 0
    assert hidden.blank(f"x {text} y") == f"x {text} y"


@pytest.mark.parametrize(
    "text",
    [
        *("correct horse battery staple", "Tr0ub4dor&3", "sesame-canary", "!§$%&/()=?-!"),
        *("0f3a9b7c5d1e8f20", "ada-240101120000000xFFEE", "пароль-секрет", "secret-gr8tB4tteries"),
        "b7b5c1c2-0d86-4b2c-9f43-b0b7f7c2c9aa",
    ],
)
def test_a_secret(text: str) -> None:
    """A password, a passphrase, a token or a session's id is blanked wherever it stands."""
    hidden = Hidden()
    hidden.add(text, "owner")
    assert hidden.blank(f"x{text}y {text}") == "x[secret]y [secret]"


def test_every_route_is_common() -> None:
    """No beginning of a route can be blanked as a password, with a verb before it or without."""
    every = openapi.describe(routes(compat=True), base="/", version="")["paths"]
    paths = {f"/bridge{path.split('{')[0]}" for path in every}
    assert "/bridge/spawn/" in paths
    said = [*paths, *(f"{verb} {path}" for path in paths for verb in ("GET", "POST", "DELETE"))]
    assert [text for text in said if not is_common(text)] == []


def test_the_beginning_of_another() -> None:
    """A secret that begins with another one is blanked whole."""
    hidden = Hidden()
    hidden.add("sesame-canary", "owner")
    hidden.add("sesame-canary-0815", "owner")
    assert hidden.blank("sesame-canary-0815 sesame-canary") == "[secret] [secret]"


def test_owners() -> None:
    """A secret that two owners have is blanked until both are dropped."""
    hidden = Hidden()
    one, two = object(), object()
    hidden.add("sesame-canary", one)
    hidden.add("sesame-canary", two)
    hidden.add("other-canary", one)
    hidden.drop(one)
    assert hidden.blank("sesame-canary other-canary") == "[secret] other-canary"
    hidden.drop(one)
    hidden.drop(two)
    assert len(hidden) == 0


def test_an_owner_has_few() -> None:
    """Whoever tries passwords without end pushes out their own, and nobody else's."""
    hidden = Hidden()
    hidden.add("correct horse battery", "another")
    for number in range(1000):
        hidden.add(f"guess-{number}-staple", "owner")
    assert len(hidden) == MOST_OF_OWNER + 1
    assert hidden.blank("correct horse battery guess-999-staple") == "[secret] [secret]"
    assert hidden.blank("guess-9-staple") == "guess-9-staple"


def test_all_together_are_bounded() -> None:
    """However long they are, and however many owners there are; the oldest go."""
    hidden = Hidden()
    for number in range(100):
        hidden.add(f"{number:03}-" + "qwertz" * 20_000, number)
    assert 0 < len(hidden) < 100
    assert hidden.blank("099-" + "qwertz" * 20_000) == "[secret]"
