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
from dataclasses import dataclass

# A mark is at most this long: a status and a path (PATH_MAX is 4096 bytes).
LONGEST_MARK = 4096 + 128


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
