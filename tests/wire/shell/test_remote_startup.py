"""How shells are started on a server without a bridge: real shells in real ptys."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_bridge.wire.shell.integration import Dialect
from jupyter_bridge.wire.shell.remote_startup import OWN_PROGRAM, RemoteShell, remote_argv
from jupyter_bridge.wire.shell.startup import KEY
from tests.support.far_shell import JB_KEY, FarShell
from tests.support.shells import ALL_SHELLS, needs
from tests.support.waiting import wait_until

DIALECTS: dict[str, Dialect] = {"bash": "bash", "zsh": "zsh", "fish": "fish"}
MARK = b"\x1b]133;%s;jb=" + JB_KEY.encode()


@pytest.mark.parametrize("shell", ALL_SHELLS)
def test_the_login_shell_tells_its_prompt(shell: str, tmp_path: Path) -> None:
    """It is $SHELL, with the user's start files, environment and mask; its folder goes with it."""
    home = tmp_path / "home"
    far = FarShell(home, SHELL=needs(shell), ENV="/theirs", ZDOTDIR=str(home), d="mine")
    try:
        far.until_prompt()
        assert far.known.dialect == DIALECTS.get(shell, "sh")
        assert (far.known.pid, far.folder.parent) == (far.pid, home)
        assert far.folder.stat().st_mode & 0o777 == 0o700
        mask = os.umask(0)
        os.umask(mask)
        said = re.compile(rf"/theirs {home} mine\r\n0?{mask:03o}\r\n0\r\n".encode())
        far.write(b"echo $ENV $ZDOTDIR $d; umask; env | grep -c '__J[B]'\r")
        far.until(lambda: said.search(far.said))
        # Pressed without a line's file, or elsewhere, the key does nothing.
        if far.known.has_key:
            (far.folder / f"{far.pid}.line").unlink()
            far.until_prompt()
            far.write(KEY)
            far.until(lambda: far.known.prompt.refused)
    finally:
        far.close()
    wait_until(lambda: not far.folder.exists(), "the watcher's work")


@pytest.mark.parametrize(
    ("env", "dialect"),
    [
        ({"SHELL": "/bin/csh"}, "bash"),
        ({"SHELL": "/nowhere/zsh"}, "bash"),
        ({"SHELL": ""}, "bash"),
        ({"TMPDIR": "/tmp/it's"}, "bash"),
        ({"TMPDIR": "tmp"}, "bash"),
    ],
    ids=str,
)
def test_what_cannot_be_used(env: dict[str, str], dialect: str, tmp_path: Path) -> None:
    """A shell that tells no prompt is replaced by bash, an odd folder by one in /tmp."""
    far = FarShell(tmp_path / "home", **{"SHELL": "/bin/bash", **env})
    try:
        far.until_prompt()
        assert far.known.dialect == dialect
        assert (far.folder.parent == Path("/tmp")) == ("TMPDIR" in env)
    finally:
        far.close()
    wait_until(lambda: not far.folder.exists(), "the watcher's work")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The shell starts all the same, and its fault says why it takes no runs."""
    far = FarShell(tmp_path / "home", "bash", "--norc", TMPDIR=f"{tmp_path}/none")
    try:
        far.until(lambda: b"$ " in far.said)
        assert far.known.fault is not None
        assert "no folder" in far.known.fault
        assert far.known.dialect is None
    finally:
        far.close()


@pytest.mark.parametrize(
    "argv", [["tcsh"], ["python3"], ["bash", "-c", "true"], ["rbash"], ["/bin/sh", "-c", "true"]]
)
def test_what_is_no_plain_shell_is_started_as_it_is(argv: list[str]) -> None:
    """Nothing is added where the script could not stand for what the options ask."""
    assert remote_argv(JB_KEY, argv) is None


def cut_anywhere(data: bytes, size: int) -> RemoteShell:
    known = RemoteShell(JB_KEY)
    for start in range(0, len(data), size):
        known.feed(data[start : start + size])
    return known


STARTED = MARK % b"S" + b";zsh;41;/t/jb-1\x07hello" + MARK % b"A" + b"\x07\x1b[?2004h% "
TOLD: dict[str, tuple[bytes, Callable[[RemoteShell], bool]]] = {
    "at its prompt": (STARTED, lambda one: one.is_editing and one.prompt.state == "prompt"),
    "its start": (
        STARTED,
        lambda one: (one.dialect, one.pid, one.folder) == ("zsh", 41, "/t/jb-1"),
    ),
    "receives": (STARTED + b"\x1b[?2004l" + MARK % b"H" + b";0\x07", lambda one: one.is_receiving),
    "has received": (
        STARTED + MARK % b"H" + b";0\x07" + MARK % b"A" + b"\x07",
        lambda one: not one.is_receiving,
    ),
    "another program": (b"login: ", lambda one: one.fault == OWN_PROGRAM),
    "another key": (b"\x1b]133;S;jb=00;zsh;1;/t\x07" + b"x" * 5000, lambda one: bool(one.fault)),
    "a late start": (b"hello" + STARTED, lambda one: one.fault == OWN_PROGRAM),
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("what", TOLD)
def test_what_a_terminal_tells(what: str, size: int) -> None:
    """It is understood wherever it is cut."""
    data, true = TOLD[what]
    assert true(cut_anywhere(data, size))


def test_a_gap_makes_it_unknown() -> None:
    """What is missing may have been a command's begin; the next mark tells the state again."""
    known = cut_anywhere(STARTED, 100)
    known.lost()
    assert (known.prompt.state, known.is_editing) == ("unknown", False)
    known.feed(MARK % b"A" + b"\x07")
    assert known.prompt.state == "prompt"
    assert known.dialect == "zsh"
