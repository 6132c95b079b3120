"""Commands in the terminals of a plain Jupyter server, by its line alone: the same answers."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server
from tests.support.joined import Caller, caller, cut_off, start_plain
from tests.support.shell_fuzzing import Outcome, cases, expected
from tests.support.shells import SHELLS, make_home, needs
from tests.support.waiting import until

SEED = 20261128
STATUS = {"fish": "$status"}
SYNTAX = {"bash": 2, "dash": 2, "zsh": 126, "fish": 123}
LOOP = {"fish": "while true; end"}


class Desk:
    """One server with the bridge, a plain one connected to it, and shorter words for both."""

    def __init__(self, here: Caller, home: Path) -> None:
        self.here = here
        self.home = home
        self.console = "lab:new"

    async def run(self, command: str, **more: Any) -> dict[str, Any]:
        """Run it in the one console of the test, which the first run opens."""
        body = {"console": self.console, "command": command, "queue": True, **more}
        answer = dict(await self.here.post("bridge/run", json=body))
        self.console = answer["console"]
        return answer

    async def start(self, command: str, **more: Any) -> str:
        """The id of a run that is under way."""
        body = {"console": self.console, "command": command, "queue": True, **more}
        asked = await self.here.post("bridge/run", json=body, headers={"Prefer": "respond-async"})
        self.console = asked["console"]
        run = str(asked["run"])
        await self.until(run, lambda model: model["status"] != "queued")
        return run

    async def model(self, run: str) -> dict[str, Any]:
        return dict(await self.here.get(f"bridge/runs/{run}"))

    async def until(self, run: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the run's model is so."""
        model: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal model
            model = await self.model(run)
            return true(model)

        await until(look, lambda: f"it, with the run as {model},")
        return model

    async def wrote(self, run: str, text: str) -> None:
        """Wait until the run has written this."""
        await self.until(run, lambda model: text in model["output"])

    async def ended(self, run: str) -> dict[str, Any]:
        return dict(await self.here.get(f"bridge/runs/{run}?wait=80"))

    async def stop(self, run: str) -> dict[str, Any]:
        status, _ = await self.here.ask("DELETE", f"bridge/runs/{run}")
        assert status == 202
        return await self.ended(run)

    async def type(self, data: bytes) -> None:
        await self.here.post(f"bridge/send/{self.console}", data=data)

    async def is_busy(self) -> bool:
        """Tell whether the shell has said that a command runs."""
        found = await self.here.get(f"bridge/consoles/{self.console}/commands")
        return bool(found["commands"]) and found["commands"][-1]["end_offset"] is None

    async def refused(self, command: str, **more: Any) -> tuple[int, str, str]:
        """A run that is not taken: status, code, sentence."""
        body = {"console": self.console, "command": command, **more}
        status, problem = await self.here.ask("POST", "bridge/run", json=body)
        return status, problem["error"], problem["message"]

    def folders(self) -> list[Path]:
        return list(self.home.glob("jb-*"))

    async def nothing_left(self) -> None:
        """Wait until no folder of runs is there."""
        await until(lambda: not self.folders(), lambda: f"removing {self.folders()}")


@asynccontextmanager
async def desk(
    near: Server, server: Server, home: Path, address: str | None = None
) -> AsyncIterator[Desk]:
    async with caller(near) as here:
        await here.connect("lab", address or server.url, server.token)
        opened = Desk(here, home)
        try:
            yield opened
        finally:
            for model in await here.get("bridge/consoles?conn=lab"):
                await here.ask("DELETE", f"bridge/consoles/{model['name']}?purge=1")
            await opened.nothing_left()


def plain_with(shell: str, folder: Path) -> tuple[Server, Path]:
    """A plain server whose terminals start this shell, in an empty home."""
    home = make_home(folder / "home")
    env = {"SHELL": needs(shell), "HOME": str(home), "TMPDIR": str(home), "PS1": "$ "}
    return start_plain(folder, env=env), home


# zsh edits its lines as bash does: it is left to the longer run.
@pytest.fixture(
    scope="module",
    params=[pytest.param(s, marks=pytest.mark.soak) if s == "zsh" else s for s in SHELLS],
)
def shelled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Server, Path]]:
    """A plain server for each shell."""
    server, home = plain_with(request.param, tmp_path_factory.mktemp(request.param))
    yield request.param, server, home
    server.stop()


@pytest.fixture(scope="module")
def bashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A plain server with bash."""
    server, home = plain_with("bash", tmp_path_factory.mktemp("bashed"))
    yield server, home
    server.stop()


class TestEveryShell:
    async def test_output_status_and_state(
        self, near: Server, shelled: tuple[str, Server, Path]
    ) -> None:
        """Output to the byte, the status, folder, variables and `$?` for the next run."""
        shell, server, home = shelled
        async with desk(near, server, home) as d:
            ran = await d.run("printf 'a\\r\\nb\\tc'; sh -c 'exit 3'")
            assert (ran["status"], ran["output"], ran["exit_code"]) == ("done", "a\r\nb\tc", 3)
            folder = home / "it's a folder"
            folder.mkdir(exist_ok=True)
            export = "set -gx A b" if shell == "fish" else "export A=b"
            ran = await d.run(f'cd "{folder}"; {export}; sh -c "exit 7"')
            assert ran["cwd"] == str(folder)
            ran = await d.run(f'echo {STATUS.get(shell, "$?")} "$A" "$PWD"')
            assert ran["output"] == f"7 b {folder}\n"

    async def test_syntax_error(self, near: Server, shelled: tuple[str, Server, Path]) -> None:
        """A command that does not parse has the shell's own status, and the shell goes on."""
        shell, server, home = shelled
        async with desk(near, server, home) as d:
            for text in ("echo )", "echo 'never closed", 'echo "$(('):
                ran = await d.run(text)
                assert ran["exit_code"] == SYNTAX[shell], ran
                assert ran["output"]
            assert (await d.run("echo on"))["output"] == "on\n"

    async def test_ctrl_c(self, near: Server, shelled: tuple[str, Server, Path]) -> None:
        """A cancel interrupts a child and the shell's own loop: 130, and the shell goes on."""
        shell, server, home = shelled
        async with desk(near, server, home) as d:
            for command in ("sleep 100; echo after", LOOP.get(shell, "while :; do :; done")):
                run = await d.start(f"echo begun; {command}")
                await d.wrote(run, "begun\n")
                ran = await d.stop(run)
                told = (ran["status"], ran["exit_code"], ran["signal"])
                assert told == ("cancelled", 130, "SIGINT")
                assert "after" not in ran["output"]
            assert (await d.run(f"echo {STATUS.get(shell, '$?')}"))["output"] == "130\n"

    async def test_exit_ends_the_session(
        self, near: Server, shelled: tuple[str, Server, Path]
    ) -> None:
        """`exit 9` ends the shell with 9, also where stdout is apart, and the console with it."""
        _, server, home = shelled
        async with desk(near, server, home) as d:
            ran = await d.run("echo bye; exit 9")
            told = (ran["status"], ran["exit_code"], ran["output"])
            assert told == ("session-closed", 9, "bye\n")
            assert (await d.refused("true"))[0] in (404, 410)
            await d.nothing_left()
            ran = await d.run("echo o; echo e >&2; exit 8", console="lab:", output="split")
            apart = (ran["status"], ran["exit_code"], ran["stdout"], ran["stderr"])
            assert apart == ("session-closed", 8, "o\n", "e\n")

    async def test_split(self, near: Server, shelled: tuple[str, Server, Path]) -> None:
        """stdout and stderr come apart, any bytes, with a stdin of their own; state is kept."""
        _, server, home = shelled
        async with desk(near, server, home) as d:
            command = "cat; printf '\\377\\200\\r\\n'; echo err >&2; cd /"
            ran = await d.run(command, output="split", stdin="in\0é\r")
            exact = base64.b64decode(ran["stdout_base64"])
            assert exact == "in\0é\r".encode() + b"\xff\x80\r\n"
            assert (ran["stderr"], ran["cwd"]) == ("err\n", "/")
            ran = await d.run("cat; pwd", output="split")
            assert (ran["stdout"], ran["stderr"], ran["exit_code"]) == ("/\n", "", 0)
            ran = await d.run("seq 30000", output="split", max_output=1000)
            assert ran["truncated"]
            assert len(ran["stdout"]) == 1000

    async def test_cwd_env_and_stdin(self, near: Server, shelled: tuple[str, Server, Path]) -> None:
        """They are set in the shell before the command, whatever characters they have."""
        _, server, home = shelled
        async with desk(near, server, home) as d:
            value = 'it\'s \\ "$x" `y`\né'
            ran = await d.run('pwd; printf %s "$V"; cat', cwd="/usr", env={"V": value}, stdin="i\n")
            assert ran["output"] == f"/usr\n{value}i\n"
            fresh = {"console": "lab:", "cwd": "/", "env": {"V": "5"}}
            assert (await d.run("pwd; echo $V", **fresh))["output"] == "/\n5\n"

    async def test_a_long_command(self, near: Server, shelled: tuple[str, Server, Path]) -> None:
        """A command may be longer than a terminal's line, and have any number of lines."""
        _, server, home = shelled
        async with desk(near, server, home) as d:
            words = " ".join(f"w{n}é%" for n in range(3000))
            ran = await d.run(f"echo '{words}'\necho second\n\n# a comment\necho third")
            assert ran["output"] == f"{words}\nsecond\nthird\n"

    async def test_faked_marks_are_output(
        self, near: Server, shelled: tuple[str, Server, Path]
    ) -> None:
        """A program that prints marks ends nothing: its bytes are output as any others."""
        _, server, home = shelled
        async with desk(near, server, home) as d:
            fake = "\\033]133;D;0\\007\\033]133;C;jb=x\\007\\033]133;D;0;jb=x;/\\007"
            ran = await d.run(f"printf '{fake}'; sh -c 'exit 4'")
            assert ran["output"] == fake.replace("\\033", "\x1b").replace("\\007", "\x07")
            assert ran["exit_code"] == 4

    async def test_a_busy_terminal(self, near: Server, shelled: tuple[str, Server, Path]) -> None:
        """What somebody else runs there makes it busy, at once, and is not typed into."""
        _, server, home = shelled
        async with desk(near, server, home) as d:
            await d.run("true")
            await d.type(b"echo go; sleep 600\n")
            await d.here.tail(d.console, "go\r\n")
            status, code, message = await d.refused("echo nev''er")
            assert (status, code) == (409, "busy")
            assert "runs a command" in message
            waiting = {"console": d.console, "command": "echo lat''er", "queue": True}
            asked = await d.here.post(
                "bridge/run", json=waiting, headers={"Prefer": "respond-async"}
            )
            waiting = await d.here.get(f"bridge/runs/{asked['run']}?wait=0.5")
            assert waiting["status"] == "queued"
            await d.type(b"\x03")
            assert (await d.ended(asked["run"]))["output"] == "later\n"
            said = await d.here.get(f"bridge/tail/{d.console}?lines=1000")
            assert "never\r\n" not in said


class TestBash:
    async def test_input_and_streaming(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """What it writes comes as it comes; a command that reads the terminal is typed into."""
        async with desk(near, *bashed) as d:
            run = await d.start("read -p 'name? ' n; echo hello $n")
            await d.wrote(run, "name? ")
            status, code, _ = await d.refused("true")
            assert (status, code) == (409, "busy")
            status, _ = await d.here.ask("POST", f"bridge/runs/{run}/input", data=b"world\n")
            assert status == 204
            assert (await d.ended(run))["output"] == "name? world\nhello world\n"

    async def test_timeout(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """At its deadline it is stopped, or left; what came so far is the answer."""
        async with desk(near, *bashed) as d:
            ran = await d.run("echo part; sleep 100", timeout=1)
            assert (ran["status"], ran["exit_code"], ran["signal"]) == ("timeout", 130, "SIGINT")
            assert ran["output"].startswith("part\n")
            ran = await d.run("echo part; sleep 3; echo rest", timeout=1, on_timeout="leave")
            assert (ran["status"], ran["output"]) == ("timeout", "part\n")
            await d.wrote(ran["run"], "rest\n")
            ran = await d.until(ran["run"], lambda model: model["status"] != "timeout")
            assert (ran["status"], ran["output"]) == ("done", "part\nrest\n")

    @pytest.mark.soak
    async def test_one_that_minds_no_interrupt(
        self, near: Server, bashed: tuple[Server, Path]
    ) -> None:
        """A program deaf to Ctrl-C gets TERM, then KILL, from beside; the shell is kept."""
        async with desk(near, *bashed) as d:
            deaf = "X=1; sh -c 'trap : INT; echo up; while :; do sleep 1; done'"
            ran = await d.run(deaf, timeout=1)
            assert (ran["status"], ran["exit_code"], ran["signal"]) == ("timeout", 143, "SIGTERM")
            deaf = deaf.replace("INT", "INT TERM")
            ran = await d.run(deaf, timeout=1)
            assert (ran["status"], ran["exit_code"], ran["signal"]) == ("timeout", 137, "SIGKILL")
            assert (await d.run("echo $X"))["output"] == "1\n"
            terminals = await d.here.get("bridge/consoles?conn=lab")
            assert [m["name"] for m in terminals if m["state"] == "live"] == [d.console]

    async def test_shells_that_give_no_mark(
        self, near: Server, bashed: tuple[Server, Path]
    ) -> None:
        """Where the hook was taken away, the prompt itself tells the status."""
        async with desk(near, *bashed) as d:
            await d.run("true")
            run = await d.start("unset PROMPT_COMMAND; echo a; sleep 100")
            await d.wrote(run, "a\n")
            ran = await d.stop(run)
            assert (ran["status"], ran["exit_code"]) == ("cancelled", 130)
            assert ran["output"].startswith("a\n")
            assert (await d.run("echo on"))["output"] == "on\n"

    async def test_other_shells(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """A shell inside, or in its place, does not tell its prompt: nothing is typed there."""
        async with desk(near, *bashed) as d:
            await d.run("N=1")
            for shell in ("dash", "bash --norc"):
                await d.type(f"{shell}\n".encode())
                await until(d.is_busy)
                status, code, message = await d.refused("N=2")
                assert (status, code) == (409, "busy")
                assert "Nothing was typed" in message
                await d.type(b"exit\n")
                assert (await d.run("echo [$N]"))["output"] == "[1]\n"
            run = await d.start("exec bash --norc")
            assert (await d.model(run))["status"] == "running"
            assert (await d.refused("true"))[:2] == (409, "busy")

    async def test_what_is_left_alone(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """The history has no line of a run; options and the user's own EXIT trap stay."""
        async with desk(near, *bashed) as d:
            await d.run("unset HISTFILE HISTCONTROL; history -c; trap 'echo MINE' EXIT")
            await d.type(b"echo MY''OWN\n")
            await d.here.tail(d.console, "MYOWN\r\n")
            for setting in ("set -u", "IFS=x1", "PATH=", "set -C", "set -v", "set +v"):
                assert (await d.run(setting))["exit_code"] == 0, setting
            ran = await d.run("history")
            lines = [line.split(None, 1)[1] for line in ran["output"].splitlines()]
            assert lines == ["echo MY''OWN"]
            ran = await d.run("exit 5")
            assert (ran["status"], ran["exit_code"]) == ("session-closed", 5)

    @pytest.mark.soak  # the programs' own prompts come when they like: on a busy machine too late
    async def test_other_programs_are_busy(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """An interpreter, a full screen and a question for a password take no command."""
        python = shutil.which("python3")
        async with desk(near, *bashed) as d:
            await d.run("true")
            for line, shown, leave in (
                (f"{python} -q\n".encode(), ">>> ", b"exit()\n"),
                (b"read -s -p 'Password: ' x\n", "Password: ", b"s\n"),
                # It leaves the screen itself: what is typed behind a ^C may go with it.
                (b"printf '\\033[?1049h\\033[H# '; read x; printf '\\033[?1049l'\n", "# ", b"\n"),
            ):
                await d.type(line)
                await d.here.tail(d.console, shown.replace("?", "\\?") + "$")
                status, code, message = await d.refused("true")
                assert (status, code) == (409, "busy"), (line, message)
                await d.type(leave)
            assert (await d.run("echo free"))["output"] == "free\n"

    async def test_one_command_twice(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """Repeated under its key, it is run once."""
        async with desk(near, *bashed) as d:
            await d.run("n=0")
            body = {"console": d.console, "command": "n=$((n+1)); echo $n"}
            asked = [
                await d.here.post("bridge/run", json=body, headers={"Idempotency-Key": "k"})
                for _ in range(2)
            ]
            assert [ran["output"] for ran in asked] == ["1\n", "1\n"]
            assert asked[0]["run"] == asked[1]["run"]

    async def test_text_that_is_not_utf8(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """A plain server tells text: in a tty bytes that are none are U+FFFD; split has them."""
        async with desk(near, *bashed) as d:
            ran = await d.run("printf 'a\\377b'")
            assert ran["output"] == "a\ufffdb"
            ran = await d.run("printf 'a\\377b'", output="split")
            assert base64.b64decode(ran["stdout_base64"]) == b"a\xffb"

    async def test_what_comes_between_is_noticed(
        self, near: Server, bashed: tuple[Server, Path]
    ) -> None:
        """What somebody else types while a run is handed over costs it nothing but time."""
        async with desk(near, *bashed) as d:
            await d.run("true")
            long = "echo '" + "x" * 200_000 + "' | cksum"
            run = asyncio.ensure_future(d.run(long))
            for _ in range(20):
                await asyncio.sleep(0.01)
                await d.type(b"y")
            ran = await run
            assert ran["exit_code"] == 0
            words = subprocess.run(["cksum"], input=b"x" * 200_000 + b"\n", capture_output=True)
            assert ran["output"] == words.stdout.decode()


async def test_subprocess_agrees(near: Server, bashed: tuple[Server, Path]) -> None:
    """Random commands: never a wrong status, and never a wrong byte that text can hold."""
    wrong = []
    async with desk(near, *bashed) as d:
        await d.run("set +H; HISTCONTROL=ignorespace")
        for case in cases(SEED, 40):
            wanted = await asyncio.to_thread(expected, case)
            mode = "split" if case.split else "tty"
            more = {"output": mode, "stdin": case.stdin}
            if case.cancel:
                run = await d.start(case.command, **more)
                await d.wrote(run, wanted.output.decode())
                ran = await d.stop(run)
            else:
                ran = await d.run(case.command, **more)
            if ran["status"] == "session-closed":
                d.console = "lab:new"
            found = Outcome(ran["exit_code"], b"")
            if case.split:
                found = Outcome(found.status, exact(ran, "stdout"), exact(ran, "stderr"))
            elif case.output:
                # As the host over there decodes it.
                text = wanted.output.replace(b"\n", b"\r\n").decode(errors="replace")
                wanted = Outcome(wanted.status, text.replace("\r\n", "\n").encode())
                found = Outcome(found.status, ran["output"].encode())
            if case.cancel:  # the line of the prompt, and the terminal's own ^C
                rest = found.output.removesuffix(b"\n").removesuffix(b"^C")
                found = Outcome(found.status, rest.rstrip(b"\n") + b"\n")
            if found != wanted:
                wrong.append(f"{case}\n  found  {found}\n  wanted {wanted}\n  {ran}")
    assert not wrong, "\n\n".join(wrong)


def exact(ran: dict[str, Any], stream: str) -> bytes:
    data = ran.get(f"{stream}_base64")
    return base64.b64decode(data) if data else str(ran[stream]).encode()


class TestBrokenLines:
    async def test_output_over_breaks(self, near: Server, bashed: tuple[Server, Path]) -> None:
        """A run goes on over breaks: its status is exact, and that text may be missing is told."""
        server, home = bashed
        async with cut_off(server) as (address, cut), desk(near, server, home, address) as d:
            await d.run("true")
            command = "for i in $(seq 100); do echo line-$i; sleep 0.03; done; (exit 4)"
            run = await d.start(command)
            for number in (5, 40, 70):
                await d.wrote(run, f"line-{number}\n")
                cut()
            ran = await d.ended(run)
            assert (ran["status"], ran["exit_code"]) == ("done", 4)
            lines = "".join(f"line-{number}\n" for number in range(1, 101))
            assert ran["truncated"], "nobody can be sure"
            assert set(ran["output"].splitlines()) <= set(lines.splitlines())
            assert (await d.run("echo on"))["output"] == "on\n"

    async def test_a_break_while_handing_over(
        self, near: Server, bashed: tuple[Server, Path]
    ) -> None:
        """A line that breaks before the command is typed is waited for; it is run once."""
        server, home = bashed
        async with cut_off(server) as (address, cut), desk(near, server, home, address) as d:
            await d.run("n=0")
            done = 0
            for delay in (0.0, 0.05, 0.1, 0.2):
                command = f"n=$((n+1)); : {'x' * 300_000}; echo $n"
                running = asyncio.ensure_future(
                    d.here.ask(
                        "POST",
                        "bridge/run",
                        json={"console": d.console, "command": command, "queue": True},
                    )
                )
                await asyncio.sleep(delay)
                cut()
                status, ran = await running
                if status != 200:  # it broke just when the line was typed
                    assert (status, ran["error"]) in (
                        (502, "remote-failed"),
                        (503, "unavailable"),
                    )
                else:
                    assert (ran["status"], ran["exit_code"]) == ("done", 0), ran
                    done += 1
            said = (await d.run("echo $n"))["output"]
            assert done <= int(said) <= 4

    @pytest.mark.soak
    async def test_a_server_that_dies(self, near: Server, tmp_path: Path) -> None:
        """The end of the other side ends the run: nobody knows its status, and none is made up."""
        server, home = plain_with("bash", tmp_path)
        address = server.url
        port = int(address.rstrip("/").rpartition(":")[2])
        again = None
        try:
            async with desk(near, server, home) as d:
                run = await d.start("echo begun; sleep 600")
                await d.wrote(run, "begun\n")
                server.process.kill()
                server.process.wait()
                ran = await d.stop(run)
                told = (ran["status"], ran["exit_code"], ran["output"])
                assert told == ("cancelled", None, "begun\n")
                shell = {"SHELL": needs("bash"), "HOME": str(home), "JUPYTER_TOKEN": server.token}
                again = start_plain(tmp_path, env=shell, port=port)
        finally:
            for one in (server, again):
                if one is not None:
                    one.stop()
