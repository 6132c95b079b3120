"""The bases of all models, the Problem, and the index."""

from __future__ import annotations

import msgspec


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request; an unknown field is refused."""


class Answer(msgspec.Struct, omit_defaults=True):
    """The answer of a route; an optional field is left out at its default."""


def one_of(*words: str) -> msgspec.Meta:
    """Return the schema of a text with the known `words`; a newer server may send others."""
    return msgspec.Meta(extra_json_schema={"enum": list(words)})


class ProblemModel(Answer):
    """The answer of any route to an expected error; details are in further fields."""

    error: str
    message: str
    reason: str


class Index(Answer):
    """The version of the bridge, and links to its parts."""

    name: str
    version: str
    parts: dict[str, str]
    links: dict[str, str]
