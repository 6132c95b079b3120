r"""Text that UTF-8 cannot encode: a file's name of other bytes, which Python reads with surrogates.

readable()   the text as answers, sentences and events have it: U+FFFD for each such byte
to_json()    any answer as JSON, with readable texts; one such name costs only itself
pieces()     the same for a listing, in pieces
escaped()    the text for a file of this server, from which unescaped() gets it back
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

_SURROGATES = re.compile("[\ud800-\udfff]")
# No file's name has a NUL, so a text that begins with one has been escaped.
_ESCAPED = "\0"
# So many entries of a list are encoded at a time: a listing's take 1 ms.
_TOGETHER = 1024


def readable(text: str) -> str:
    """Return `text` with U+FFFD for each surrogate."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Return a text that UTF-8 can encode; `unescaped` returns `text` again."""
    if not text.startswith(_ESCAPED) and (text.isascii() or not _SURROGATES.search(text)):
        return text
    return _ESCAPED + text.encode("utf-8", "surrogatepass").hex()


def unescaped(text: str) -> str:
    """Return what was `escaped`; raises ValueError if nothing was."""
    if not text.startswith(_ESCAPED):
        return text
    return bytes.fromhex(text[len(_ESCAPED) :]).decode("utf-8", "surrogatepass")


def to_json(value: Any) -> bytes:
    """Return anything that msgspec can encode as JSON, with readable texts.

    A large value is encoded in steps if a text in it needs it: in one it would keep other threads
    from running for a second.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        pass
    if isinstance(value, str):
        return msgspec.json.encode(readable(value))
    if isinstance(value, msgspec.Struct):
        value = _members(value)
    if isinstance(value, dict):
        members = (b"%b:%b" % (to_json(str(key)), to_json(one)) for key, one in value.items())
        return b"{%b}" % b",".join(members)
    return b"[%b]" % b",".join(_entries(list(value)))


def pieces(listing: Any) -> Iterator[bytes]:
    """Yield the JSON of a list, or of a Struct with lists in it, in one or more pieces.

    Besides the listing, no more than one piece of it is in memory.
    """
    if isinstance(listing, list):
        before = b"["
        for start in range(0, len(listing), _TOGETHER):
            yield before + b",".join(_entries(listing[start : start + _TOGETHER]))
            before = b","
        yield b"]" if listing else b"[]"
    elif isinstance(listing, msgspec.Struct):
        before = b"{"
        for name, value in _members(listing).items():
            yield b'%b"%b":' % (before, name.encode())
            yield from pieces(value)
            before = b","
        yield b"}" if before == b"," else b"{}"
    else:
        yield to_json(listing)


def _entries(values: list[Any]) -> list[bytes]:
    """Return the JSON of one or more values, between commas, in several pieces."""
    pieces = []
    for start in range(0, len(values), _TOGETHER):
        some = values[start : start + _TOGETHER]
        try:
            pieces.append(msgspec.json.encode(some)[1:-1])
        except UnicodeEncodeError:
            pieces += [to_json(one) for one in some]
    return pieces


def _members(struct: msgspec.Struct) -> dict[str, Any]:
    """Return the fields as they are encoded, without those at their default if it omits them."""
    members = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if not (struct.__struct_config__.omit_defaults and value == default):
            members[field.encode_name] = value
    return members
