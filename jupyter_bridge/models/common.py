"""What all models share: bodies, answers, events, problems, the index."""

from __future__ import annotations

import msgspec


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a request sends; a field that is not known is refused."""


class Answer(msgspec.Struct, omit_defaults=True):
    """What a route answers; an optional field is left out while it has its default."""


def one_of(*words: str) -> msgspec.Meta:
    """The words that a text is known to be; a newer server may say others, so any text is read."""
    return msgspec.Meta(extra_json_schema={"enum": list(words)})


class ProblemModel(Answer):
    """What every route answers when something expected goes wrong; details stand beside."""

    error: str
    message: str
    reason: str


class Index(Answer):
    """What the bridge is and where its parts are."""

    name: str
    version: str
    parts: dict[str, str]
    links: dict[str, str]
