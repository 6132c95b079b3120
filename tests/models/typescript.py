"""The panel's types, made from the models: `python -m tests.models.typescript`.

The panel's own classes are called models, so `KernelModel` is `Kernel` there.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import msgspec

from jupyter_bridge import models
from jupyter_bridge.models.common import Answer, Body

FILE = Path(__file__).parents[2] / "labextension" / "src" / "api" / "types.ts"
_HEAD = """\
/**
 * The bodies and answers of the bridge's routes. Generated from `jupyter_bridge/models/` by
 * `python -m tests.models.typescript`; a field that may be left out is optional.
 */
"""
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}


def structs() -> Iterator[type[msgspec.Struct]]:
    """Every body and answer, in the order of the modules and of their lines."""
    for module in iter_modules(models.__path__):
        found = import_module(f"{models.__name__}.{module.name}")
        for kind in vars(found).values():
            if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
                own = kind.__module__ == found.__name__
                if own and kind not in (Answer, Body):
                    yield kind


def named(name: str) -> str:
    return name.removesuffix("Model")


def typed(schema: dict[str, Any]) -> str:
    """A JSON Schema as a TypeScript type."""
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " | ".join(f"'{word}'" for word in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(typed(one) for one in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        inner = typed(schema["items"])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if kind == "object":
        rest = schema.get("additionalProperties")
        return f"Record<string, {typed(rest) if isinstance(rest, dict) else 'unknown'}>"
    return "null" if kind == "null" else _SCALARS.get(str(kind), "unknown")


def interface(kind: type[msgspec.Struct], schema: dict[str, Any]) -> str:
    """One struct as an interface; null is never sent where it is the default that is left out."""
    words = inspect.cleandoc(str(kind.__doc__)).splitlines()
    comment = f"/** {words[0]} */" if len(words) == 1 else "\n * ".join(["/**", *words]) + "\n */"
    lines = []
    for name, one in schema["properties"].items():
        optional = name not in schema.get("required", ())
        if optional and kind.__struct_config__.omit_defaults and "anyOf" in one:
            one = {"anyOf": [each for each in one["anyOf"] if each.get("type") != "null"]}
        lines.append(f"  {name}{'?' * optional}: {typed(one)};\n")
    comment = comment.replace(" * \n", " *\n")
    return f"{comment}\nexport interface {named(kind.__name__)} {{\n{''.join(lines)}}}\n"


def page() -> str:
    """The whole file."""
    kinds = [*structs()]
    _, found = msgspec.json.schema_components(kinds)
    return "\n".join([_HEAD, *(interface(kind, found[kind.__name__]) for kind in kinds)])


if __name__ == "__main__":
    FILE.write_text(page())
