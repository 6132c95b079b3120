"""The wrapper of one run: the script for its shell, and the typed line that sources it.

`marks.py` documents the marks that the shell prints.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote as percent_encoded

from jupyter_bridge.wire.shell.any_bytes import to_bytes
from jupyter_bridge.wire.shell.integration import VERSION, VERSION_WITH_EXIT, Dialect

# How much of a command its line shows, and the mark E tells, characters.
SHOWN = 200
TOLD = 1000

_DIALECTS: dict[str, Dialect] = {
    "bash": "bash",
    "rbash": "bash",
    "zsh": "zsh",
    "zsh5": "zsh",
    "fish": "fish",
    "sh": "sh",
    "dash": "sh",
    "ash": "sh",
    "busybox": "sh",
    "ksh": "sh",
    "ksh93": "sh",
    "mksh": "sh",
    "yash": "sh",
}
# The names of the shells that can tell their prompt.
KNOWN_PROGRAMS = tuple(name for name in _DIALECTS if name != "rbash")


# For a run that must not page: the variables that programs ask for their pager.
NO_PAGER = {
    **dict.fromkeys(("PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER", "PSQL_PAGER"), "cat"),
    **dict.fromkeys(("BAT_PAGER", "DELTA_PAGER", "GH_PAGER", "AWS_PAGER"), "cat"),
    "LESS": "FRX",
}


def dialect_of(program: str) -> Dialect | None:
    """Return the dialect of a shell, from its path, its name or its argv[0] (`-bash`)."""
    return _DIALECTS.get(program.rsplit("/", 1)[-1].lstrip("-"))


def quote(dialect: Dialect, text: str) -> str:
    """Quote `text`, which holds no NUL, as one word of this dialect."""
    if dialect == "fish":
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return shlex.quote(text)


def shown(command: str, *, plain: bool = False) -> str:
    """Return the first line of a command as a comment; `plain`: in ASCII, for a line that is typed.

    Control characters would do something in a line editor.
    """
    first, newline, _ = command.strip().partition("\n")
    text = first[:SHOWN]
    if plain:
        text = text.encode("ascii", "replace").decode()
    text = "".join(one if one.isprintable() else " " for one in text)
    return text + (" ..." if newline or len(first) > SHOWN else "")


@dataclass(frozen=True)
class Wrapping:
    """One run's wrapper: the files it sources, and the files of its streams."""

    dialect: Dialect
    nonce: str
    integration: str
    wrapper: str
    text: str
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    # The `$?` to restore, if lines were typed since; None: the present one.
    status: int | None = None
    # A script to run once, just before D. If there is one, the shell also reports its exit.
    final_script: str | None = None
    # Whether git, man and the like may page, in this run.
    pager: bool = True
    # The command, of which the mark E tells the beginning.
    command: str = ""

    @property
    def version(self) -> str:
        """The version of the integration that the wrapper needs."""
        return VERSION if self.final_script is None else VERSION_WITH_EXIT

    def _redirections(self) -> str:
        pairs = ((">", self.stdout), ("2>", self.stderr), ("<", self.stdin))
        return "".join(f" {sign}{quote(self.dialect, path)}" for sign, path in pairs if path)

    def script(self) -> str:
        """The wrapper's text."""
        say = {"fish": self._fish, "zsh": self._zsh}.get(self.dialect, self._posix)
        return say()

    def line(self, shown: str = "") -> bytes:
        """The line that starts the run, with `shown` as its comment.

        Its leading space keeps it out of most histories.
        """
        comment = f" # {shown}" if shown else ""
        if self.dialect == "fish":
            # `exit` inside a sourced file only leaves that file, so fish evaluates the text.
            return to_bytes(f"{self._source()}; eval $__jb_l; __jb_e{comment}")
        return to_bytes(f"{self._source()}{comment}")

    def ask(self) -> str:
        """Return a script for a shell that printed no mark: it prints D with its status, and A."""
        if self.dialect == "fish":
            end = ("set -g __jb_l", "__jb_end $__jb_s", "__jb_a", "")
            return "\n".join((*self._fish_begin(), *end))
        unlearn = f"__jb_unlearn {quote(self.dialect, self.text)}; " * (self.dialect == "bash")
        mark = f'__jb_n={self.nonce}; __jb_o=; __jb_end "$__jb_s"; __jb_d'
        return f"{self._begin()}{unlearn}{mark}\n"

    def ask_line(self) -> bytes:
        """Return the line that sources `ask`, once that is in the wrapper's place."""
        return to_bytes(self._source())

    def _source(self) -> str:
        command = "source" if self.dialect == "fish" else "\\."  # without an alias
        return f" {command} {quote(self.dialect, self.wrapper)}"

    def _begin(self) -> str:
        integration = quote(self.dialect, self.integration)
        status = "$?" if self.status is None else self.status
        last = f"; __jb_w={quote(self.dialect, self.final_script)}" if self.final_script else ""
        check = f'[ "${{__jb_v-}}" = {self.version} ] || . {integration}'
        trap = "; __jb_trap" if self.final_script and self.dialect == "bash" else ""
        return f"__jb_s={status}{last}; {check}{trap}\n"

    def _command(self) -> str:
        name = {"bash": "\\builtin", "zsh": "\\builtin"}.get(self.dialect, "\\command")
        quiet = " -q" if self.dialect == "zsh" else ""
        steps = [f"{name} cd{quiet} {quote(self.dialect, self.cwd)}"] if self.cwd else []
        steps += [f"\\export {key}={quote(self.dialect, value)}" for key, value in self.env.items()]
        # Before `command .` the variables are the sourced file's alone; zsh has no such `command`.
        here = [f"{name}={value}" for name, value in NO_PAGER.items() if not self.pager]
        if self.dialect == "bash":
            # It has the text in a variable: sourcing would call the user's RETURN trap.
            here.append('\\eval "$__jb_text"')
        else:
            if here and self.dialect != "zsh":
                here.append("\\command")
            here.append('. "$__jb_f"')
        steps.append(" ".join(here))
        return "{ " + " && ".join(steps) + "; }" + self._redirections()

    def _told(self) -> str:
        return percent_encoded(self.command[:TOLD].encode("utf-8", "surrogateescape"), safe="/")

    def _posix(self) -> str:
        # One line, so that `set -v` echoes all of it before C.
        text = quote(self.dialect, self.text)
        start = f"{{ __jb_c {self.nonce} {text} '{self._told()}' && : __jb_; }} 2>/dev/null"
        if self.dialect == "bash":  # a function does not see the traps
            start = f"\\builtin trap -p DEBUG ERR RETURN >|{text}.x 2>/dev/null; {start}"
        return f"{self._begin()}{start}; {self._command()}; {{ __jb_e && : __jb_; }} 2>/dev/null\n"

    def _zsh(self) -> str:
        # `always` also runs after Ctrl-C, before zsh marks an unfinished line (PROMPT_SP).
        text = f"{quote(self.dialect, self.text)} '{self._told()}'"
        start = f"{{ __jb_c {self.nonce} {text} && :; }} 2>/dev/null"
        end = "{ __jb_e $? $TRY_BLOCK_INTERRUPT && :; } 2>/dev/null"
        begin = self._begin()
        if not self.pager:
            # A variable before `.` reaches children only if it was exported.
            begin += "__jb_u=\n" + "".join(
                f'[ -n "${{{name}+x}}" ] || {{ \\export {name}=; __jb_u="$__jb_u {name}"; }}\n'
                for name in NO_PAGER
            )
            end += "; \\unset ${=__jb_u}"
        return f"{begin}{start}; {{ {self._command()}; }} always {{ {end}; }}\n"

    def _fish_begin(self) -> tuple[str, ...]:
        return (
            f"set -g __jb_s {'$status' if self.status is None else self.status}",
            f"set -g __jb_w {quote('fish', self.final_script or '')}",
            f'test "$__jb_v" = {self.version}; or source {quote("fish", self.integration)}',
            f"set -g __jb_n {self.nonce}",
            "set -g __jb_o 1",
        )

    def _fish_body(self) -> str:
        """What evaluates the text."""
        body = "eval $__jb_t"
        if not self.pager:
            words = "; ".join(f"set -lx {name} {value}" for name, value in NO_PAGER.items())
            body = f"begin; {words}; {body}; end"
        if redirections := self._redirections():
            body = f"begin; {body}; end{redirections}"
        return body

    def _fish(self) -> str:
        lines = [
            *self._fish_begin(),
            f"set -g __jb_l {quote('fish', self._fish_body())}",
            f"read -gz __jb_t <{quote('fish', self.text)}; or set -g __jb_t",
            f"__jb_mark '\\033]133;E;jb=%s;cmdline_url=%s\\007' {self.nonce} '{self._told()}'",
            f"__jb_mark '\\033]133;C;jb=%s\\007' {self.nonce}",
        ]
        if self.cwd:
            lines.append(f"builtin cd {quote('fish', self.cwd)}; or set -g __jb_t 'return 1'")
        lines += [f"set -gx {key} {quote('fish', value)}" for key, value in self.env.items()]
        return "\n".join((*lines, "return $__jb_s", ""))
