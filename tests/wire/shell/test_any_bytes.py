"""Text that holds any bytes, and its fields in JSON."""

from __future__ import annotations

import pytest

from jupyter_bridge.wire.shell.any_bytes import as_json, odd_bytes, readable, to_bytes, to_text


@pytest.mark.parametrize("data", [b"", b"abc", "é".encode(), b"caf\xe9", bytes(range(256))])
def test_bytes_come_back(data: bytes) -> None:
    """A text has the bytes that it was made of, and tells whether they are UTF-8."""
    text = to_text(data)
    assert to_bytes(text) == data
    assert readable(text) == data.decode("utf-8", "replace")
    is_text = readable(text) == text
    assert odd_bytes(text) == (None if is_text else data)
    field = "a" if is_text else "a_base64"
    assert as_json("a", data) == as_json("a", text) == {field: text if is_text else data}


def test_nothing() -> None:
    """A value that is not given is no field."""
    assert as_json("a", None) == {}
