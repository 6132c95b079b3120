"""MountRegistry: the sshfs mounts of the connections, as in the kernel's mount table.

A mount is identified by its mountpoint and its device number: only that mount is ever unmounted,
never another sshfs. Mounts are recorded beside the configuration: after a crash those that still
answer are used again, and dead ones are unmounted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_bridge.connections.mounts import sshfs, table
from jupyter_bridge.connections.mounts.records import MountRecord, MountRecords
from jupyter_bridge.connections.mounts.table import MountProbe
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.roles import Sshfs
from jupyter_bridge.problems import (
    BadRequest,
    Busy,
    Conflict,
    NotFound,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
)

# How often a mount is probed, and how long it may take, so that a dead one is found within 5 s.
WATCH_SECONDS = 2.0
ANSWER_SECONDS = 2.5
# The mount table is read this often while sshfs connects; reading takes 50 µs. Seconds.
_POLL = 0.02

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Outbound.addresses: the addresses of a host that may be connected to."""


@dataclass
class Mount:
    """One mount, as last seen; `stale` while it does not answer."""

    record: MountRecord
    question: MountProbe
    process: asyncio.subprocess.Process | None = None
    stale: bool = False
    watching: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def mountpoint(self) -> str:
        return self.record.mountpoint

    def is_there(self) -> bool:
        """Whether the mount table has this mount, and no other at its place."""
        entry = table.at(self.mountpoint)
        return entry is not None and entry.device == self.record.device


class MountRegistry:
    """All mounts of this server, by the name of their connection."""

    def __init__(
        self,
        folder: Path,
        home: Path,
        log: logging.Logger,
        *,
        on_change: Callable[[str], None] = lambda name: None,
        places: Places | None = None,
    ) -> None:
        """`folder` (0700) holds configurations and records; a mountpoint is relative to `home`.

        A mountpoint that a request names must be below one of `places`. `on_change(name)` is called
        for each mount that was made or ended.
        """
        self._on_change = on_change
        self._places = places
        self._folder = folder
        self._home = home
        self._records = MountRecords(folder, log)
        self._log = log
        self._mounts: dict[str, Mount] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def get(self, name: str) -> Mount | None:
        """Return the mount of a connection; None if it is not in the mount table."""
        mount = self._mounts.get(name)
        return mount if mount is not None and mount.is_there() else None

    async def mount(
        self, name: str, what: Sshfs, resolve: Resolve, mountpoint: str | None = None
    ) -> Mount:
        """Mount at `mountpoint` of a request, or `~/<hostname>`: a missing or empty folder.

        Raises Conflict if the place is taken, Denied, Unavailable or RemoteFailed as sshfs says.
        """
        sshfs.check(what)
        reason = await asyncio.to_thread(sshfs.available)
        if reason is not None:
            raise Unavailable(f"Nothing can be mounted here: {reason}")
        async with self._lock(name):
            if self.get(name) is not None:
                raise Conflict(f"{name} is mounted at {self._mounts[name].mountpoint} already.")
            await self._forget(name)
            address = (await resolve(what.host, what.port))[0]
            target = await self._place(mountpoint or what.host)
            if mountpoint and self._places is not None:
                await asyncio.to_thread(self._places.judge, Path(target))
            config = await asyncio.to_thread(sshfs.write_config, self._folder, name, what, address)
            made = await asyncio.to_thread(_make, target)
            mount = None
            try:
                mount = await self._start(name, config, what, target, made)
            finally:
                if mount is None and made:
                    await asyncio.to_thread(_remove, target)
            self._mounts[name] = mount
            mount.watching = asyncio.create_task(self._watch(name, mount))
            await self._write_down()
            self._on_change(name)
            return mount

    async def unmount(self, name: str, *, lazy: bool = False) -> None:
        """Unmount the connection. Raises NotFound if it is not mounted, Busy if in use.

        `lazy` unmounts it although programs use it; a stale mount is always unmounted lazily.
        """
        async with self._lock(name):
            mount = self.get(name)
            if mount is None:
                await self._forget(name)
                raise NotFound(f"{name} is not mounted.")
            lazy = lazy or mount.stale or not await mount.question.answers(ANSWER_SECONDS)
            error = await sshfs.unmount(mount.mountpoint, lazy=lazy)
            if error is not None and mount.is_there():
                if "busy" in error:
                    raise Busy(
                        f"A program works in {mount.mountpoint}. Close its files and leave the "
                        "folder, then try again.",
                        mountpoint=mount.mountpoint,
                    )
                raise RemoteFailed(f"{mount.mountpoint} cannot be unmounted: {error}")
            await self._forget(name)

    async def recover(self) -> dict[str, Mount]:
        """Find the mounts of a killed server; unmount those that are dead.

        Returns the present mounts, by connection; see `keep_only`.
        """
        for name, record in (await self._records.read()).items():
            mount = Mount(record, MountProbe(record.mountpoint))
            self._mounts[name] = mount
            if mount.is_there() and await mount.question.answers(ANSWER_SECONDS):
                mount.watching = asyncio.create_task(self._watch(name, mount))
            else:
                await self._clear(name)
        for pid, config in await asyncio.to_thread(sshfs.orphans, self._folder):
            if config.stem not in self._mounts:  # killed before it could be written down
                await sshfs.end(pid, config, None, patience=0)
        await self._write_down()
        return dict(self._mounts)

    async def keep_only(self, names: Collection[str]) -> None:
        """Unmount all mounts but those of these connections, in use or not."""
        for name in set(self._mounts) - set(names):
            try:
                await self.unmount(name, lazy=True)
            except Problem as problem:  # noqa: PERF203 - the others are unmounted all the same
                self._log.warning("The mount of %s, which is gone: %s", name, problem.message)

    async def close(self) -> None:
        """Unmount all, in use or not; closing twice is fine."""

        async def clear(name: str) -> None:
            async with self._lock(name):  # a mount that is being made is waited for
                await self._clear(name)

        await asyncio.gather(*(clear(name) for name in {*self._mounts, *self._locks}))

    # -- below ---------------------------------------------------------------------------------

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _config(self, name: str) -> Path:
        return self._folder / f"{name}.ssh_config"

    async def _place(self, mountpoint: str) -> str:
        path = Path(mountpoint[2:] if mountpoint.startswith("~/") else mountpoint)
        if "\0" in mountpoint or ".." in path.parts or not path.name:
            raise BadRequest("mountpoint: must be a folder's path, without ..", field="mountpoint")
        path = self._home / path
        # The parent only: a stat of the place itself may hang on a dead mount there.
        parent = await asyncio.to_thread(os.path.realpath, path.parent)
        target = os.path.join(parent, path.name)
        if table.at(target) is not None:
            raise Conflict(f"Something is mounted at {target} already.", mountpoint=target)
        return target

    async def _start(self, name: str, config: Path, what: Sshfs, target: str, made: bool) -> Mount:
        log_file = self._folder / f"{name}.log"
        process = await sshfs.start(config, what, target, log_file)
        question = MountProbe(target)
        entry = mount = None
        try:
            deadline = asyncio.get_running_loop().time() + sshfs.MOUNT_SECONDS
            while mount is None:
                # sshfs mounts before it connects: only a mount that answers counts.
                entry = table.at(target)
                # If the mount is gone meanwhile, the bare folder has answered.
                if (
                    entry is not None
                    and await question.answers(_POLL)
                    and table.at(target) == entry
                ):
                    mount = Mount(
                        MountRecord(target, entry.device, process.pid, made), question, process
                    )
                elif process.returncode is not None:
                    output = await asyncio.to_thread(sshfs.read_log, log_file)
                    raise sshfs.failure(output, what.host)
                elif asyncio.get_running_loop().time() > deadline:
                    raise Timeout(f"{what.host} was not mounted in {sshfs.MOUNT_SECONDS:g} s.")
                await asyncio.sleep(_POLL)
            return mount
        finally:
            if mount is None:  # failed or cancelled: nothing stays behind
                if process.returncode is None:
                    process.terminate()
                await sshfs.end(process.pid, config, process)
                if entry is not None and table.at(target) == entry:
                    await sshfs.unmount(target, lazy=True)

    async def _watch(self, name: str, mount: Mount) -> None:
        """Note whether the mount answers; remove its record if it has ended."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not mount.is_there():
                break
            stale = not await mount.question.answers(ANSWER_SECONDS)
            if stale != mount.stale:
                mount.stale = stale
                self._log.warning(
                    "The mount of %s %s.", name, "does not answer" if stale else "answers again"
                )
            if stale and not sshfs.is_ours(mount.record.pid, self._config(name)):
                break  # its process has died: it can never answer again
        mount.watching = None
        async with self._lock(name):
            if self._mounts.get(name) is mount:
                self._log.warning("The mount of %s at %s has ended.", name, mount.mountpoint)
                await self._clear(name)

    async def _clear(self, name: str) -> None:
        """Unmount by force, only this mount, and remove its record."""
        mount = self._mounts.get(name)
        if mount is None:
            return
        try:
            if mount.is_there():
                output = await sshfs.unmount(mount.mountpoint, lazy=False)
                if output is not None and mount.is_there():
                    output = await sshfs.unmount(mount.mountpoint, lazy=True)
                if output is not None and mount.is_there():
                    self._log.error("%s cannot be unmounted: %s", mount.mountpoint, output)
        except (Problem, OSError) as error:
            self._log.error("%s cannot be unmounted: %s", mount.mountpoint, error)
        await self._forget(name)

    async def _forget(self, name: str) -> None:
        mount = self._mounts.pop(name, None)
        if mount is None:
            return
        watching, mount.watching = mount.watching, None
        if watching is not None and watching is not asyncio.current_task():
            watching.cancel()
            await asyncio.wait({watching})
        await sshfs.end(mount.record.pid, self._config(name), mount.process)
        if mount.record.made and table.at(mount.mountpoint) is None:
            await asyncio.to_thread(_remove, mount.mountpoint)
        await self._write_down()
        self._on_change(name)

    async def _write_down(self) -> None:
        records = {name: mount.record for name, mount in self._mounts.items()}
        await self._records.write(records)


def _make(target: str) -> bool:
    """Create the folder; return whether it was missing. Conflict unless it is an empty folder."""
    try:
        os.mkdir(target, 0o700)
    except FileExistsError:
        if os.path.islink(target) or not os.path.isdir(target):
            raise Conflict(f"{target} is not a folder.", mountpoint=target) from None
        if os.listdir(target):
            raise Conflict(f"{target} is not empty.", mountpoint=target) from None
        return False
    except OSError as error:
        raise BadRequest(
            f"mountpoint: {target} cannot be made: {error.strerror}.", field="mountpoint"
        ) from error
    return True


def _remove(target: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(target)
