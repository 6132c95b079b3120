"""The JSON of an answer, and an answer that is kept for repeats."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec


class StoredAnswer(NamedTuple):
    """A sent answer: status, `Location` if any, and the body."""

    status: int
    location: str | None
    body: bytes


def to_json(answer: Any) -> bytes:
    """Return `answer` as JSON, with U+FFFD for surrogates, as in a file name that is not UTF-8."""
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(answer), ensure_ascii=False)
        return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()
