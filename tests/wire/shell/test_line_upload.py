"""Files are handed over a terminal's line to whatever shell reads it: real shells in real ptys."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.shell import line_upload
from jupyter_bridge.wire.shell.line_upload import Missing, Reader, ReceivedFiles
from tests.support.shells import make_home, needs
from tests.support.strangers import OTHERS, put
from tests.support.waiting import wait_until

NONCE = "0123456789abcdef0123456789abcdef"
Kind = type[Reader | ReceivedFiles | Missing]


@given(st.binary(max_size=3000))
def test_cksum_is_that_of_posix(data: bytes) -> None:
    """The sum is what the utility on the other side computes."""
    said = subprocess.run(["cksum"], input=data, stdout=subprocess.PIPE, check=True).stdout
    assert line_upload.cksum(data) == said.decode().strip()


@given(st.dictionaries(st.sampled_from("123"), st.binary(max_size=2000), min_size=1))
def test_lines_fit_any_terminal(files: dict[str, bytes]) -> None:
    """No line is longer than POSIX's least limit, and none holds a key that acts."""
    typed = b"".join(line_upload.pieces(files))
    for line in typed.split(b"\n"):
        assert len(line) < 255
        assert re.fullmatch(rb"[ -~]*", line)
    assert re.fullmatch(rb"[^=]*\n=[ 1-3]+\n", typed)


def test_pieces_are_cut_between_lines() -> None:
    """Large files go in many messages."""
    pieces = list(line_upload.pieces({"1": bytes(range(256)) * 1000}))
    assert len(pieces) > 10
    assert all(len(piece) <= line_upload.PIECE and piece.endswith(b"\n") for piece in pieces)


def test_marks_of_another_nonce_are_not_heard() -> None:
    """What a program prints, or an earlier receiver, answers nobody."""
    said = b"\x1b]133;H;jb=00;b0;1;/tmp\x07\x1b]133;U;jb=%s;1 2\x07" % NONCE.encode()
    assert line_upload.marks_in(said, NONCE) == [ReceivedFiles("1 2")]


class Far:
    """A shell in a pty, to which only bytes lead."""

    def __init__(self, shell: str, home: Path) -> None:
        path = needs(shell)
        make_home(home)
        self.said = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)  # what should not come to the shell must not write elsewhere
            env = {"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"]}
            os.execve(path, [shell, "-i"], {**env, "TERM": "xterm", "PS1": "$ "})

    def type(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.fd, data[:1000]) :]
            self.read(0.0)

    def read(self, seconds: float) -> None:
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                self.said += os.read(self.fd, 65536)
            except OSError:
                time.sleep(0.01)

    def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline, self.said[-3000:]
            self.read(0.05)

    def mark(self, kind: Kind, nonce: str) -> Reader | ReceivedFiles | Missing:
        def found() -> list[Reader | ReceivedFiles | Missing]:
            return [
                mark for mark in line_upload.marks_in(self.said, nonce) if isinstance(mark, kind)
            ]

        self.until(found)
        return found()[0]

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


LETTERS = {"bash": "bash", "zsh": "zsh", "dash": "sh", "fish": "fish"}


@pytest.mark.parametrize("shell", LETTERS)
def test_every_shell_receives(shell: str, tmp_path: Path) -> None:
    """The same line is read by all: who reads it, `$?`, and every byte is told and taken."""
    far = Far(shell, tmp_path)
    try:
        far.until(lambda: far.said and not select.select([far.fd], [], [], 0.5)[0])
        far.type(b"sh -c 'exit 7'\r")
        far.type(line_upload.opening(NONCE, None))
        reader = far.mark(Reader, NONCE)
        assert isinstance(reader, Reader)
        assert (reader.dialect, reader.status, reader.pid) == (LETTERS[shell], 7, far.pid)
        folder = Path(reader.folder)
        assert (folder.parent, folder.stat().st_mode & 0o777) == (tmp_path, 0o700)
        files = {
            line_upload.RECEIVER_FILE: line_upload.RECEIVER.encode(),
            "1": bytes(range(256)) * 200,
            "2": b"",
            "3": "grün \\n %s \\0101 \\c".encode() * 100,
        }
        for piece in line_upload.pieces(files):
            far.type(piece)
        assert far.mark(ReceivedFiles, NONCE) == ReceivedFiles(line_upload.sums(files))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
        # Again, shorter; what an earlier run left is gone.
        far.until(lambda: not select.select([far.fd], [], [], 0.3)[0])
        far.type(line_upload.opening("ab", reader.folder))
        far.mark(Reader, "ab")
        far.type(b"".join(line_upload.pieces({"4": b"x"})))
        assert far.mark(ReceivedFiles, "ab") == ReceivedFiles(line_upload.cksum(b"x"))
        assert {path.name for path in folder.iterdir()} == {"r", "4"}
        # An interrupt gives the terminal back.
        far.until(lambda: not select.select([far.fd], [], [], 0.3)[0])
        far.type(line_upload.opening("cd", reader.folder))
        far.mark(Reader, "cd")
        far.type(b":half\n\x03")
        far.until(lambda: not select.select([far.fd], [], [], 0.3)[0])
        far.type(b"echo he''re\r")
        far.until(lambda: b"echo he''re" in far.said and b"here\r\n" in far.said)
    finally:
        far.close()
    wait_until(lambda: not folder.exists(), "the watcher's work")


# In front of a file's name, of its bytes, of the end; in the midst of each; with a line of its own.
@pytest.mark.parametrize("where", [b">1", b"1\n:", b":a", b"b\n", b"=1", b"1 2", b"2\n"])
@pytest.mark.parametrize("junk", [b"y", b"yy\n", b">../y\n:"])
def test_junk_ends_nothing_early(where: bytes, junk: bytes, tmp_path: Path) -> None:
    """What somebody else types gives another sum or none of it; the shell gets nothing of it."""
    files = {"1": b"ab" * 500, "2": b"= &b\n"}
    typed = b"".join(line_upload.pieces(files))
    at = typed.index(where) + 1 if where[:1] not in b">=" else typed.index(where)
    far = Far("dash", tmp_path)
    try:
        far.until(lambda: b"$ " in far.said)
        far.type(line_upload.opening(NONCE, None))
        reader = far.mark(Reader, NONCE)
        assert isinstance(reader, Reader)
        far.type(typed[:at] + junk + typed[at:])
        received = far.mark(ReceivedFiles, NONCE)
        kept = [Path(reader.folder, name) for name in files]
        if received == ReceivedFiles(line_upload.sums(files)):
            assert [path.read_bytes() for path in kept] == list(files.values())
        far.until(lambda: b"$ " in far.said.rpartition(b"\x07")[2])
        left = far.said.rpartition(b"\x07")[2]
        # Behind the end, and where the end was parted, it is the shell's.
        assert b"\n" not in left or where in (b"1 2", b"2\n"), left
        assert not (tmp_path / "y").exists()
    finally:
        far.close()


@pytest.mark.parametrize("what", ["a link", OTHERS])
@pytest.mark.parametrize("shell", LETTERS)
def test_a_folder_that_others_made_is_not_entered(shell: str, what: str, tmp_path: Path) -> None:
    """A folder made anew in /tmp by somebody else is told as gone, and nothing in it is run."""
    folder = tmp_path / "jb-0a"
    put(what, folder, {line_upload.RECEIVER_FILE: f"touch {tmp_path}/trapped\n"})
    far = Far(shell, tmp_path)
    try:
        far.until(lambda: far.said and not select.select([far.fd], [], [], 0.5)[0])
        far.type(line_upload.opening("0b", str(folder)))
        assert isinstance(far.mark(Missing, "0b"), Missing)
        # Nor is a new folder one that others were faster to make.
        far.until(lambda: not select.select([far.fd], [], [], 0.3)[0])
        far.type(line_upload.opening("0a", None))
        assert far.mark(Missing, "0a") == Missing(str(folder))
    finally:
        far.close()
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("shell", LETTERS)
def test_a_folder_that_is_gone_is_told(shell: str, tmp_path: Path) -> None:
    """Whoever tidies /tmp costs a run one line more, not its answer."""
    far = Far(shell, tmp_path)
    try:
        far.until(lambda: far.said and not select.select([far.fd], [], [], 0.5)[0])
        far.type(line_upload.opening(NONCE, f"{tmp_path}/gone"))
        assert isinstance(far.mark(Missing, NONCE), Missing)
    finally:
        far.close()
