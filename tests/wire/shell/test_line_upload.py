"""Files are sent through a terminal to whatever shell reads it: real shells in real ptys."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.shell import line_upload
from jupyter_bridge.wire.shell.line_upload import ReceivedFiles, Receiving
from jupyter_bridge.wire.shell.startup import KEY
from tests.support.far_shell import JB_KEY, FarShell
from tests.support.shells import ALL_SHELLS, needs
from tests.support.strangers import OTHERS, put
from tests.support.waiting import wait_until


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


@given(st.binary(max_size=3000))
def test_a_line_means_nothing_to_a_shell(data: bytes) -> None:
    """Should the receiver have ended, the shell gets a `:` and words, and creates no file."""
    lines = b"".join(line_upload.pieces({"1": data})).splitlines()
    assert lines[0] == b":@1"
    assert lines[-1] == b"=1"
    assert all(re.fullmatch(rb": [A-Za-z0-9 _./,:+@\\-]+", line) for line in lines[1:-1])


def test_marks_of_another_key_are_not_heard() -> None:
    """What a program prints answers nobody, and a status is a number."""
    said = b"\x1b]133;H;jb=00;0\x07\x1b]133;U;jb=%s;1 2\x07" % JB_KEY.encode()
    said += b"\x1b]133;H;jb=%s;1 2\x07\x1b]133;H;jb=%s;7\x07" % (JB_KEY.encode(), JB_KEY.encode())
    assert line_upload.marks_in(said, JB_KEY) == [ReceivedFiles("1 2"), Receiving(7)]


@pytest.fixture
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarShell]:
    """A shell at its first prompt."""
    shell: str = request.param
    path = needs(shell)
    opened = FarShell(tmp_path / "home", path, *(["sh"] if shell == "busybox" else []), "-i")
    opened.until_prompt()
    yield opened
    opened.close()
    wait_until(lambda: not opened.folder.exists(), "the watcher's work")


@pytest.mark.parametrize("far", ALL_SHELLS, indirect=True)
def test_every_shell_receives(far: FarShell) -> None:
    """`$?` and every byte arrive; the run is started when it may be, and not before."""
    far.write(b"sh -c 'exit 7'\r")
    far.until(lambda: far.known.prompt.status == 7)
    far.until_prompt()
    receiving = far.receive()
    # sh has had Ctrl-C before that: there the prompt has told the status.
    assert receiving == Receiving(7 if far.known.has_key else 0)
    assert far.folder.stat().st_mode & 0o777 == 0o700
    say = "echo STARTED" if far.known.dialect != "fish" else "set -g __jb_l 'echo STARTED'"
    files = {
        "1": say.encode() + b"\n",
        "2": bytes(range(256)) * 200,
        "3": b"",
        "4": "gr\xfcn \\n %s \\0101 \\c".encode() * 100,
    }
    for piece in line_upload.pieces(files):
        far.write(piece)
    assert far.mark(ReceivedFiles) == ReceivedFiles(line_upload.sums(files))
    assert {name: (far.folder / name).read_bytes() for name in files} == files
    assert b"STARTED\r\n" not in far.said
    far.write(b"no!\n" + line_upload.go(JB_KEY))
    far.until(lambda: b"STARTED\r\n" in far.said)
    far.until_prompt()
    # Again, shorter: what an earlier run left is gone. An interrupt gives the terminal back.
    far.receive()
    far.write(b"".join(line_upload.pieces({"5": b"x"})))
    far.until(lambda: far.mark(ReceivedFiles) == ReceivedFiles(line_upload.cksum(b"x")))
    assert not {"1", "2", "3", "4"} & {path.name for path in far.folder.iterdir()}
    far.write(b": half\n\x03")
    far.until_prompt()
    far.write(b"echo he''re\r")
    far.until(lambda: b"here\r\n" in far.said)
    assert far.said.count(b"STARTED\r\n") == 1


# In front of a file's name, of its bytes, of the end; in the midst of each; with a line of its own.
@pytest.mark.parametrize("where", [b":@1", b"1\n:", b": a", b"b\n", b"=1", b"1 2", b"2\n"])
@pytest.mark.parametrize("junk", [b"y", b"yy\n", b":@../y\n: "])
@pytest.mark.parametrize("far", ["dash"], indirect=True)
def test_junk_ends_nothing_early(far: FarShell, where: bytes, junk: bytes) -> None:
    """What somebody else types gives another sum or none of it; the shell gets nothing of it."""
    files = {"1": b"ab" * 500, "2": b"= &b\n"}
    typed = b"".join(line_upload.pieces(files))
    at = typed.index(where) + 1 if where[:1] not in b":=" else typed.index(where)
    far.receive()
    far.write(typed[:at] + junk + typed[at:])
    received = far.mark(ReceivedFiles)
    kept = [far.folder / name for name in files]
    if received == ReceivedFiles(line_upload.sums(files)):
        assert [path.read_bytes() for path in kept] == list(files.values())
    far.write(b"\x03")
    far.until_prompt()
    assert b"not found" not in far.said
    assert not (far.folder.parent / "y").exists()


@pytest.mark.parametrize("what", ["a link", OTHERS])
@pytest.mark.parametrize("far", ALL_SHELLS, indirect=True)
def test_a_folder_that_others_made_is_not_entered(far: FarShell, what: str) -> None:
    """What others put in the place of a folder that was cleaned away is neither read nor run."""
    trapped = far.folder.parent / "trapped"
    names = [path.name for path in far.folder.iterdir() if path.is_file()]
    far.folder.rename(far.folder.with_name("mine"))
    put(what, far.folder, dict.fromkeys(names, f" touch {trapped}\n"))
    if far.known.has_key:
        far.write(KEY)
        far.until(lambda: far.known.prompt.refused)
    else:
        far.write(line_upload.line("sh").encode() + b"\r")
        far.until_prompt()
    far.write(b"echo he''re\r")
    far.until(lambda: b"here\r\n" in far.said)
    assert not trapped.exists()
    if far.folder.is_symlink():  # for the watcher
        far.folder.unlink()
