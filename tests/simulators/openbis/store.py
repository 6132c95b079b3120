"""The data of the simulated openBIS: users, sessions, objects, data sets; files are on disk."""

from __future__ import annotations

import itertools
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulators.openbis.knobs import Knobs

# 2024-01-01T00:00:00Z in openBIS's milliseconds.
CREATED = 1_704_067_200_000


class Refusal(Exception):
    """An error of the server; becomes a JSON-RPC error."""


@dataclass
class DataSet:
    """A registered data set, with its files below `folder`."""

    perm_id: str
    folder: Path
    type_code: str
    sample: str | None = None
    experiment: str | None = None
    parents: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    user: str = "ada"
    _files: list[tuple[str, Path]] = field(default_factory=list)

    def files(self) -> list[tuple[str, Path]]:
        """Return every path in the data set, with folders, sorted; a data set never changes."""
        if not self._files:
            found = sorted(self.folder.rglob("*"))
            self._files = [(path.relative_to(self.folder).as_posix(), path) for path in found]
        return self._files


@dataclass
class Token:
    """A session token or a personal access token; each has a workspace for uploads."""

    name: str
    user: str
    started: float
    session_name: str | None = None
    valid_from: float = 0.0
    valid_to: float | None = None


class Store:
    """All data; no lock is needed, because everything runs on the simulator's one loop."""

    def __init__(self, folder: Path, knobs: Knobs) -> None:
        self.folder = folder
        self.knobs = knobs
        self.users = {"ada": "secret"}
        self.tokens: dict[str, Token] = {}
        self.data_sets: dict[str, DataSet] = {}
        self.samples = {"20240101000000000-1": "/LAB/PROJECT/S1"}
        self.experiments = {"20240101000000000-2": "/LAB/PROJECT/E1"}
        self.types = ["RAW_DATA", "ANALYZED_DATA"]
        self.logins = 0
        self._numbers = itertools.count(10)
        self._sums: dict[Path, int] = {}

    # -- sessions ------------------------------------------------------------------------------

    def login(self, user: str, password: str) -> str | None:
        self.logins += 1
        if self.users.get(user) != password:
            return None
        name = f"{user}-{time.strftime('%y%m%d%H%M%S')}000x{secrets.token_hex(16).upper()}"
        self.tokens[name] = Token(name, user, time.time())
        return name

    def mint(self, token: Token, session_name: str, valid_from: float, valid_to: float) -> str:
        name = f"$pat-{token.user}-{time.strftime('%y%m%d%H%M%S')}x{secrets.token_hex(16).upper()}"
        self.tokens[name] = Token(name, token.user, time.time(), session_name, valid_from, valid_to)
        return name

    def token(self, name: Any) -> Token | None:
        """Return the token; raises if it is unknown or has ended."""
        found = self.tokens.get(name) if isinstance(name, str) else None
        if found is None:
            return None
        limit = found.valid_to
        if limit is None and self.knobs.session_seconds is not None:
            limit = found.started + self.knobs.session_seconds
        if limit is not None and time.time() >= limit:
            self.end(found.name)
            return None
        return found

    def check(self, name: Any) -> Token:
        found = self.token(name)
        if found is None:
            raise Refusal(
                f"Session token '{name}' is invalid: session is not valid or expired. Please login."
            )
        return found

    def end(self, name: str) -> None:
        """End a session and delete its workspace."""
        self.tokens.pop(name, None)
        shutil.rmtree(self.workspace(name), ignore_errors=True)

    def end_all(self) -> None:
        """End sessions, as an administrator or a restart of the server does."""
        for token in list(self.tokens.values()):
            if token.session_name is None:
                self.end(token.name)

    def workspace(self, token: str) -> Path:
        return self.folder / "workspace" / token.replace("$", "_")

    # -- data sets -----------------------------------------------------------------------------

    def add(
        self, files: Mapping[str, bytes | Path], perm_id: str | None = None, **about: Any
    ) -> DataSet:
        """Add a data set with these files, below `original/` as in openBIS."""
        perm_id = perm_id or f"20240101000000000-{next(self._numbers)}"
        folder = self.folder / "store" / perm_id
        for name, content in files.items():
            path = folder / "original" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                path.symlink_to(content)
            else:
                path.write_bytes(content)
        data_set = DataSet(perm_id, folder, about.pop("type_code", "RAW_DATA"), **about)
        self.data_sets[perm_id] = data_set
        return data_set

    def register(self, source: Path, **about: Any) -> DataSet:
        """Register an upload as a data set: `source` must have exactly one file or folder."""
        content = list(source.iterdir()) if source.is_dir() else []
        if len(content) != 1:
            raise Refusal(f"The upload {source.name} must hold one file or folder.")
        perm_id = f"20240101000000000-{next(self._numbers)}"
        folder = self.folder / "store" / perm_id
        (folder / "original").mkdir(parents=True)
        shutil.move(str(content[0]), folder / "original" / content[0].name)
        source.rmdir()
        data_set = DataSet(perm_id, folder, **about)
        for _, path in data_set.files():
            if path.is_file():
                self.crc32(path)
        self.data_sets[perm_id] = data_set
        return data_set

    def crc32(self, path: Path) -> int:
        """Return the CRC32 as openBIS does: signed."""
        if path not in self._sums:
            value = 0
            with path.open("rb") as source:
                while piece := source.read(1 << 20):
                    value = zlib.crc32(piece, value)
            self._sums[path] = value
        value = self._sums[path]
        return value - (1 << 32) if value >= 1 << 31 else value

    def identifier(self, kind: str, name: str) -> str | None:
        """Return the identifier of a sample or experiment, given either of its names."""
        known = {"sample": self.samples, "experiment": self.experiments}[kind]
        if name in known:
            return known[name]
        return name.upper() if name.upper() in known.values() else None

    def find(self, criteria: Iterable[Mapping[str, Any]]) -> list[DataSet]:
        """Return the data sets that match all criteria, the oldest first."""
        found = list(self.data_sets.values())
        for criterion in criteria:
            area = criterion["@type"].split(".")[2]
            inner = criterion.get("criteria", [])
            if not inner:
                value = criterion["fieldValue"]["value"]
                found = [one for one in found if one.perm_id == value]
                continue
            values = [one["fieldValue"]["value"] for one in inner]
            if area == "dataset":
                found = [one for one in found if one.perm_id in values]
            else:
                known = {self.identifier(area, value) for value in values} - {None}
                found = [one for one in found if getattr(one, area) in known]
        return found
