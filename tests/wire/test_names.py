"""Names with a colon are read and printed in one way."""

from __future__ import annotations

import pytest

from jupyter_bridge.wire.names import ConsoleName, KernelName


@pytest.mark.parametrize(
    ("text", "parts", "kind", "connection"),
    [
        ("1", ("", "1"), "terminal", None),
        ("kernel:ab", ("kernel", "ab"), "kernel", None),
        ("kernel:lab:ab", ("kernel", "lab:ab"), "kernel", None),
        ("file:logs/a:b.log", ("file", "logs/a:b.log"), "file", None),
        ("lab:x1:y2", ("lab", "x1:y2"), "remote", "lab"),
        ("lab:", ("lab", ""), "remote", "lab"),
        (":odd", ("", ":odd"), "terminal", None),
    ],
)
def test_consoles(text: str, parts: tuple[str, str], kind: str, connection: str | None) -> None:
    """A console's name says what it is, and is printed as it was read."""
    name = ConsoleName.parse(text)
    assert (name, name.kind, name.connection, str(name)) == (parts, kind, connection, text)


@pytest.mark.parametrize(
    ("text", "connection", "name"),
    [
        ("ab", None, "ab"),
        ("ab", "", "ab"),
        ("ab", "lab", "lab:ab"),
        ("lab:ab", "lab", "lab:ab"),
        ("lab:ab", None, "lab:ab"),
        ("other:ab", "lab", "lab:other:ab"),
    ],
)
def test_kernels(text: str, connection: str | None, name: str) -> None:
    """A kernel's connection is put in front of its name once."""
    assert str(KernelName.parse(text, connection)) == name
    assert (KernelName.parse(name).connection is None) == (":" not in name)
