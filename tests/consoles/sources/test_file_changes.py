"""What `tail -F` follows: switched links, files that come later, files that are rewritten."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_bridge.consoles.sources.file_log import FileLog, FilePlace
from jupyter_bridge.problems import BadRequest, NotFound
from jupyter_bridge.wire.console import GapFrame
from tests.consoles.conftest import house
from tests.consoles.sources.test_file import followed
from tests.support.waiting import until


def switch(link: Path, target: str) -> None:
    """Let a symbolic link point elsewhere, in one step."""
    other = link.with_name("switching")
    other.symlink_to(target)
    other.rename(link)


def prepare(root: Path) -> None:
    for version in ("v1", "v2"):
        (root / version).mkdir()
        (root / version / "app.log").write_text(f"{version} one\n")


def link_of_the_file(root: Path) -> tuple[str, Callable[[str], None]]:
    switch(root / "current.log", "v1/app.log")
    return "current.log", lambda version: switch(root / "current.log", f"{version}/app.log")


def link_of_the_folder(root: Path) -> tuple[str, Callable[[str], None]]:
    switch(root / "current", "v1")
    return "current/app.log", lambda version: switch(root / "current", version)


def link_of_a_folder_further_up(root: Path) -> tuple[str, Callable[[str], None]]:
    for version in ("v1", "v2"):
        (root / f"{version}.top").mkdir()
        (root / f"{version}.top" / "logs").symlink_to(f"../{version}")
    switch(root / "top", "v1.top")
    return "top/logs/app.log", lambda version: switch(root / "top", f"{version}.top")


def link_to_a_link(root: Path) -> tuple[str, Callable[[str], None]]:
    switch(root / "latest", "v1/app.log")
    (root / "current.log").symlink_to("latest")
    return "current.log", lambda version: switch(root / "latest", f"{version}/app.log")


def folder_put_in_its_place(root: Path) -> tuple[str, Callable[[str], None]]:
    (root / "v1").rename(root / "now")

    def change(version: str) -> None:
        (root / "now").rename(root / ("v1" if version == "v2" else "v2"))
        (root / version).rename(root / "now")

    return "now/app.log", change


LINKS = [
    link_of_the_file,
    link_of_the_folder,
    link_of_a_folder_further_up,
    link_to_a_link,
    folder_put_in_its_place,
]


@pytest.mark.parametrize("place", LINKS)
async def test_a_switched_link_is_followed(
    tmp_path: Path, place: Callable[[Path], tuple[str, Callable[[str], None]]]
) -> None:
    """The other file's bytes follow without a gap; the first file goes on where it was left."""
    prepare(tmp_path)
    path, change = place(tmp_path)
    async with followed(tmp_path / path, root=tmp_path) as (_, got):
        await until(lambda: got == [b"v1 one\n"])
        change("v2")
        await until(lambda: got == [b"v1 one\nv2 one\n"])
        with (tmp_path / path).open("a") as file:
            file.write("v2 two\n")
        await until(lambda: got == [b"v1 one\nv2 one\nv2 two\n"])
        change("v1")
        with (tmp_path / path).open("a") as file:
            file.write("v1 two\n")
        await until(lambda: got == [b"v1 one\nv2 one\nv2 two\nv1 two\n"])


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.log", "nowhere", "current.log"])
async def test_a_link_that_leaves_the_root_is_not_followed(tmp_path: Path, target: str) -> None:
    """A link to a file outside the root, or to nothing, changes nothing until it points inside."""
    root = tmp_path / "root"
    root.mkdir()
    prepare(root)
    (tmp_path / "outside.log").write_text("secret\n")
    switch(root / "current.log", "v1/app.log")
    async with followed(root / "current.log") as (log, got):
        await until(lambda: got == [b"v1 one\n"])
        switch(root / "current.log", target)
        assert not log.refresh()
        switch(root / "current.log", "v2/app.log")
        await until(lambda: got == [b"v1 one\nv2 one\n"])


REWRITTEN = {
    "longer": b"new line number one\nnew line number two\n",
    "as long as it was": b"NEW text, no line\n",
    "shorter": b"new\n",
    "empty": b"",
    "much longer": b"%0*d\n" % (100_000, 7),
}


@pytest.mark.parametrize("text", REWRITTEN.values(), ids=REWRITTEN)
@pytest.mark.parametrize("before", [b"old text, no line\n", b"old\n" * 5000])
async def test_a_rewritten_file_is_a_gap(tmp_path: Path, before: bytes, text: bytes) -> None:
    """Truncated and written again before anybody looked: a gap, then all of the new text."""
    path = tmp_path / "log"
    path.write_bytes(before)
    async with followed(path) as (log, got):
        await until(lambda: got == [before])
        path.write_bytes(text)
        at = len(before)
        gap, rest = GapFrame(at, at + 1), [text] if text else []
        await until(lambda: log.end_offset == at + 1 + len(text))
        if text:
            await until(lambda: got == [before, gap, *rest])
        with path.open("ab") as file:
            file.write(b"more\n")
        await until(lambda: got == [before, gap, text + b"more\n"])


def test_a_rewritten_file_is_not_read_as_the_old_one(tmp_path: Path) -> None:
    """Between two checks, a reader of the old offsets gets nothing of the new text."""
    path = tmp_path / "log"
    path.write_bytes(b"old text\n" * 10)
    log = FileLog(FilePlace(tmp_path, "log"))
    assert log.read(9, 9) == b"old text\n"
    path.write_bytes(b"something else\n" * 10)
    assert log.read(9, 9) == b""
    assert log.refresh()
    assert log.held(9) == 91
    assert log.read(91, 15) == b"something else\n"
    path.rename(tmp_path / "log.1")
    path.write_bytes(b"new\n")
    assert log.refresh()
    (tmp_path / "log.1").write_bytes(b"a rotated file that was rewritten\n" * 10)
    assert log.read(91, 15) == b""
    assert log.read(log.held(91), 4) == b"new\n"
    log.close()


@pytest.mark.parametrize("path", ["log", "not/yet/log", "link"])
async def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path, path: str) -> None:
    """With `wait` its console is empty until the file comes; without, there is none: 404."""
    async with house(tmp_path) as consoles:
        root = tmp_path / "root"
        if path == "link":
            (root / path).symlink_to("target")
        with pytest.raises(NotFound):
            await consoles.open(f"file:{path}")
        console, same = await asyncio.gather(
            consoles.open(f"file:{path}", wait=True), consoles.open(f"file:{path}", wait=True)
        )
        assert (console, console.end_offset, console.state) == (same, 0, "live")
        with pytest.raises(NotFound):
            await consoles.open(f"file:{path}")
        viewer = asyncio.ensure_future(console.wait(4))
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("here\n")
        await until(viewer.done)
        assert console.read(0, 10) == b"here\n"
        assert await consoles.open(f"file:{path}") is console


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../log", BadRequest),
        ("", BadRequest),
        (".hidden/log", NotFound),
        ("outside/log", NotFound),
        ("folder", BadRequest),
        ("fifo", BadRequest),
    ],
)
async def test_only_a_file_below_the_root_is_waited_for(
    tmp_path: Path, path: str, problem: type[Exception]
) -> None:
    """A path that leaves the root, is hidden, or is something else is refused at once."""
    async with house(tmp_path) as consoles:
        root = tmp_path / "root"
        (root / "outside").symlink_to("/nowhere")
        (root / "folder").mkdir()
        os.mkfifo(root / "fifo")
        with pytest.raises(problem):
            await consoles.open(f"file:{path}", wait=True)
        assert list(consoles) == []
