"""Which shell a run without a console gets, and what is said of one that does not come up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jupyter_bridge.problems import BadRequest, Busy, StartFailed, Timeout
from tests.support.shells import Desk, d, desk, needs
from tests.support.waiting import until

__all__ = ["d"]


def program(folder: Path, name: str) -> str:
    """A program that reads the terminal and is no shell that a run knows."""
    path = folder / name
    path.write_text("#!/bin/sh\nexec cat\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("shell", ["tcsh", "nologin", "xonsh", "elvish", "nu", "missing", ""])
async def test_shells_that_no_run_knows(
    d: Desk, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user whose shell a run cannot use gets bash, and the answer says so."""
    real = {"tcsh": shutil.which("tcsh"), "nologin": shutil.which("nologin", path="/usr/sbin")}
    path = real.get(shell) or program(tmp_path, shell or "x")
    if shell == "missing":
        path = "/no/such/shell"
    monkeypatch.setenv("SHELL", path if shell else "")
    answer = await d.run("echo $BASH", None)
    assert answer.exit_code == 0
    assert str(answer.output).endswith("bash\n")
    assert (answer.shell, answer.instead_of) == ("bash", path if shell else None)


@pytest.mark.parametrize(
    ("shell", "says"),
    [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish"), ("dash", "dash"), ("sh", None)],
)
async def test_shell_of_choice(d: Desk, shell: str, says: str | None) -> None:
    """`shell` is a name or a path, whatever the user's own is."""
    for wanted in (shell, needs(shell)):
        answer = await d.run("echo here", None, shell=wanted)
        assert (answer.output, answer.exit_code, answer.instead_of) == ("here\n", 0, None)
        assert answer.shell == says or says is None


async def test_a_console_has_a_shell(d: Desk) -> None:
    """The answer says which shell a console has; another one cannot be asked for."""
    await d.open("zsh")
    assert (await d.run("true", "zsh")).shell == "zsh"
    with pytest.raises(BadRequest) as bad:
        await d.run("true", "zsh", shell="bash")
    assert bad.value.details["field"] == "shell"


@pytest.mark.parametrize("shell", ["tcsh", "/no/such/shell", "no_such_shell", "cat", "", "a\0b"])
async def test_refused(d: Desk, shell: str) -> None:
    """A shell that a run cannot use, or that is not there, is refused, at once."""
    with pytest.raises(BadRequest) as bad:
        await d.run("true", None, shell=shell)
    assert bad.value.details["field"] == "shell"


async def test_slow_profile(d: Desk) -> None:
    """A profile that takes longer than start_timeout is named with what it waits for."""
    (d.home / ".bash_profile").write_text("echo loading modules\nsleep 100\n")
    with pytest.raises(Timeout, match=r"after 0\.5 s\. .* waits for sleep.*loading modules"):
        await d.run("true", None, start_timeout=0.5)
    (d.home / ".bash_profile").write_text("sleep 0.5\n")
    assert (await d.run("echo up", None, start_timeout=100)).output == "up\n"


async def test_profile_that_ends_the_shell(d: Desk) -> None:
    """A profile that ends the shell is said to have done so."""
    (d.home / ".bash_profile").write_text("echo not for you; exit 3\n")
    with pytest.raises(StartFailed, match=r"ended with 3 .*not for you"):
        await d.run("true", None)


async def test_queue_timeout(d: Desk) -> None:
    """A run waits so long for a busy shell, whatever keeps it busy, and is then refused."""
    console = await d.open("bash")
    first = await d.start("sleep 100", queue=True)
    await first.begun.wait()
    second = await d.start("echo no", queue_timeout=0.3)
    await d.until_ended(second)
    with pytest.raises(Busy, match=r"busy for 0\.3 s"):
        second.model()
    third = await d.start("echo yes", queue_timeout=100)
    first.cancel()
    assert (await d.ended(third)).output == "yes\n"
    await console.write(b"sleep 100\r")
    await until(lambda: b"sleep 100" in console.newest(100))
    last = await d.start("echo no", queue_timeout=0.3)
    await d.until_ended(last)
    with pytest.raises(Busy, match=r"busy for 0\.3 s.*sleep"):
        last.model()


async def test_ended_shells_are_not_listed(d: Desk) -> None:
    """A console of one run is listed while it is live, and found until the run expires."""
    run = await d.start("echo here; read", None)
    name = run.console.name
    assert name in [one.name for one in d.consoles.models()]
    await run.send_input(b"\n")
    await d.ended(run)
    await until(lambda: run.console.state == "ended")
    assert name not in [one.name for one in d.consoles.models()]
    assert b"here" in d.consoles.get(name).newest(4096)
    d.runs.discard(run)
    await until(lambda: run.console not in list(d.consoles))


async def test_a_shell_that_does_not_start_is_forgotten(d: Desk) -> None:
    """A run that never began leaves no console."""
    (d.home / ".bash_profile").write_text("exit 3\n")
    with pytest.raises(StartFailed):
        await d.run("true", None)
    await until(lambda: not list(d.consoles))


async def test_a_kept_shell_is_listed(d: Desk) -> None:
    """A console opened with `new` is listed after its end, as any other."""
    run = await d.start("exit 4", "new")
    await d.ended(run)
    await until(lambda: run.console.state == "ended")
    assert run.console.name in [one.name for one in d.consoles.models()]


async def test_the_next_server_forgets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console of one run is not kept over a restart, because its run is not."""
    async with desk(tmp_path, monkeypatch) as d:
        kept = (await d.run("exit 4", "new")).console
        run = await d.start("echo here", None)
        await d.ended(run)
        await until(lambda: run.console.state == "ended")
    (tmp_path / "home").rename(tmp_path / "old")
    async with desk(tmp_path, monkeypatch) as d:
        assert [console.name for console in d.consoles] == [kept]
