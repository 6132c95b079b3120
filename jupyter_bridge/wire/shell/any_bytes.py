"""Text that holds any bytes: file names, commands, variables and input need not be UTF-8.

Inside the bridge such a text is a `str` with surrogateescape, as Python has file names. JSON cannot
hold that: there the bytes are base64, in a field of their own beside the readable text.
"""

from __future__ import annotations


def to_text(data: bytes) -> str:
    """Return the bytes as a text from which `to_bytes` makes the same bytes again."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return the bytes of a text; UnicodeEncodeError if it has other surrogates."""
    return text.encode("utf-8", "surrogateescape")


def readable(text: str) -> str:
    """Return the text with U+FFFD for each byte that is not UTF-8."""
    return to_bytes(text).decode("utf-8", "replace")


def odd_bytes(text: str) -> bytes | None:
    """Return the bytes of a text that is not UTF-8; None for any other text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return to_bytes(text)
    return None


def as_json(field: str, value: str | bytes | None) -> dict[str, str | bytes]:
    """Return the value as a field with this name, or its bytes as `<field>_base64`; {} for None."""
    if value is None:
        return {}
    text = to_text(value) if isinstance(value, bytes) else value
    exact = odd_bytes(text)
    return {field: text} if exact is None else {f"{field}_base64": exact}
