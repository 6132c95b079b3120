r"""OSC 133 marks: where a command's output begins and ends, and its exit status.

The command itself is not typed. Its text is in a file, a small script (the wrapper) sources that
file between two marks, and one short line that sources the wrapper is typed:

    ESC ] 133 ; E ; jb=<nonce> ; cmdline_url=<text> BEL  the beginning of the command, for people
    ESC ] 133 ; C ; jb=<nonce> BEL                       output begins after this mark
    ESC ] 133 ; D ; <status> ; jb=<nonce> ; <cwd> BEL    output ended before this mark
    ESC ] 133 ; A ; jb=<nonce> BEL                       the shell is about to show its prompt

They are the marks of FinalTerm, iTerm2, VS Code and fish, with a nonce: a program that prints such
marks does not know it, and its marks remain in the output. The bytes before C (prompt, echo of the
typed line, escapes of the line editor) and after D (the prompt) are not output.

The wrapper prints D when the command returns. If the shell abandons the wrapper (Ctrl-C, a syntax
error in dash, `${x?}`), the prompt hook prints D: PROMPT_COMMAND in bash, precmd in zsh,
fish_postexec in fish (also called at `exit`: that nonce ends in `!`, and counts only if A follows),
PS1 in sh. The first D counts. Marks are written to /dev/tty, so that `exec >file` hides none. The
wrapper installs the hook if it is missing: a shell opened by another program, a nested one, or one
after `exec bash` needs no preparation.

`$?` is restored before the command, so that it sees the status of the previous one.
The terminal turns LF into CR LF (ONLCR); `Newlines` is the exact inverse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The longest mark, bytes: a status and a path (PATH_MAX is 4096 bytes).
LONGEST_MARK = 4096 + 128


@dataclass(frozen=True)
class CommandOutput:
    """Bytes of the command as the terminal passed them on, up to console offset `end`."""

    data: bytes
    end: int


@dataclass(frozen=True)
class CommandBegan:
    """C: output begins at this console offset."""

    offset: int


@dataclass(frozen=True)
class CommandEnded:
    """D: output ended at this console offset; `cwd` is empty if it has control characters.

    `leaving`: the shell may be about to exit, unless Ready follows.
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
    """Finds one run's marks and output in a console's bytes, wherever they are cut.

    Marks come once and in order: Began, Output…, Ended, Ready. All else is ignored before Began and
    after Ended, and output between them. Holds back at most `LONGEST_MARK` bytes.
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
        """Return the marks and output in these bytes, which follow the last ones."""
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
        """Skip so many missing bytes; return the held-back bytes, which are output now."""
        held = self.rest()
        found = [CommandOutput(held, self._offset)] if held else []
        self._offset += count
        return found

    def rest(self) -> bytes:
        """At the end of the console, return the held-back bytes, which are no mark."""
        held, self._held = self._held, b""
        self._offset += len(held)
        return held if self._step == 1 else b""

    def _hold(self, data: bytes, position: int, prefix: bytes) -> int:
        """Return where an unfinished mark begins at the end of `data`; else its length."""
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
    """Turns CR LF back into LF, wherever the bytes are cut: the inverse of ONLCR."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what the program wrote; a CR at the end is held back."""
        if self._held:
            data = self._held + data
        self._held = b"\r" if data.endswith(b"\r") else b""
        if self._held:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n")

    def rest(self) -> bytes:
        """Return the held-back CR, at the end of the stream."""
        held, self._held = self._held, b""
        return held
