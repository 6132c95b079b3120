"""A run for a client with a screen, or without one: its size, its bytes, pagers, waiting."""

from __future__ import annotations

import pytest

from jupyter_bridge.consoles.run import run as run_module
from jupyter_bridge.wire.shell.wrapper import NO_PAGER
from tests.support.shells import SHELLS, Desk, d, needs
from tests.support.waiting import until

__all__ = ["d"]


@pytest.mark.parametrize("shell", SHELLS)
class TestEveryShell:
    async def test_no_pager(self, d: Desk, shell: str) -> None:
        """Without a pager its variables are `cat`, for this command only; all else stays."""
        await d.open(shell)
        show = "; ".join(f"printenv {name}" for name in ("GIT_PAGER", "PAGER", "MINE"))
        export = "set -gx {} {}" if shell == "fish" else "export {}={}"
        await d.run(f"{export.format('PAGER', 'more')}; {export.format('MINE', '1')}", shell)
        assert (await d.run(show, shell, pager=False)).output == "cat\ncat\n1\n"
        assert (await d.run(show, shell)).output == "more\n1\n"

    async def test_no_pager_changes_nothing_else(self, d: Desk, shell: str) -> None:
        """State is kept, `return` and `exit` work, a syntax error has its status."""
        await d.open(shell)
        export = "set -gx A b" if shell == "fish" else "export A=b"
        await d.run(f"cd /usr; {export}", shell, pager=False)
        answer = await d.run("echo $A; pwd; sh -c 'exit 3'", shell, pager=False)
        assert (answer.output, answer.exit_code) == ("b\n/usr\n", 3)
        status = "$status" if shell == "fish" else "$?"
        assert (await d.run(f"echo {status}", shell, pager=False)).output == "3\n"
        with_pager = (await d.run("echo )", shell)).exit_code
        assert (await d.run("echo )", shell, pager=False)).exit_code == with_pager
        run = await d.start("sleep 100", shell, pager=False, queue=True)
        await run.begun.wait()
        run.cancel()
        assert (await d.ended(run)).exit_code == 130
        answer = await d.run("exit 9", shell, pager=False)
        assert (answer.status, answer.exit_code) == ("session-closed", 9)


async def test_git_log_does_not_page(d: Desk) -> None:
    """git prints a long log at once, whatever pager the user has."""
    needs("git")
    (d.home / ".bash_profile").write_text("export PAGER=less GIT_PAGER=less LESS=\n")
    make = "git init -q; for i in $(seq 60); do git commit -q --allow-empty -m m$i; done"
    who = {
        f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    answer = await d.run(f"{make}; git log --oneline", None, pager=False, cwd=str(d.home), env=who)
    assert str(answer.output).count("\n") == 60
    assert set(NO_PAGER) >= {"PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER", "LESS"}


async def test_size(d: Desk) -> None:
    """A terminal has its client's size while the run is there, and changes with it."""
    await d.open("bash")
    answer = await d.run("stty size", rows=30, cols=90)
    assert answer.output == "30 90\n"
    assert (await d.run("stty size", None, rows=31, cols=91)).output == "31 91\n"
    run = await d.start("read; stty size", rows=30, cols=90, queue=True)
    await run.begun.wait()
    assert [viewer.user for viewer in run.console.viewers] == ["run"]
    run.resize(40, 100)
    await run.send_input(b"\n")
    assert str((await d.ended(run)).output).endswith("40 100\n")
    assert not run.console.viewers


async def test_raw(d: Desk) -> None:
    """`raw` output is what the terminal was sent, for a client that is one itself."""
    await d.open("bash")
    command = r"printf 'a\nb\r\nc'; stty -onlcr; printf 'd\ne'; stty onlcr"
    assert (await d.run(command, raw=True)).output == "a\r\nb\r\r\ncd\ne"
    assert (await d.run(command)).output == "a\nb\r\ncd\ne"


@pytest.mark.parametrize("output", ["tty", "split"])
async def test_waiting(d: Desk, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that waits for a key is named once; one that works or sleeps is not."""
    monkeypatch.setattr(run_module, "SILENCE_SECONDS", 0.2)
    await d.open("bash")
    run = await d.start("sleep 1; head -n 1 </dev/tty; echo", output=output, queue=True)
    seen = []
    async for _, name, data in run.events():
        seen.append(name)
        if name == "waiting":
            assert data == {"program": "head"}
            await run.send_input(b"\n")
    assert seen.count("waiting") == 1
    await until(run.ended.is_set)
