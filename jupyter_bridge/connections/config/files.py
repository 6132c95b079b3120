"""Read the configured connections: traits, YAML files, the environment.

A bad entry becomes a Report with its file and line, and affects no other entry. The files are
`bridge-connections.yaml` and jupyter-openbis-server's `openbis-connections.yaml`, in every folder
of the Jupyter configuration path:

    connections:
      - name: lab
        kind: openbis          # optional if the url tells it
        url: https://openbis.example.org
        username: jane
        verify: true           # false trusts any certificate; only configuration may set it
        insecure_http: false   # true allows http:// for this one
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from jupyter_bridge.private_files import open_regular, read_most

FILES = ("bridge-connections.yaml", "openbis-connections.yaml")
# 10,000 connections take about 1 MiB; a larger file is no list of connections.
MAX_FILE = 4 << 20
# The most values in one file, aliases counted at each use.
MAX_NODES = 200_000
# Entries are flat.
MAX_DEPTH = 10
_OPENBIS = {"verify_certificates": "verify", "http_only": "insecure_http"}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


# The source of a connection that a request added.
RUN_TIME = "run time"


@dataclass(frozen=True)
class ConfigEntry:
    """One configured connection, not yet checked against its kind's fields."""

    name: str
    kind: str | None
    given: Mapping[str, Any] = field(repr=False)
    source: str = RUN_TIME
    verify: bool = True
    insecure_http: bool = False
    # Whether the server's configuration names it. One that a request added may reach less.
    configured: bool = False


@dataclass(frozen=True)
class Report:
    """A fault of the configuration, and its place."""

    source: str
    message: str


@dataclass
class Found:
    """All configured connections, the first of each name, and the faults of the other entries."""

    entries: dict[str, ConfigEntry] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    def add(self, entry: ConfigEntry, *, twice: bool = False) -> None:
        if entry.name not in self.entries:
            self.entries[entry.name] = entry
        elif twice:
            self.reports.append(Report(entry.source, f"{entry.name} is there already."))


class ConfigFiles:
    """The configured connections: call `read()`, and again if `changed()`."""

    def __init__(
        self,
        traits: Sequence[Any] = (),
        folders: Sequence[str | Path] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._traits = traits
        self._paths = [Path(folder) / name for folder in folders for name in FILES]
        self._environ = os.environ if environ is None else environ
        self._seen: list[tuple[int, ...] | None] = []

    def read(self) -> Found:
        """Return all of them. Blocks while it reads files; never raises."""
        self._seen = self._look()
        found = Found()
        for index, entry in enumerate(self._traits):
            _add(found, entry, f"c.BridgeApp.connections[{index}]", openbis=False)
        for path in self._paths:
            read_file(path, found)
        self._read_environment(found)
        return found

    def changed(self) -> bool:
        """Tell whether a file was written, created or removed since `read()`. Blocks for a stat."""
        return self._look() != self._seen

    def _look(self) -> list[tuple[int, ...] | None]:
        return [_stamp(path) for path in self._paths]

    def _read_environment(self, found: Found) -> None:
        url = self._environ.get("OPENBIS_URL")
        if not url:
            return
        given = {"url": url}
        if self._environ.get("OPENBIS_TOKEN"):
            given["token"] = self._environ["OPENBIS_TOKEN"]
        try:
            name = urlsplit(url).hostname or "openbis"
        except ValueError as error:
            found.reports.append(Report("OPENBIS_URL", str(error)))
            return
        found.add(ConfigEntry(name, "openbis", given, "OPENBIS_URL", configured=True))


def read_file(path: Path, found: Found) -> None:
    """Read the entries of one YAML file into `found`; a missing file is no fault."""
    try:
        with open_regular(path) as file:
            known = os.fstat(file.fileno())
            content = read_most(file, MAX_FILE, path)
        entries = list(_parse(content.decode("utf-8-sig")))
    except FileNotFoundError:
        return
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        # Not str(error), which quotes the line and so perhaps a password.
        message = f"This is no YAML: {error.problem or error.context}."
        found.reports.append(Report(f"{path}{line}", message))
        return
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        reason = str(error) if isinstance(error, _Misplaced) else reason
        where = f"{path}:{error.line}" if isinstance(error, _Misplaced) else str(path)
        found.reports.append(Report(where, f"The file cannot be read: {reason}."))
        return
    private = stat.S_IMODE(known.st_mode) & 0o077 == 0
    for at, entry in entries:
        source = f"{path}:{at}"
        added = _add(found, entry, source, openbis=path.name == FILES[1])
        if not private and added is not None and {"password", "token"} & set(added.given):
            found.reports.append(
                Report(source, "A password stands here in the clear: chmod 600 the file.")
            )


class _Misplaced(ValueError):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _parse(text: str) -> Iterator[tuple[int, Any]]:
    """Return each entry with its line. Scalars remain text (a password 0123 is "0123")."""
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    if top is None:
        return
    listed = None
    if isinstance(top, yaml.MappingNode):
        for key, value in top.value:
            if key.value == "connections":
                listed = value
    if listed is None or _is_null(listed):
        return
    if not isinstance(listed, yaml.SequenceNode):
        raise _Misplaced(listed.start_mark.line + 1, "connections must be a list")
    left = [MAX_NODES]
    for node in listed.value:
        yield node.start_mark.line + 1, _plain(node, left)


def _plain(node: yaml.Node, left: list[int], depth: int = 0) -> Any:
    # Aliases can make a small file endless, or contain themselves: the budget ends it.
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        raise _Misplaced(node.start_mark.line + 1, "it repeats itself without end")
    if isinstance(node, yaml.MappingNode):
        return {
            str(key.value): _plain(value, left, depth + 1)
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode) and not _is_null(value)
        }
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, left, depth + 1) for item in node.value]
    return node.value


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _add(found: Found, entry: Any, source: str, *, openbis: bool) -> ConfigEntry | None:
    """Add one entry, or report its fault."""
    if not isinstance(entry, Mapping):
        found.reports.append(Report(source, "An entry must be a mapping with a name and a url."))
        return None
    given = dict(entry)
    if openbis:
        given = {_OPENBIS.get(key, key): value for key, value in given.items()}
    name, kind = given.pop("name", None), given.pop("kind", "openbis" if openbis else None)
    try:
        verify = _flag(given.pop("verify", True), "verify")
        insecure = _flag(given.pop("insecure_http", False), "insecure_http")
        if not isinstance(name, str) or not isinstance(kind, (str, type(None))):
            raise ValueError("name: must be given, and be a text")
        if not isinstance(given.get("url"), str):
            raise ValueError("url: must be given, and be a text")
    except ValueError as error:
        found.reports.append(Report(source, f"{error}."))
        return None
    made = ConfigEntry(name, kind, given, source, verify, insecure, configured=True)
    found.add(made, twice=True)
    return made


def _flag(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{name}: must be true or false")


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size, known.st_ino
