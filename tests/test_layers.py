"""The stairs of docs/architecture.md: who may import whom, downward only; no circle anywhere."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

import pytest

PACKAGE = Path(__file__).parent.parent / "jupyter_bridge"

STAIRS = {
    "app": 7,
    "cli": 7,
    "handlers": 6,
    "openapi": 6,
    "asyncapi": 6,
    "web": 5,
    "client": 5,
    "consoles": 4,
    "kernels": 3,
    "connections": 3,
    "transport": 2,
    "observe": 2,
    "interfaces": 2,
    "models": 2,
    "private_files": 1,
    "memory": 1,
    "aio": 1,
    "wire": 1,
    # Everything may raise a Problem, so it stands below the first stair.
    "problems": 0,
    # The package itself: its version, and hooks that import inside functions.
    "version": 0,
    "": 0,
}
# The socket.io server asks who may open each namespace, and so stands with the handlers.
ON_THE_HANDLERS_STAIR = {
    "kernels/socketio/server.py",
    "kernels/socketio/namespace.py",
    "kernels/access.py",
}
# Tornado's request handlers and jupyter_server's are met on stairs 5 to 7 only.
HANDLERS = ("tornado.web", "tornado.websocket", "jupyter_server.base")
# What upstream calls need of Tornado's websocket *client*, and types of refusals.
NOT_HANDLERS = {
    ("kernels/gateway_upstream.py", "tornado.websocket"),
    ("kernels/host/manager.py", "tornado.web"),
    ("kernels/socketio/engine.py", "tornado.websocket"),
}
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """The part a module (or a dotted name's path) belongs to, by its file."""
    first = module.split("/")[0].removesuffix(".py")
    return "" if first == "__init__" else first


def stair_of(module: str) -> int:
    # A part's handlers are a module, or a package where there are many.
    if "handlers" in module.removesuffix(".py").split("/") or module in ON_THE_HANDLERS_STAIR:
        return STAIRS["handlers"]
    return STAIRS[part_of(module)]


def imports(source: str, module: str) -> Iterator[str]:
    """Every dotted name that is imported, wherever it stands, TYPE_CHECKING included."""
    package = ["jupyter_bridge", *module.split("/")[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def file_of(dotted: str) -> str | None:
    """The file of the bridge that a dotted name means, if it means one."""
    parts = dotted.split(".")
    if parts[0] != "jupyter_bridge":
        return None
    path = "/".join(parts[1:])
    for candidate in (f"{path}.py", f"{path}/__init__.py".lstrip("/")):
        if (PACKAGE / candidate).is_file():
            return candidate
    return None


def read(module: str) -> str:
    return (PACKAGE / module).read_text()


def violations(module: str, source: str) -> list[str]:
    """The imports of `module` that go up or across."""
    found = []
    for dotted in imports(source, module):
        target = file_of(dotted)
        if target is None or target == "__init__.py":
            continue
        own = part_of(target) == part_of(module)
        # Within a folder everything may meet, but for the handlers' stair: that is its top.
        up = stair_of(target) > stair_of(module) if own else stair_of(target) >= stair_of(module)
        if up:
            found.append(f"{module} imports {target}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_stairs(module: str) -> None:
    """A module imports its own folder and lower stairs, never up, never across."""
    if module == "__init__.py":
        # Its hook imports the app, inside a function, which is what keeps the client light.
        assert not [n for n in ast.parse(read(module)).body if "app" in ast.dump(n)[:80]]
        return
    assert violations(module, read(module)) == []


def targets(module: str) -> set[str]:
    """The files of the bridge that `module` imports, for types alone or inside a function too."""
    found = {file_of(dotted) for dotted in imports(read(module), module)}
    # A module inside a package needs the package's `__init__` by Python's rule, not by its own.
    return {one for one in found if one and not one.endswith("__init__.py")} - {module}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The circles of a graph, each as the nodes that it leads through."""
    order = TopologicalSorter(graph)
    try:
        order.prepare()
    except CycleError as error:
        return [error.args[1]]
    return []


def test_no_file_is_part_of_a_circle() -> None:
    """No import leads back to where it began, not even one of types alone."""
    assert circles({module: targets(module) for module in MODULES}) == []


FOLDERS = sorted({parent.as_posix() for m in MODULES for parent in PurePosixPath(m).parents})


@pytest.mark.parametrize("folder", FOLDERS)
def test_siblings_import_in_one_direction(folder: str) -> None:
    """In a folder, files and sub-folders import each other in one direction only."""
    top = "" if folder == "." else f"{folder}/"

    def child(module: str) -> str:
        return module.removeprefix(top).split("/")[0]

    graph: dict[str, set[str]] = {}
    for module in MODULES:
        if module.startswith(top) and module != f"{top}__init__.py":
            inside = {child(one) for one in targets(module) if one.startswith(top)}
            graph.setdefault(child(module), set()).update(inside - {child(module)})
    assert circles(graph) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_can_be_overlooked(folder: str) -> None:
    """A folder has 15 files at most."""
    assert len([m for m in MODULES if PurePosixPath(m).parent.as_posix() == folder]) <= 15


def test_circles_are_found() -> None:
    """Of two files that import each other, both are named."""
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"a"}}) in ([["a", "b", "a"]], [["b", "a", "b"]])


def test_the_page_says_the_same() -> None:
    """docs/architecture.md names each part on its stair."""
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", page, re.MULTILINE))
    told = {
        name: int(stair) for stair, names in rows.items() for name in re.findall("`(.*?)`", names)
    }
    told["handlers"] = told.pop("*/handlers")
    assert {name for name, stair in told.items() if STAIRS.get(name) not in (None, stair)} == set()
    assert {part_of(module) for module in MODULES} - told.keys() == {""}


def test_every_part_has_a_stair() -> None:
    """Nothing stands outside the house."""
    assert {part_of(module) for module in MODULES} <= STAIRS.keys()


@pytest.mark.parametrize("module", [m for m in MODULES if stair_of(m) < 5 and m != "__init__.py"])
def test_tornado_handlers(module: str) -> None:
    """Request handlers appear on stairs 5 to 7 only."""
    met = {
        base
        for dotted in imports(read(module), module)
        for base in HANDLERS
        if dotted == base or dotted.startswith(base + ".")
    }
    assert {(module, base) for base in met} <= NOT_HANDLERS


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) == "wire"])
def test_wire(module: str) -> None:
    """wire/ imports the standard library and msgspec alone, does no IO, and explains itself."""
    source = read(module)
    tops = {dotted.split(".")[0] for dotted in imports(source, module)}
    assert tops <= {*sys.stdlib_module_names, "msgspec", "jupyter_bridge"}
    assert not tops & {"asyncio", "socket", "threading", "subprocess", "os", "selectors"}
    assert ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize("module", MODULES)
def test_docstring(module: str) -> None:
    """Every module that is not empty says what it is for."""
    source = read(module)
    assert not source.strip() or ast.get_docstring(ast.parse(source))


def test_one_name_one_class() -> None:
    """No two public classes of the package have the same name."""
    places: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.walk(ast.parse(read(module))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("problems.py", "from jupyter_bridge.interfaces import Source"),
        ("wire/kernel.py", "import jupyter_bridge.kernels.relay"),
        ("kernels/relay.py", "from jupyter_bridge.web import Door"),
        ("kernels/relay.py", "from jupyter_bridge.kernels import handlers"),
        ("kernels/relay.py", "from . import handlers"),
        ("kernels/relay.py", "if TYPE_CHECKING:\n    from jupyter_bridge.app import BridgeApp"),
        ("transport/bridge_session.py", "def f():\n    from ..web.request_base import RequestBase"),
        ("web/request_base.py", "from jupyter_bridge.client import BridgeClient"),
    ],
)
def test_the_test(module: str, line: str) -> None:
    """An import that goes up or across is found, however it is written."""
    assert violations(module, line)
