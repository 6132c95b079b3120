r"""OSC 133 marks: how a run knows where a command's output begins and ends, and its exit status.

A command is never typed itself. Its text lies in a file, a small script (the wrapper) sources that
file between two marks, and what is typed is one short line that sources the wrapper:

    ESC ] 133 ; C ; jb=<nonce> BEL                   the command's output begins after this byte
    ESC ] 133 ; D ; <status> ; jb=<nonce> ; <cwd> BEL    ... and ended before this one
    ESC ] 133 ; A ; jb=<nonce> BEL                   the shell is about to show its prompt again

They are the marks of FinalTerm, iTerm2, VS Code and fish, with a nonce: a program that prints marks
of its own cannot know it, and its marks stay in the output as any other bytes. What stands before C
(prompt, echo of the typed line, the editor's escapes) and after D (the prompt) is no output.

D comes from the wrapper when the command returns. When it does not (Ctrl-C, a syntax error in dash,
`${x?}`: the shell abandons the wrapper), D comes from the prompt hook: PROMPT_COMMAND in bash,
precmd in zsh, fish_postexec in fish (which also comes when `exit` ends it: that nonce has a `!`
behind it, and it counts once A follows), PS1 in sh. The first D counts. Marks are written to
/dev/tty, so that `exec >file` hides none. The wrapper installs the hook itself when it finds none:
a shell that somebody else opened, a nested one, one after `exec bash` need no preparation.

`$?` is restored before the command, so that it sees the status of the one before.
The terminal turns LF into CR LF (ONLCR); `Newlines` is the exact inverse.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_bridge.wire.shell.integration import VERSION, VERSION_FAREWELL, Dialect

# A mark is at most this long: a status and a path (PATH_MAX is 4096 bytes).
LONGEST_MARK = 4096 + 128

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


def dialect_of(program: str) -> Dialect | None:
    """The dialect a program speaks, from its path, its name or its argv[0] (`-bash`)."""
    return _DIALECTS.get(program.rsplit("/", 1)[-1].lstrip("-"))


def quote(dialect: Dialect, text: str) -> str:
    """One word of this dialect that means exactly `text` (which holds no NUL)."""
    if dialect == "fish":
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return shlex.quote(text)


@dataclass(frozen=True)
class Wrapping:
    """One run's wrapper: what the shell is to read, from where, and where its streams go."""

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
    # What `$?` is to be, where lines were typed since; None: what it is.
    status: int | None = None
    # A script that is run once, just before D. Where there is one, the shell tells its exit, too.
    parting: str | None = None

    @property
    def version(self) -> str:
        """Of the integration that the wrapper needs."""
        return VERSION if self.parting is None else VERSION_FAREWELL

    def _redirections(self) -> str:
        pairs = ((">", self.stdout), ("2>", self.stderr), ("<", self.stdin))
        return "".join(f" {sign}{quote(self.dialect, path)}" for sign, path in pairs if path)

    def script(self) -> str:
        """The wrapper's text."""
        say = {"fish": self._fish, "zsh": self._zsh}.get(self.dialect, self._posix)
        return say()

    def typed(self) -> bytes:
        """The line that starts the run. It begins with a space, which most histories leave out."""
        path = quote(self.dialect, self.wrapper)
        if self.dialect == "fish":
            # `exit` inside a sourced file only leaves that file, so fish gets the text by eval.
            body = "eval $__jb_t"
            if redirections := self._redirections():
                body = f"begin; {body}; end{redirections}"
            return f" source {path}; {body}; __jb_e\r".encode()
        return f" . {path}\r".encode()

    def ask(self) -> str:
        """A script for a shell that gave no mark: it says D with the status it has now, and A."""
        if self.dialect == "fish":
            return "\n".join((*self._fish_begin(), "__jb_end $__jb_s", "__jb_a", ""))
        unlearn = f"__jb_unlearn {quote(self.dialect, self.text)}; " * (self.dialect == "bash")
        said = f'__jb_n={self.nonce}; __jb_o=; __jb_end "$__jb_s"; __jb_d'
        return f"{self._begin()}{unlearn}{said}\n"

    def asking(self) -> bytes:
        """The line that has `ask` read, once it stands in the wrapper's place."""
        path = quote(self.dialect, self.wrapper)
        return f" {'source' if self.dialect == 'fish' else '.'} {path}\r".encode()

    def _begin(self) -> str:
        integration = quote(self.dialect, self.integration)
        status = "$?" if self.status is None else self.status
        parting = f"; __jb_w={quote(self.dialect, self.parting)}" if self.parting else ""
        check = f'[ "${{__jb_v-}}" = {self.version} ] || . {integration}'
        trap = "; __jb_trap" if self.parting and self.dialect == "bash" else ""
        return f"__jb_s={status}{parting}; {check}{trap}\n"

    def _command(self) -> str:
        name = {"bash": "\\builtin", "zsh": "\\builtin"}.get(self.dialect, "\\command")
        quiet = " -q" if self.dialect == "zsh" else ""
        steps = [f"{name} cd{quiet} {quote(self.dialect, self.cwd)}"] if self.cwd else []
        steps += [f"\\export {key}={quote(self.dialect, value)}" for key, value in self.env.items()]
        steps.append('. "$__jb_f"')
        return "{ " + " && ".join(steps) + "; }" + self._redirections()

    def _posix(self) -> str:
        # One line, so that `set -v` echoes all of it before C.
        start = f"{{ __jb_c {self.nonce} {quote(self.dialect, self.text)} && :; }} 2>/dev/null"
        return f"{self._begin()}{start}; {self._command()}; {{ __jb_e && :; }} 2>/dev/null\n"

    def _zsh(self) -> str:
        # `always` also runs after Ctrl-C, before zsh marks an unfinished line (PROMPT_SP).
        start = f"{{ __jb_c {self.nonce} {quote(self.dialect, self.text)} && :; }} 2>/dev/null"
        end = "always { { __jb_e $? $TRY_BLOCK_INTERRUPT && :; } 2>/dev/null; }"
        return f"{self._begin()}{start}; {{ {self._command()}; }} {end}\n"

    def _fish_begin(self) -> tuple[str, ...]:
        return (
            f"set -g __jb_s {'$status' if self.status is None else self.status}",
            f"set -g __jb_w {quote('fish', self.parting or '')}",
            f'test "$__jb_v" = {self.version}; or source {quote("fish", self.integration)}',
            f"set -g __jb_n {self.nonce}",
            "set -g __jb_o 1",
        )

    def _fish(self) -> str:
        lines = [
            *self._fish_begin(),
            f"read -gz __jb_t <{quote('fish', self.text)}; or set -g __jb_t",
            f"__jb_mark '\\033]133;C;jb=%s\\007' {self.nonce}",
        ]
        if self.cwd:
            lines.append(f"builtin cd {quote('fish', self.cwd)}; or set -g __jb_t 'return 1'")
        lines += [f"set -gx {key} {quote('fish', value)}" for key, value in self.env.items()]
        return "\n".join((*lines, "return $__jb_s", ""))


@dataclass(frozen=True)
class CommandOutput:
    """Bytes that the command wrote, as the terminal passed them on, up to console offset `end`."""

    data: bytes
    end: int


@dataclass(frozen=True)
class CommandBegan:
    """C: output begins at this console offset."""

    offset: int


@dataclass(frozen=True)
class CommandEnded:
    """D: output ended at this console offset; `cwd` is empty when it has control characters.

    `leaving`: the shell may be about to exit; it is not when Ready follows.
    """

    offset: int
    status: int
    cwd: str
    leaving: bool = False


@dataclass(frozen=True)
class PromptReady:
    """A: the shell shows its prompt from this console offset on."""

    offset: int


_INTRO = b"\x1b]133;"


# No longer than a mark that is held back, so that many beginnings are not each read to the end.
_CWD = rb"(!?);([^\x07]{0,%d})\x07" % LONGEST_MARK


class Scanner:
    """Finds one run's marks in a console's bytes, however they are cut, and what lies between.

    Marks come in order and once: Began, Output…, Ended, Ready. Anything else is noise before Began
    and after Ended, and output between them. Holds back at most `LONGEST_MARK` bytes.
    """

    def __init__(self, nonce: str, offset: int = 0) -> None:
        tag = b";jb=" + nonce.encode("ascii")
        self._steps = (
            (re.compile(re.escape(_INTRO + b"C" + tag) + b"\x07"), _INTRO + b"C" + tag),
            (
                re.compile(re.escape(_INTRO) + b"D;([0-9]{1,3})" + tag + _CWD),
                _INTRO + b"D;",
            ),
            (re.compile(re.escape(_INTRO + b"A" + tag) + b"\x07"), _INTRO + b"A" + tag),
        )
        self._tag = tag
        self._step = 0
        self._held = b""
        self._offset = offset

    def feed(self, data: bytes) -> list[CommandBegan | CommandOutput | CommandEnded | PromptReady]:
        """What these bytes, which follow the last ones, turn out to be."""
        found: list[CommandBegan | CommandOutput | CommandEnded | PromptReady] = []
        data = self._held + data
        position = 0
        while self._step < len(self._steps):
            pattern, prefix = self._steps[self._step]
            match = pattern.search(data, position)
            end = match.start() if match else self._hold(data, position, prefix)
            if self._step == 1 and end > position:
                found.append(CommandOutput(data[position:end], self._offset + end))
            if match is None:
                position = end
                break
            position = match.end()
            if self._step == 0:
                found.append(CommandBegan(self._offset + position))
            elif self._step == 1:
                cwd = match[3].decode("utf-8", "surrogateescape")
                found.append(CommandEnded(self._offset + end, int(match[1]), cwd, bool(match[2])))
            else:
                found.append(PromptReady(self._offset + end))
            self._step += 1
        else:
            position = len(data)
        self._held = data[position:]
        self._offset += position
        return found

    def skip(self, count: int) -> list[CommandOutput]:
        """So many bytes are missing here; answers what was held back, which is output now."""
        held = self.rest()
        found = [CommandOutput(held, self._offset)] if held else []
        self._offset += count
        return found

    def rest(self) -> bytes:
        """At the end of the console: bytes held back that no longer can become a mark."""
        held, self._held = self._held, b""
        self._offset += len(held)
        return held if self._step == 1 else b""

    def _hold(self, data: bytes, position: int, prefix: bytes) -> int:
        """Where what may become a mark begins at the end of `data`; else the end."""
        size = len(data)
        start = max(position, size - LONGEST_MARK)
        while (start := data.find(b"\x1b", start)) >= 0:
            if self._may_become(data[start : start + LONGEST_MARK], prefix):
                return start
            start += 1
        return size

    def _may_become(self, piece: bytes, prefix: bytes) -> bool:
        if not piece.startswith(prefix):
            return prefix.startswith(piece)
        if self._step != 1:
            return len(piece) == len(prefix)
        status, separator, rest = piece[len(prefix) :].partition(b";")
        if len(status) > 3 or (status and not status.isdigit()):
            return False
        rest = separator + rest
        if len(rest) <= len(self._tag):
            return self._tag.startswith(rest)
        follows = rest[len(self._tag) :]
        return (
            rest.startswith(self._tag)
            and (follows == b"!" or follows.startswith((b";", b"!;")))
            and b"\x07" not in follows
        )


class Newlines:
    """CR LF back to LF, however the bytes are cut: the inverse of the terminal's ONLCR."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What the program wrote; a CR at the very end waits for what follows it."""
        if self._held:
            data = self._held + data
        self._held = b"\r" if data.endswith(b"\r") else b""
        if self._held:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n")

    def rest(self) -> bytes:
        """A CR that nothing followed."""
        held, self._held = self._held, b""
        return held
