"""Records of the mounts, from which the next server finds those of a killed one."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import msgspec

from jupyter_bridge.aio.loop_thread import to_its_end
from jupyter_bridge.private_files import open_private, private_folder, read_json

# A user's mounts are a few dozen, of some hundred bytes each. Bytes.
MAX_FILE = 1 << 20


class MountRecord(msgspec.Struct):
    """One mount, without secrets. `device` and `pid` tell it from any other."""

    mountpoint: str
    device: str
    pid: int
    made: bool  # the mountpoint was made by us and is ours to remove


class MountRecords:
    """The records in `folder`, by the name of the connection; replaced atomically."""

    def __init__(self, folder: Path, log: logging.Logger) -> None:
        self._folder = folder
        self._log = log
        self._lock = asyncio.Lock()

    async def read(self) -> dict[str, MountRecord]:
        return await asyncio.to_thread(self._read)

    async def write(self, records: dict[str, MountRecord]) -> None:
        content = msgspec.json.encode(records)
        async with self._lock:
            await to_its_end(lambda: self._replace(content))

    def _read(self) -> dict[str, MountRecord]:
        try:
            return read_json(self._folder / "mounts.json", dict[str, MountRecord], MAX_FILE)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._log.warning("The list of mounts cannot be read: %s", error)
            return {}

    def _replace(self, content: bytes) -> None:
        private_folder(self._folder)
        temporary = self._folder / f".mounts.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        with open(open_private(temporary, os.O_WRONLY | os.O_EXCL), "wb") as file:
            file.write(content)
        temporary.replace(self._folder / "mounts.json")
