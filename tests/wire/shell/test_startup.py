"""How shells are started, by what was asked for."""

from __future__ import annotations

import pytest

from jupyter_bridge.wire.shell.startup import all_files, startup

FOLDER = "/t/jb-1"

STARTED = {
    "bash": (["/bin/bash"], ["/bin/bash", "--posix"], "bash"),
    "bash as a login shell": (["bash", "-l"], ["bash", "--posix", "-l"], "bash"),
    "bash without files": (["bash", "--norc", "-i"], ["bash", "--posix", "--norc", "-i"], "bash"),
    "zsh": (["zsh", "-l"], ["zsh", "-l"], "zsh"),
    "zsh without files": (["zsh", "-f", "-i"], ["zsh", "-i"], "zsh"),
    "fish": (["fish"], ["fish", "--init-command", f"source {FOLDER}/prompt.fish"], "fish"),
    "sh": (["/bin/sh"], ["/bin/sh", "-i"], "sh"),
    "sh as a login shell": (["sh", "-l"], ["sh", "-i"], "sh"),
    "busybox": (["busybox", "sh", "-l"], ["busybox", "sh", "-i"], "sh"),
    "mksh": (["mksh", "-i"], ["mksh", "-i"], "sh"),
}


@pytest.mark.parametrize("what", STARTED)
def test_a_shell_is_what_was_asked_for(what: str) -> None:
    """Only what gives it one script more is added to its arguments and its environment."""
    asked, argv, dialect = STARTED[what]
    program = (
        asked[0].rsplit("/", 1)[-1].replace("sh", "dash" if asked[0].endswith("/sh") else "sh")
    )
    start = startup(asked, {"ENV": "/u/env"}, program=program, key="k", folder=FOLDER)
    assert start is not None
    assert (start.argv, start.dialect) == (argv, dialect)
    assert start.env["__JB"].startswith(f"k:{FOLDER}:")
    assert set(start.env) <= {"__JB", "__JB_ENV", "__JB_ZDOTDIR", "ENV", "ZDOTDIR"}
    if "ENV" in start.env:
        assert start.env["__JB_ENV"] == "/u/env"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["bash", "--norc"], ":norc:"),
        (["bash", "--noprofile", "-l"], ":noprofile:"),
        (["zsh", "-f"], ":norc:"),
        (["dash", "-l"], ":login:dash:"),
        (["mksh"], ":mksh:"),
    ],
)
def test_the_script_is_told_what_to_read(argv: list[str], words: str) -> None:
    """Options that the script stands for are words of `__JB`."""
    start = startup(argv, {}, program=argv[0], key="k", folder=FOLDER)
    assert start is not None
    assert start.env["__JB"].endswith(words)


@pytest.mark.parametrize(
    "argv",
    [
        ["bash", "-c", "true"],
        ["bash", "script"],
        ["bash", "--rcfile", "x"],
        ["bash", "-r"],
        ["rbash"],
        ["zsh", "-o", "vi"],
        ["fish", "--no-config"],
        ["busybox", "vi"],
        ["tcsh"],
        ["python3"],
        ["tmux"],
    ],
    ids=" ".join,
)
def test_what_is_no_plain_shell_is_started_as_it_is(argv: list[str]) -> None:
    """Nothing is added where the script could not stand for what the options ask."""
    assert startup(argv, {}, program=argv[0], key="k", folder=FOLDER) is None


def test_the_files_are_all_there() -> None:
    """Each file that a start names is one of the folder's."""
    assert set(all_files()) == {
        *("bash", "zsh", "fish", "sh"),
        *("prompt.bash", "prompt.zsh", "prompt.fish", "prompt.sh"),
        *("start.bash", "start.sh"),
        *("zdotdir/.zshenv", "zdotdir/.zprofile", "zdotdir/.zshrc"),
    }
    assert all(text.strip() for text in all_files().values())
