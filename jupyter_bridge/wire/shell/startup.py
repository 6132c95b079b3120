"""How a shell is started so that it tells when it is at its prompt.

Each shell has one way to be given a script beside the user's own start files, which are read as
ever: bash and sh the ENV file (bash only with `--posix`, which the script ends at once), zsh a
ZDOTDIR, fish `--init-command`. The script defines what `marks.py` documents, prints marks with a
key of the terminal at every prompt and command (`prompt_state.py`), and binds a key in every keymap
of the line editor:

    KEY   at PS1: the line in `<folder>/<pid>.line` replaces what was typed, and is sent
          elsewhere: nothing but the mark R

A shell with other options than those below is started as it is, and its prompt stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jupyter_bridge.wire.shell.integration import Dialect, integration, script
from jupyter_bridge.wire.shell.prompt_state import PromptState
from jupyter_bridge.wire.shell.wrapper import dialect_of

# Two keys: the first does nothing, and ends what an unfinished one waits for (Esc, Ctrl-V, count).
KEY = b"\x1b[7482~\x1b[7483~"

_LOGIN = frozenset({"-l", "--login"})
# The options with which the start files are read as the scripts do it; the words they become.
_OPTIONS: dict[Dialect, dict[str, str]] = {
    "bash": {"-i": "", "-l": "", "--login": "", "--norc": "norc", "--noprofile": "noprofile"},
    "zsh": {"-i": "", "-l": "", "--login": "", "-f": "norc"},
    "fish": {"-i": "", "-l": "", "--interactive": "", "--login": ""},
    "sh": {"-i": "", "-l": "login"},
}


@dataclass(frozen=True)
class Startup:
    """The arguments, and what is added to the environment."""

    dialect: Dialect
    argv: list[str]
    env: Mapping[str, str]

    @property
    def has_key(self) -> bool:
        """Whether a line is entered by KEY; in sh, at a line that is known to be empty."""
        return self.dialect != "sh"


class KnownShell:
    """A shell that was started so that it tells its prompt, and what it has told."""

    def __init__(self, start: Startup, key: str, folder: Path) -> None:
        self.start = start
        self.prompt = PromptState(key)
        # The folder with the scripts of its start.
        self.folder = folder

    def line_of(self, pid: int) -> Path:
        """The file from which the shell takes its next line when the key is pressed."""
        return self.folder / f"{pid}.line"


def startup(
    argv: Sequence[str], env: Mapping[str, str], *, program: str, key: str, folder: str
) -> Startup | None:
    """Return how to start this shell; None if its prompt cannot be known.

    `program` is the name of the executable that `argv[0]` leads to (`dash`, if that is `sh`);
    `folder` has the files of `files()`.
    """
    dialect = dialect_of(argv[0])
    if dialect is None or argv[0].rsplit("/", 1)[-1].lstrip("-") == "rbash":
        return None
    options = _OPTIONS[dialect]
    given = list(argv[1:])
    if dialect == "sh" and program == "busybox" and given[:1] in (["sh"], ["ash"]):
        given = given[1:]
    if not all(option in options for option in given):
        return None
    words = [options[option] for option in given if options[option]]
    start = f"{key}:{folder}:" + "".join(f"{word}:" for word in words)
    head = list(argv[: len(argv) - len(given)])
    if dialect == "zsh":
        given = [option for option in given if option != "-f"]
        theirs = {"__JB_ZDOTDIR": env["ZDOTDIR"]} if "ZDOTDIR" in env else {}
        return Startup(
            "zsh", [*head, *given], {"ZDOTDIR": f"{folder}/zdotdir", "__JB": start, **theirs}
        )
    if dialect == "fish":
        command = f"source {folder}/prompt.fish"
        return Startup("fish", [*argv, "--init-command", command], {"__JB": start})
    theirs = {"__JB_ENV": env["ENV"]} if env.get("ENV") else {}
    if dialect == "bash":
        added = {"ENV": f"{folder}/start.bash", "__JB": start, **theirs}
        return Startup("bash", [*head, "--posix", *given], added)
    # sh would read the ENV that its profile sets, so the script reads the profile instead.
    given = [option for option in given if option not in _LOGIN]
    added = {"ENV": f"{folder}/start.sh", "__JB": f"{start}{program}:", **theirs}
    return Startup("sh", [*head, *(given or ["-i"])], added)


# The scripts that read the user's start files, by their paths in the folder and in `data/startup/`.
_START_FILES: dict[Dialect, dict[str, str]] = {
    "bash": {"start.bash": "bash.bash"},
    "zsh": {
        "zdotdir/.zshenv": "zshenv.zsh",
        "zdotdir/.zprofile": "zprofile.zsh",
        "zdotdir/.zshrc": "zshrc.zsh",
    },
    "fish": {},
    "sh": {"start.sh": "sh.sh"},
}


def files(dialect: Dialect, *, reports_exit: bool = False) -> dict[str, str]:
    """Return the scripts of a shell by their paths in the folder."""
    return {
        dialect: integration(dialect, reports_exit=reports_exit),
        f"prompt.{dialect}": script(f"prompt/{dialect}.{dialect}"),
        **{path: script(f"startup/{name}") for path, name in _START_FILES[dialect].items()},
    }


@cache
def all_files() -> Mapping[str, str]:
    """Return the scripts of all shells by their paths in the folder."""
    return {path: text for dialect in _START_FILES for path, text in files(dialect).items()}
