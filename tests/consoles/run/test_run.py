"""One shell command in a real terminal: exactly its output and its status, in every shell."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import os
import weakref
from typing import Any

import psutil
import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.problems import BadRequest, Busy, Conflict, Gone, NotFound
from tests.consoles.conftest import everything
from tests.support.shells import SHELLS, Desk, d, needs
from tests.support.waiting import pass_time, until

__all__ = ["d"]


# What each shell says where they differ.
STATUS = {"fish": "$status"}
SYNTAX = {"bash": 2, "dash": 2, "zsh": 126, "fish": 123}
LOOP = {"fish": "while true; end"}
HOUR = 3600.0


def in_front(console: Console) -> str:
    """The name of the program that Ctrl-C would reach; empty between two of them."""
    assert isinstance(console.source, TerminalSource)
    with contextlib.suppress(psutil.Error):
        return str(psutil.Process(console.source.foreground).name())
    return ""


@pytest.mark.parametrize("shell", SHELLS)
class TestEveryShell:
    async def test_output_and_status(self, d: Desk, shell: str) -> None:
        """Prompts and echo are left out; what the command wrote is there to the byte."""
        await d.open(shell)
        answer = await d.run("printf 'a\\r\\nb\\tc'; sh -c 'exit 3'", shell)
        assert (answer.status, answer.output, answer.exit_code) == ("done", "a\r\nb\tc", 3)

    async def test_state_is_kept(self, d: Desk, shell: str) -> None:
        """What one run does to the shell, the next one finds; `$?` too."""
        await d.open(shell)
        folder = d.home / "it's a folder"
        folder.mkdir()
        export = "set -gx A b" if shell == "fish" else "export A=b"
        answer = await d.run(f'cd "{folder}"; {export}; sh -c "exit 7"', shell)
        assert answer.cwd == str(folder)
        answer = await d.run(f'echo {STATUS.get(shell, "$?")} "$A" "$PWD"', shell)
        assert answer.output == f"7 b {folder}\n"

    async def test_syntax_error(self, d: Desk, shell: str) -> None:
        """A command that does not parse has the shell's own status, and the shell goes on."""
        await d.open(shell)
        for text in ("echo )", "echo 'never closed", 'echo "$(('):
            answer = await d.run(text, shell)
            assert answer.exit_code == SYNTAX[shell], text
            assert answer.output
        assert (await d.run("echo on", shell)).output == "on\n"

    async def test_cancel_is_ctrl_c(self, d: Desk, shell: str) -> None:
        """Cancelling interrupts a child or the shell's own loop: 130, and no more."""
        console = await d.open(shell)
        loop = LOOP.get(shell, "while :; do :; done")
        # The mark comes just before the command: until then Ctrl-C would meet the shell.
        for command, is_there in (
            ("sleep 100; echo after", lambda: in_front(console) == "sleep"),
            (f"echo be''gun; {loop}", lambda: b"begun\r\n" in console.newest(4096)),
        ):
            run = await d.start(command, shell, queue=True)
            await run.begun.wait()
            await until(is_there)
            run.cancel()
            answer = await d.ended(run)
            assert (answer.status, answer.exit_code, answer.signal) == ("cancelled", 130, "SIGINT")
            assert "after" not in str(answer.output)
        answer = await d.run(f"echo {STATUS.get(shell, '$?')}", shell)
        assert answer.output == "130\n"

    async def test_exit_ends_the_session(self, d: Desk, shell: str) -> None:
        """`exit 9` ends the shell with 9, and the console with it."""
        console = await d.open(shell)
        answer = await d.run("echo bye; exit 9", shell)
        assert (answer.status, answer.exit_code, answer.output) == ("session-closed", 9, "bye\n")
        await until(lambda: console.state == "ended")
        with pytest.raises(Gone):
            await d.start("true", shell)

    async def test_split(self, d: Desk, shell: str) -> None:
        """stdout and stderr come apart, any bytes, with a stdin of their own; state is kept."""
        await d.open(shell)
        octal = "printf '\\377\\200\\r\\n'"
        answer = await d.run(f"cat; {octal}; echo err >&2; cd /", shell, output="split", stdin="in")
        assert base64.b64decode(str(answer.stdout_base64)) == b"in\xff\x80\r\n"
        assert (answer.stderr, answer.cwd) == ("err\n", "/")
        answer = await d.run("cat; pwd", shell, output="split")
        assert (answer.stdout, answer.stderr, answer.exit_code) == ("/\n", "", 0)

    async def test_cwd_and_env(self, d: Desk, shell: str) -> None:
        """They are set in the shell before the command, whatever characters they have."""
        await d.open(shell)
        value = 'it\'s \\ "$x" `y`\né'
        answer = await d.run('pwd; printf %s "$V"', shell, cwd="/usr", env={"V": value})
        assert answer.output == f"/usr\n{value}"

    async def test_faked_marks_are_output(self, d: Desk, shell: str) -> None:
        """A program that prints marks ends nothing: its bytes are output as any others."""
        await d.open(shell)
        fake = "\\033]133;D;0\\007\\033]133;C;jb=x\\007\\033]133;D;0;jb=x;/\\007\\033]133;A\\007"
        answer = await d.run(f"printf '{fake}'; sh -c 'exit 4'", shell)
        assert answer.output == fake.replace("\\033", "\x1b").replace("\\007", "\x07")
        assert answer.exit_code == 4

    async def test_long_and_many_lines(self, d: Desk, shell: str) -> None:
        """A command may be longer than a terminal's line, and have any number of lines."""
        await d.open(shell)
        words = " ".join(f"w{n}é" for n in range(3000))
        answer = await d.run(f"echo '{words}'\necho second\n\n# a comment\necho third", shell)
        assert answer.output == f"{words}\nsecond\nthird\n"

    async def test_an_unsent_line_is_not_run(self, d: Desk, shell: str) -> None:
        """What somebody typed and did not send is killed, not run with the command."""
        console = await d.open(shell)
        await d.run("true", shell)
        start = console.end_offset
        await console.write(b"echo UNSENT ")
        await until(lambda: b"UNSENT" in everything(console, start))
        assert (await d.run("echo mine", shell)).output == "mine\n"


class TestBash:
    async def test_heredoc_and_functions(self, d: Desk) -> None:
        """Here-documents, functions and an end of file inside one are as `bash -c` has them."""
        await d.open("bash")
        answer = await d.run("f() { cat <<EOF\n$1\nEOF\n}\nf one; f two; cat <<X\nopen")
        assert str(answer.output).endswith("one\ntwo\nopen\n")

    async def test_options_that_bite(self, d: Desk) -> None:
        """`set -u`, a strange IFS, an empty PATH and noclobber do not touch the marks."""
        await d.open("bash")
        for setting in ("set -u", "IFS=x1", "PATH=", "set -C", "set -v", "alias printf=no case=no"):
            await d.run(setting)
        await d.run("printf() { :; }")
        answer = await d.run("builtin echo ok", cwd="/", env={"A": "1"})
        assert str(answer.output).endswith("ok\n")
        assert (answer.exit_code, answer.cwd) == (0, "/")

    async def test_trace_shows_the_command_alone(self, d: Desk) -> None:
        """With `set -x` the wrapper is not in the trace."""
        await d.open("bash")
        await d.run("set -x")
        answer = await d.run("echo traced; (exit 5)")
        assert [line.lstrip("+ ") for line in str(answer.output).splitlines()] == [
            "echo traced",
            "traced",
            "exit 5",
        ]
        assert str((await d.run("echo $?")).output).endswith("\n5\n")

    async def test_errexit_ends_the_session(self, d: Desk) -> None:
        """With `set -e` a failing command ends the shell, and its status is the answer's."""
        await d.open("bash")
        assert (await d.run("set -e; true")).status == "done"
        assert (await d.run("echo still; true || false")).output == "still\n"
        answer = await d.run("echo a; (exit 6); echo b")
        assert (answer.status, answer.exit_code, answer.output) == ("session-closed", 6, "a\n")

    async def test_exec(self, d: Desk) -> None:
        """A shell that replaces itself is no shell for runs; a program ends the session."""
        await d.open("bash")
        answer = await d.run("exec bash --norc")
        assert (answer.status, answer.exit_code) == ("done", None)
        with pytest.raises(Busy, match="replaced by bash"):
            await d.run("echo new")
        await d.consoles.end("bash", purge=True)
        await d.open("bash")
        answer = await d.run("exec sh -c 'exit 5'")
        assert (answer.status, answer.exit_code) == ("session-closed", 5)

    async def test_killed_shell(self, d: Desk) -> None:
        """A shell that is killed is told with its signal."""
        await d.open("bash")
        answer = await d.run("kill -9 $$")
        assert (answer.status, answer.exit_code, answer.signal) == (
            "session-closed",
            137,
            "SIGKILL",
        )

    async def test_output_thrown_away(self, d: Desk) -> None:
        """`exec >/dev/null` hides the output, not the end."""
        await d.open("bash")
        answer = await d.run("exec >/dev/null; echo gone; (exit 3)")
        assert (answer.output, answer.exit_code) == ("", 3)

    async def test_background_job(self, d: Desk) -> None:
        """A background job holds nothing up, and what it says later is no other run's output."""
        console = await d.open("bash")
        answer = await d.run("(sleep 0.2; echo LATER) & echo now")
        assert answer.output == "now\n"
        await until(lambda: b"LATER" in everything(console))
        await d.run("wait")
        assert (await d.run("echo next")).output == "next\n"

    async def test_background_job_in_split(self, d: Desk) -> None:
        """In split mode a job that goes on writing is neither waited for nor killed."""
        await d.open("bash")
        done = d.home / "done"
        job = f"(sleep 0.2; echo a; echo b; touch {done}) &"
        answer = await d.run(f"{job} echo now", output="split")
        assert answer.stdout == "now\n"
        await until(done.exists)

    async def test_terminal_settings(self, d: Desk) -> None:
        """`stty -echo` and a program that leaves the terminal raw do not disturb the next run."""
        await d.open("bash")
        await d.run("stty -echo")
        assert (await d.run("echo silent")).output == "silent\n"
        answer = await d.run("stty raw; printf 'r\\n'; stty sane")
        assert answer.output == "r\n"
        assert (await d.run("echo sane")).output == "sane\n"

    async def test_full_screen(self, d: Desk) -> None:
        """A full-screen program's bytes are all there, and the shell is there after it."""
        await d.open("bash")
        answer = await d.run("printf '\\033[?1049h\\033[Hfull\\033[?1049l'")
        assert answer.output == "\x1b[?1049h\x1b[Hfull\x1b[?1049l"
        answer = await d.run("printf '\\033[1mbold\\033[0m'", strip=True)
        assert answer.output == "bold"

    @pytest.mark.parametrize(
        "hook",
        [
            "PROMPT_COMMAND='echo HOOK'",
            "PROMPT_COMMAND=('echo HOOK' 'false')",
            "export PROMPT_COMMAND='echo HOOK;'",
            # As starship does: it reads $?, and sets PS1 anew each time.
            'f() { local s=$?; PS1="[$s] "; echo HOOK; return 5; }; PROMPT_COMMAND=f',
            "trap ': DEBUG' DEBUG; PROMPT_COMMAND='echo HOOK'",
        ],
    )
    async def test_prompt_commands(self, d: Desk, hook: str) -> None:
        """A user's own PROMPT_COMMAND runs as before, and is in nobody's output."""
        (d.home / ".bashrc").write_text(hook + "\n")
        console = await d.open("bash")
        assert (await d.run("(exit 3)")).exit_code == 3
        answer = await d.run("echo $?; (exit 4)")
        assert (answer.output, answer.exit_code) == ("3\n", 4)
        run = await d.start("sleep 100", queue=True)
        await run.begun.wait()
        run.cancel()
        assert (await d.ended(run)).exit_code == 130
        assert b"HOOK" in everything(console)

    async def test_hooks_that_come_late(self, d: Desk) -> None:
        """A framework that takes PROMPT_COMMAND away is put behind ours again."""
        await d.open("bash")
        await d.run("PROMPT_COMMAND='true'")
        run = await d.start("sleep 100", queue=True)
        await run.begun.wait()
        run.cancel()
        assert (await d.ended(run)).exit_code == 130

    async def test_hooks_taken_away_and_interrupted(self, d: Desk) -> None:
        """When no mark can come the shell is asked, and says the same."""
        await d.open("bash")
        run = await d.start("unset PROMPT_COMMAND; echo a; sleep 100", queue=True)
        await until(lambda: run.spool.size)
        run.cancel()
        answer = await d.ended(run)
        assert (answer.status, answer.exit_code) == ("cancelled", 130)
        assert str(answer.output).startswith("a\n")
        assert (await d.run("echo on")).output == "on\n"

    async def test_nested_shell(self, d: Desk) -> None:
        """A shell that a user started inside the terminal takes no runs, and the first one does."""
        console = await d.open("bash")
        await d.run("N=1")
        source = console.source
        assert isinstance(source, TerminalSource)
        await console.write(b"bash --norc\r")
        await until(lambda: source.foreground != source.pid)
        with pytest.raises(Busy, match="bash is in the foreground") as busy:
            await d.run("echo $SHLVL", queue=False)
        assert busy.value.details["foreground"] == "bash"
        await console.write(b"exit\r")
        assert (await d.run("echo [$N]")).output == "[1]\n"

    async def test_history_is_left_alone(self, d: Desk) -> None:
        """The lines that runs type are not in the history, and the user's own are."""
        console = await d.open("bash", HISTCONTROL="", HISTFILE="")
        start = console.end_offset
        await console.write(b"echo MY''OWN\r")
        await until(lambda: b"MYOWN" in everything(console, start))
        await d.run("true")
        answer = await d.run("history")
        assert [line.split(None, 1)[1] for line in str(answer.output).splitlines()] == [
            "echo MY''OWN"
        ]

    async def test_input(self, d: Desk) -> None:
        """A command that reads the terminal can be typed into; without stdin it is the terminal."""
        await d.open("bash")
        run = await d.start("read -p 'name? ' n; echo hello $n", queue=True)
        await until(lambda: run.spool.size)
        await run.send_input(b"world\n")
        assert (await d.ended(run)).output == "name? world\nhello world\n"
        with pytest.raises(Gone):
            await run.send_input(b"late\n")


class TestTime:
    async def test_timeout_kills(self, d: Desk) -> None:
        """At its deadline a command is stopped, and what came so far is the answer."""
        console = await d.open("bash")
        run = await d.start("echo part; sleep 100", timeout=HOUR, queue=True)
        await until(lambda: run.spool.size and in_front(console) == "sleep")
        await pass_time(HOUR)
        answer = await d.ended(run)
        assert (answer.status, answer.exit_code, answer.signal) == ("timeout", 130, "SIGINT")
        assert str(answer.output).startswith("part\n")
        assert (await d.run("echo on")).output == "on\n"

    @pytest.mark.soak
    async def test_stubborn(self, d: Desk) -> None:
        """What ignores SIGINT gets SIGTERM, and what ignores that is killed."""
        await d.open("bash")
        for deaf, signal in (
            ("trap '' INT; echo up; sleep 100", (143, "SIGTERM")),
            ("trap '' INT TERM; echo up; sleep 100; sleep 100", (137, "SIGKILL")),
        ):
            run = await d.start(f'sh -c "{deaf}"', timeout=HOUR, queue=True)
            await until(lambda: run.spool.size)  # noqa: B023
            await pass_time(HOUR)
            answer = await d.ended(run)
            assert (answer.exit_code, answer.signal) == signal

    async def test_timeout_leaves(self, d: Desk) -> None:
        """A command that may go on is answered as it stands, and read again when it has ended."""
        await d.open("bash")
        gate = d.home / "gate"
        wait = f"until [ -e {gate} ]; do sleep 0.02; done"
        run = await d.start(
            f"echo a; {wait}; echo b; (exit 3)", timeout=HOUR, on_timeout="leave", queue=True
        )
        await until(lambda: run.spool.size)
        await pass_time(HOUR)
        await run.answered.wait()
        answer = run.model()
        assert (answer.status, answer.exit_code, answer.output) == ("timeout", None, "a\n")
        with pytest.raises(Busy, match="busy with run"):
            await d.start("true")
        gate.touch()
        answer = await d.ended(run)
        assert (answer.status, answer.exit_code, answer.output) == ("done", 3, "a\nb\n")


class TestTurns:
    async def test_busy(self, d: Desk) -> None:
        """A shell that runs something is busy, whoever started that."""
        console = await d.open("bash")
        await d.run("true")
        run = await d.start("sleep 100")
        with pytest.raises(Busy) as busy:
            await d.start("true")
        assert busy.value.details["run"] == run.id
        run.cancel()
        await run.ended.wait()
        await d.run("true")
        await console.write(b"sleep 100\r")
        await until(lambda: b"sleep 100\r\n" in everything(console)[-90:])
        foreground = None
        while foreground != "sleep":  # the line is shown before the shell has begun it
            with pytest.raises(Busy) as busy:
                await d.start("true")
            foreground = busy.value.details.get("foreground")

    async def test_queue(self, d: Desk) -> None:
        """Queued runs come in order, each with its own output; a queued one can be cancelled."""
        await d.open("bash")
        runs = [await d.start(f"sleep 0.01; echo {n}", queue=True) for n in range(8)]
        runs[4].cancel()
        answers = [await d.ended(run) for run in runs]
        assert answers.pop(4).status == "cancelled"
        assert [answer.output for answer in answers] == [f"{n}\n" for n in range(8) if n != 4]

    async def test_fresh_shell(self, d: Desk) -> None:
        """Without a console a login shell is there for this run alone."""
        (d.home / ".bash_profile").write_text("export FROM=profile\n")
        answer = await d.run(
            "echo $FROM $E; pwd; shopt -q login_shell", None, cwd=str(d.home), env={"E": "env"}
        )
        assert (answer.output, answer.exit_code) == (f"profile env\n{d.home}\n", 0)
        console = d.consoles.get(answer.console)
        await until(lambda: console.state == "ended")
        answer = await d.run("exit 7", None)
        assert (answer.status, answer.exit_code) == ("session-closed", 7)

    async def test_new_console(self, d: Desk) -> None:
        """`new` keeps the shell, under a name that further runs use."""
        answer = await d.run("cd /", "new")
        assert (await d.run("pwd", answer.console)).output == "/\n"

    async def test_idempotency(self, d: Desk) -> None:
        """The same key is the same run, at once and later; another request under it is refused."""
        await d.open("bash")
        from jupyter_bridge.models.runs import RunBody

        body = RunBody("echo once >> ~/log", console="bash", queue=True)
        runs = await asyncio.gather(*(d.runs.start("me", body, key="k") for _ in range(5)))
        assert len({run.id for run in runs}) == 1
        await runs[0].ended.wait()
        assert (await d.runs.start("me", body, key="k")) is runs[0]
        assert (d.home / "log").read_text() == "once\n"
        with pytest.raises(Conflict):
            await d.runs.start("me", RunBody("false", console="bash"), key="k")


class TestBounds:
    async def test_large_output_is_whole(self, d: Desk) -> None:
        """Megabytes come through exactly, in both modes, and in events as well."""
        await d.open("bash")
        expected = "".join(f"{n}\n" for n in range(1, 400_001))
        for mode in ("tty", "split"):
            run = await d.start("seq 400000", queue=True, output=mode)
            text = "".join(
                [data["text"] async for _, name, data in run.events() if name == "output"]
            )
            assert text == expected
            answer = run.model()
            assert (answer.output if mode == "tty" else answer.stdout) == expected

    async def test_events_resume(self, d: Desk) -> None:
        """A stream goes on behind any id, characters stay whole, and `done` has no output again."""
        await d.open("bash")
        run = await d.start(
            "for i in 1 2 3; do printf 'é%s\\377\\n' $i; done; (exit 2)", queue=True
        )
        events = [event async for event in run.events()]
        assert events[-1][1] == "done"
        assert events[-1][2].exit_code == 2
        written = "".join(f"é{n}\udcff\n" for n in (1, 2, 3)).encode("utf-8", "surrogateescape")
        assert _written(events) == written
        seen = events[0][0]
        again = [event async for event in run.events(after=seen)]
        assert _written(again) == written[seen:]
        assert again[-1] == events[-1]

    async def test_offsets(self, d: Desk) -> None:
        """The answer says where in the console the output stands."""
        console = await d.open("bash")
        answer = await d.run("echo here")
        assert answer.start_offset is not None
        assert answer.end_offset is not None
        size = answer.end_offset - answer.start_offset
        assert console.read(answer.start_offset, size) == b"here\r\n"

    @pytest.mark.parametrize(
        ("field", "more"),
        [
            ("command", {"command": "a\0b"}),
            ("command", {"command": "\ud800"}),
            ("cwd", {"cwd": "/no/such/folder"}),
            ("env", {"env": {"a-b": "c"}}),
            ("env", {"env": {"A": "\0"}}),
        ],
    )
    async def test_bad_bodies(self, d: Desk, field: str, more: dict[str, object]) -> None:
        """What no shell can be told is refused, and named."""
        await d.open("bash")
        with pytest.raises(BadRequest) as bad:
            await d.run(**{"command": "true", **more})  # type: ignore[arg-type]
        assert bad.value.details["field"] == field

    async def test_unknown(self, d: Desk) -> None:
        """A console and a run that are not there are not found."""
        with pytest.raises(NotFound):
            await d.start("true", "nope")
        with pytest.raises(NotFound):
            d.runs.get("nope")

    async def test_no_shell_in_front(self, d: Desk) -> None:
        """A terminal that runs no shell is busy, not typed into."""
        await d.consoles.create(TerminalOptions(name="cat", shell_command=["cat"]))
        with pytest.raises(Busy):
            await d.start("echo no", "cat")

    async def test_expiry(self, d: Desk) -> None:
        """A run that has expired is gone, and so is the oldest of too many."""
        d.runs.limits = d.runs.limits._replace(ended=2)
        await d.open("bash")
        ids = [(await d.run(f"echo {n}")).run for n in range(3)]
        assert d.runs.get(ids[2]).model().output == "2\n"
        with pytest.raises(Gone):
            d.runs.get(ids[0])

    async def test_what_is_gone_is_not_kept(self, d: Desk) -> None:
        """Once it is forgotten and its runs have expired, nothing holds a console in memory."""
        console = weakref.ref(await d.open("bash"))
        run = (await d.run("echo here")).run
        await d.consoles.end("bash", purge=True)
        d.runs.discard(d.runs.get(run))
        await until(lambda: gc.collect() >= 0 and console() is None)

    async def test_files_are_private(self, d: Desk) -> None:
        """Nobody else may read a run's files, and they are gone after it."""
        await d.open("bash")
        await d.run("true")
        folder = d.consoles.shells.path
        assert os.stat(folder).st_mode & 0o777 == 0o700
        run = await d.start("sleep 100", queue=True, stdin="secret", output="split")
        await run.begun.wait()
        files = [folder / f"2{suffix}" for suffix in ("", ".t", ".i", ".o", ".e")]
        assert {os.stat(path).st_mode & 0o777 for path in files} == {0o600}
        run.cancel()
        await d.ended(run)
        await until(lambda: not [path for path in folder.iterdir() if path.name[0].isdigit()])


def _written(events: list[Any]) -> bytes:
    return b"".join(
        base64.b64decode(data["base64"]) if "base64" in data else data["text"].encode()
        for _, name, data in events
        if name == "output"
    )


def test_shells_are_there() -> None:
    """At least bash is, or nothing here was tested."""
    assert needs("bash")
