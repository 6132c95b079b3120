"""A run is entered only at a prompt that is known; what somebody typed is never run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.problems import Busy
from tests.consoles.conftest import everything, says
from tests.support.prompt_cases import BUSY, TYPED, busy_case, is_shown_anew, vi_mode
from tests.support.shells import ALL_SHELLS, Desk, d
from tests.support.waiting import until

__all__ = ["d"]

# The longest that a refusal may take, seconds.
REFUSED_WITHIN = 5.0


async def opened(d: Desk, shell: str) -> Console:
    console = await d.open(shell)
    await d.run("true", shell)
    return console


async def typed(console: Console, text: bytes, shows: bytes = b"") -> None:
    """Type, and wait until the shell has shown it."""
    start = console.end_offset
    await console.write(text)
    if shows:
        await says(console, shows, start)
    else:
        await asyncio.sleep(0.3)  # nothing shows that a line editor is in another mode


def source_of(console: Console) -> TerminalSource:
    source = console.source
    assert isinstance(source, TerminalSource)
    return source


@pytest.mark.parametrize("shell", ALL_SHELLS)
class TestTypedText:
    @pytest.mark.parametrize(
        ("mode", "keys"),
        TYPED.values(),
        ids=TYPED,
    )
    async def test_is_not_run(self, d: Desk, shell: str, mode: str, keys: bytes) -> None:
        """Whatever the line editor is doing, the command runs, and the typed text does not."""
        console = await opened(d, shell)
        await d.run(f"cd {d.home}", shell)
        if mode == "vi":
            await d.run(vi_mode(shell), shell)
        await typed(console, keys)
        if is_shown_anew(shell, keys):
            with contextlib.suppress(Busy):
                await d.run("echo mine", shell, queue=False)
            await typed(console, b"\x03")
        answer = await d.run("echo mine", shell)
        assert (answer.output, answer.exit_code, answer.status) == ("mine\n", 0, "done")
        assert (await d.run("echo again; sh -c 'exit 3'", shell)).output == "again\n"
        assert not (d.home / "VICTIM").exists()

    async def test_keeps_the_status(self, d: Desk, shell: str) -> None:
        """`$?` is the last command's, though somebody typed in between."""
        console = await opened(d, shell)
        say = "echo $status" if shell == "fish" else "echo $?"
        await d.run("sh -c 'exit 7'", shell)
        await typed(console, b"ech", b"h")
        assert (await d.run(say, shell)).output == "7\n"


@pytest.mark.parametrize("shell", ALL_SHELLS)
@pytest.mark.parametrize("what", BUSY)
async def test_no_prompt_is_refused(d: Desk, shell: str, what: str) -> None:
    """Nothing is typed where the shell is not at its prompt, and the reason is told at once."""
    keys, shows = busy_case(what, shell)
    console = await opened(d, shell)
    await d.run(f"cd {d.home}", shell)
    await typed(console, keys, shows)
    await asyncio.sleep(0.3)
    before, written = console.end_offset, source_of(console).typed
    started = time.monotonic()
    if shell == "fish" and what == "an open quote":  # it is one line for its editor
        assert (await d.run("echo mine", shell, queue=False)).output == "mine\n"
        return
    with pytest.raises(Busy) as refused:
        await d.run("echo RAN > RAN", shell, queue=False)
    assert time.monotonic() - started < REFUSED_WITHIN
    assert "is busy" in str(refused.value) or "does not answer" in str(refused.value)
    assert source_of(console).typed == written, "something was typed"
    assert b"RAN" not in everything(console, before)
    notes = d.home / "NOTES"
    assert not (d.home / "RAN").exists()
    assert not notes.exists() or "RAN" not in notes.read_text()


@pytest.mark.parametrize("shell", ALL_SHELLS)
async def test_a_frozen_terminal_is_refused(d: Desk, shell: str) -> None:
    """After Ctrl-S nothing is run, not even when the terminal goes on."""
    console = await opened(d, shell)
    await d.run(f"cd {d.home}", shell)
    await typed(console, b"\x13")
    await typed(console, b"touch VICTIM")
    if shell == "fish":  # its line editor takes the key itself: nothing is frozen
        assert (await d.run("echo on", shell)).output == "on\n"
        return
    started = time.monotonic()
    with pytest.raises(Busy):
        await d.run("echo RAN > RAN", shell, queue=False)
    assert time.monotonic() - started < REFUSED_WITHIN
    await typed(console, b"\x11")
    assert (await d.run("echo on", shell)).output == "on\n"
    assert not {"RAN", "VICTIM"} & set(os.listdir(d.home))


# Start files of real users, in the shell that reads them; each with a command and its output.
RC = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
SETTINGS: dict[str, tuple[str, str]] = {
    "read-only PROMPT_COMMAND": ("bash", "readonly PROMPT_COMMAND='true'"),
    "read-only and empty": ("bash", "readonly PROMPT_COMMAND"),
    "a list": ("bash", "PROMPT_COMMAND=('history -a' 'true')"),
    "ours is not first": ("bash", 'PROMPT_COMMAND="history -a; $PROMPT_COMMAND"'),
    "strict": ("bash", "set -u -T; set -o pipefail"),
    "strict zsh": ("zsh", "setopt no_unset pipefail warn_create_global"),
    "a prompt made anew": ("bash", "f() { PS1='new\\$ '; PS2='+ '; }; PROMPT_COMMAND=f"),
    "exported": ("bash", "export PS1='x\\$ ' PS2 PROMPT_COMMAND='true'"),
    "no promptvars": ("bash", "shopt -u promptvars"),
    "vi": ("bash", "set -o vi; bind 'set show-mode-in-prompt on'"),
    "a bell of keys": ("bash", "bind '\"\\e[\": beginning-of-line'"),
    "as bash-preexec": (
        "bash",
        "h() { :; }; __bp() { [ -n \"${READLINE_POINT-}\" ] || h; }; trap '__bp' DEBUG\n"
        "p() { local r=$?; return $r; }; PROMPT_COMMAND=$'p\\n'\"${PROMPT_COMMAND:-:}\"",
    ),
    "as direnv": (
        "bash",
        '_h() { local s=$?; trap -- "" SIGINT; eval "$(echo :)"; trap - SIGINT; return $s; }\n'
        'PROMPT_COMMAND="_h${PROMPT_COMMAND:+;$PROMPT_COMMAND}"',
    ),
    "as starship": (
        "bash",
        "s() { local r=$?; PS1=\"[$r] \"; }; PROMPT_COMMAND='s'; trap ':' DEBUG",
    ),
    "zsh vi as oh-my-zsh": (
        "zsh",
        "bindkey -v; zle-keymap-select() { zle reset-prompt; }; zle -N zle-keymap-select\n"
        "zle-line-init() { echoti smkx 2>/dev/null; }; zle -N zle-line-init",
    ),
    "as powerlevel10k": (
        "zsh",
        "setopt prompt_subst; f() { PROMPT='%~ $(echo p)%# '; RPROMPT='%T'; }\n"
        "precmd_functions=(f); preexec_functions=(f); TMOUT=0",
    ),
    "accept-line is another": (
        "zsh",
        'mine() { BUFFER="$BUFFER "; zle .accept-line; }; zle -N accept-line mine',
    ),
    "no comments": ("zsh", "unsetopt interactive_comments; setopt bang_hist"),
    "correct": ("zsh", "setopt correct_all"),
    "own ZDOTDIR": ("zsh", "ZDOTDIR=$HOME"),
    "fish vi": ("fish", "fish_vi_key_bindings"),
    "fish prompt": ("fish", "function fish_prompt; set_color red; echo 'f> '; end"),
}


@pytest.mark.parametrize("what", SETTINGS)
async def test_settings_of_users(d: Desk, what: str) -> None:
    """Runs work, with exact output and status, and what was typed is not run."""
    shell, text = SETTINGS[what]
    rc: Path = d.home / RC[shell]
    rc.parent.mkdir(parents=True, exist_ok=True)
    rc.write_text(text + "\n")
    console = await opened(d, shell)
    await d.run(f"cd {d.home}", shell)
    for _ in range(2):
        await typed(console, b"touch VICTIM")
        answer = await d.run("echo mine; sh -c 'exit 3'", shell)
        assert (answer.output, answer.exit_code) == ("mine\n", 3)
    run = await d.start("sleep 100", shell, queue=True)
    await run.begun.wait()
    run.cancel()
    answer = await d.ended(run)
    assert (answer.status, answer.exit_code) == ("cancelled", 130)
    assert (await d.run("echo on", shell)).output == "on\n"
    assert not (d.home / "VICTIM").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["rbash", "-i"],
        ["tcsh"],
        ["bash", "-c", "exec bash --norc -i"],
        ["python3"],
        ["zsh", "-o", "vi"],
    ],
    ids=lambda argv: " ".join(argv),
)
async def test_unknown_shells_are_refused(d: Desk, argv: list[str]) -> None:
    """A program that does not tell its prompt gets nothing typed, and the answer says so."""
    console = await d.open(argv[0], *argv[1:])
    await until(lambda: console.end_offset)
    started = time.monotonic()
    with pytest.raises(Busy, match="not started as a shell"):
        await d.run("echo RAN", argv[0])
    assert time.monotonic() - started < REFUSED_WITHIN
    assert source_of(console).typed == 0


async def test_a_profile_that_asks_is_not_answered(d: Desk) -> None:
    """A `read` in a start file is no prompt: the run waits until somebody has answered."""
    (d.home / ".bashrc").write_text("read -e -p 'who? ' WHO\n")
    console = await d.open("bash")
    await says(console, b"who?")
    with pytest.raises(Busy, match="not shown a prompt"):
        await d.run("echo RAN", queue=False)
    await console.write(b"me\r")
    assert (await d.run("echo $WHO")).output == "me\n"


async def test_a_faked_prompt_is_no_prompt(d: Desk) -> None:
    """A program that repeats the shell's marks does not get the run's line."""
    console = await opened(d, "bash")
    shell = source_of(console).shell
    assert shell is not None
    key = everything(console).partition(b"133;B;jb=")[2][:16].decode()
    await d.run(f"fake() {{ printf '\\033]133;B;jb={key}\\007'; read -e x; echo got $x; }}")
    await typed(console, b"fake\r")
    await until(lambda: shell.prompt.state == "prompt")
    start = console.end_offset
    with pytest.raises(Busy):
        await d.run("echo RAN", queue=False)
    await typed(console, b"x\r", b"got x")
    assert b"RAN" not in everything(console, start)


STOPPED = 'echo a; sh -c \'trap "" INT; echo deaf; sleep 100\'; echo RE""ST'


@pytest.mark.parametrize("shell", ALL_SHELLS)
async def test_the_rest_of_a_stopped_list_is_not_run(d: Desk, shell: str) -> None:
    """A command that ignores SIGINT is killed, and what follows it in the list is not run."""
    await opened(d, shell)
    run = await d.start(STOPPED, shell, queue=True)
    await until(lambda: run.spool.size >= len("a\ndeaf\n"))
    run.cancel()
    answer = await d.ended(run)
    assert (answer.status, answer.signal) == ("cancelled", "SIGTERM")
    assert answer.exit_code != 0
    assert "REST" not in str(answer.output)
    assert (await d.run("echo on", shell)).output == "on\n"


TRAPS: dict[str, tuple[str, str, str]] = {
    "ERR": ("trap 'echo ERR' ERR", "false; true", "ERR\n"),
    "ERR at the end": ("trap 'echo ERR' ERR", "false", "ERR\n"),
    "RETURN": ("trap 'echo RETURN' RETURN", "true", ""),
    "RETURN of a file": ("trap 'echo RETURN' RETURN", "echo : >f; . ./f", "RETURN\n"),
    "DEBUG": ("trap 'echo DEBUG $BASH_COMMAND' DEBUG; set -T", "true 1", "DEBUG true 1\n"),
    "EXIT": ("trap 'echo EXIT' EXIT", "(true)", ""),
    "with -u and -e": ("set -u; trap 'echo ERR' ERR", "(exit 3) || true; echo on", "on\n"),
    "a comment in it": ("trap 'echo ERR # so' ERR", "false", "ERR\n"),
}


@pytest.mark.parametrize("what", TRAPS)
async def test_traps_of_the_user(d: Desk, what: str) -> None:
    """They are called by what the command does, as if it had been typed, and by nothing of ours."""
    setting, command, output = TRAPS[what]
    await opened(d, "bash")
    await d.run(f"cd {d.home}")
    await d.run(setting)
    for _ in range(2):
        assert (await d.run(command)).output == output
    (d.home / "f").write_text(setting)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_hooks_and_history_see_nothing(d: Desk, shell: str) -> None:
    """Neither the history nor a hook before commands sees the line that starts a run."""
    seen = d.home / "SEEN"
    hooks = {
        "bash": "HISTCONTROL=",
        "zsh": f'preexec() {{ echo "$1" >> {seen} }}; HISTFILE={d.home}/h; SAVEHIST=9; HISTSIZE=9',
        "fish": f"function h --on-event fish_preexec; echo $argv >> {seen}; end",
    }
    rc: Path = d.home / RC[shell]
    rc.parent.mkdir(parents=True, exist_ok=True)
    rc.write_text(hooks[shell] + "\n")
    console = await d.open(shell)
    await d.run("echo one", shell)
    await typed(console, b"echo by''hand\r", b"byhand")
    await d.run("echo two", shell)
    history = {"bash": "history", "zsh": "fc -l 1", "fish": "builtin history"}[shell]
    said = str((await d.run(history, shell)).output)
    assert "by''hand" in said
    assert "jb-" not in said
    if shell == "zsh":
        assert "jb-" not in seen.read_text()


@pytest.mark.parametrize("shell", ALL_SHELLS)
async def test_the_recording_shows_the_command(d: Desk, shell: str) -> None:
    """The line that starts a run shows what is run."""
    console = await opened(d, shell)
    start = console.end_offset
    await d.run("echo 'a\tb' é # it's $HOME `x` !x\nsecond", shell)
    shown = everything(console, start).decode("utf-8", "replace")
    assert "# echo 'a b'" in shown
    assert "..." in shown
