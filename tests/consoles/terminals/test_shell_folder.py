"""The folder of the shells in `/tmp`, where a cleaner takes and everybody may write."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.consoles.terminals.shell_folder import ShellFolder
from jupyter_bridge.private_files import is_private
from jupyter_bridge.problems import Unavailable
from jupyter_bridge.wire.shell import startup
from tests.consoles.conftest import everything, says
from tests.support.shells import Desk, d
from tests.support.strangers import IN_ITS_PLACE, OTHERS, put

__all__ = ["d"]

KEY_SHELLS = ["bash", "zsh", "fish"]


@pytest.fixture
def shells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShellFolder:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return ShellFolder()


def scripts_in(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in startup.all_files()}


def remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    else:
        shutil.rmtree(folder)


@pytest.mark.parametrize("what", IN_ITS_PLACE)
def test_what_others_made_is_not_used(shells: ShellFolder, what: str) -> None:
    """Another folder is made, nothing is written to this one, and its shells take no line."""
    folder = shells.path
    shutil.rmtree(folder)
    put(what, folder)
    another = shells.path
    assert another != folder
    assert is_private(another)
    assert scripts_in(another) == startup.all_files()
    assert not folder.is_dir() or not list(folder.iterdir())
    with pytest.raises(Unavailable, match="new terminal"):
        shells.check(folder)
    shells.check(another)
    shells.close()
    assert os.path.lexists(folder)
    assert not another.exists()


def test_what_was_cleaned_away_is_there_again(shells: ShellFolder) -> None:
    """The folder, and each of its scripts, is made again under the name that shells know."""
    folder = shells.path
    shutil.rmtree(folder)
    assert shells.path == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in startup.all_files():
        (folder / name).unlink()
        assert scripts_in(shells.path) == startup.all_files()
    shells.close()


@pytest.mark.parametrize("what", ["a link", OTHERS])
@pytest.mark.parametrize("shell", KEY_SHELLS)
async def test_a_stranger_s_line_is_not_run(d: Desk, shell: str, what: str) -> None:
    """Neither a run nor the key makes a shell read a folder that somebody else made."""
    console = await d.open(shell)
    await d.run("true", shell)
    assert isinstance(console.source, TerminalSource)
    folder, pid = d.consoles.shells.path, console.source.pid
    trapped = d.home / "trapped"
    shutil.rmtree(folder)
    put(what, folder, {f"{pid}.line": f" touch {trapped}\n"})
    with pytest.raises(Unavailable, match="new terminal"):
        await d.run("echo run", shell)
    shown = len(everything(console))
    await console.write(startup.KEY + b"echo he''re\r")
    await says(console, b"here\r\n", shown)
    # A shell that is started now has a folder of its own.
    await d.consoles.end(shell, purge=True)
    assert not trapped.exists()
    await d.open(shell)
    assert (await d.run("echo run", shell)).output == "run\n"
    remove(folder)


@pytest.mark.parametrize("what", ["a link", OTHERS])
async def test_a_command_typed_by_hand_writes_nothing_there(d: Desk, what: str) -> None:
    """bash keeps a command's text in its folder only while that is the user's own."""
    console = await d.open("bash")
    await d.run("true")
    assert isinstance(console.source, TerminalSource)
    folder, pid = d.consoles.shells.path, console.source.pid
    precious = d.home / "precious"
    precious.write_text("precious")
    shutil.rmtree(folder)
    put(what, folder)
    (folder / f"{pid}.x").symlink_to(precious)
    for number in range(3):
        await console.write(f"echo he''re{number}\r".encode())
        await says(console, f"here{number}\r\n".encode())
    assert precious.read_text() == "precious"
    remove(folder)


async def test_a_shell_without_a_key_goes_on(d: Desk) -> None:
    """sh reads the path that is typed, which is that of the new folder."""
    await d.open("dash")
    assert (await d.run("echo 1", "dash")).output == "1\n"
    folder = d.consoles.shells.path
    shutil.rmtree(folder)
    put("a link", folder)
    assert (await d.run("echo 2", "dash")).output == "2\n"
    remove(folder)
