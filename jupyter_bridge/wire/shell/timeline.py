r"""The commands of a console, from the marks in its output: `prompt_state.py` and `marks.py`.

A command begins at the mark C, or in sh, which prints none, where the typed line ends; it ends at
the mark D. The marks of a run have a nonce; those of a shell that the bridge started have the key
of its terminal. Marks of another terminal, which a command printed, have another key. The marks of
other integrations have neither, and count only in a console without a key.

A program can print the same marks: what is found here is for people, and nothing is decided by it.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from jupyter_bridge.wire.shell import typed_line
from jupyter_bridge.wire.shell.typed_line import LINE_BYTES, TEXT_CHARACTERS

_INTRO = b"\x1b]133;"
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# A longer mark is none, bytes: some integrations put a whole command into it.
LONGEST_MARK = 64 * 1024
_MARK = re.compile(
    rb"\x1b\]133;([A-Z](?:;[^\x00-\x1f\x7f]{0,%d})?)(?:\x07|\x1b\\)"
    % (LONGEST_MARK - len(_INTRO) - 3)
)
_TAG = re.compile(rb";jb=([^;]*)")
_TEXT = re.compile(rb";cmdline(_url)?=")
_STATUS = re.compile(rb"D;([0-9]{1,3})(?![^;])")
# A longer path is none: PATH_MAX of Linux.
_LONGEST_PATH = 4096
# How much text is kept of all commands, characters: 1,000 of them have 50 to 100 each.
MAX_TEXT = 1 << 20
# A key is 16 hexadecimal digits, and a nonce 32.
_KEY_LENGTH = 16
# What a shell says of a line that Ctrl-C ended: 128 or (ksh) 256, and SIGINT.
_INTERRUPTED = (130, 258)


@dataclass
class ShellCommand:
    """One command: its output is from console offset `offset` to `end` (None: it still runs).

    `began` is the offset of the last byte before the output. `status` and `cwd`, the folder it
    began in, are None if unknown; so is `text`, of which the beginning is kept.
    """

    offset: int
    began: int
    text: str | None = None
    cwd: str | None = None
    end: int | None = None
    status: int | None = None
    nonce: bytes | None = None


@dataclass
class _Line:
    """What the terminal showed since the prompt's mark, up to the first newline."""

    data: bytes = b""
    prompt: int | None = None
    """How many of these bytes are the prompt, if the shell told."""
    ended: bool = False
    _read: tuple[int, int | None, str] | None = None

    def text(self) -> str:
        """Return what was typed, of which as much as is kept of a command."""
        size, prompt = len(self.data), self.prompt
        if self._read is None or self._read[:2] != (size, prompt):
            text = typed_line.typed(self.data, prompt)[:TEXT_CHARACTERS]
            self._read = size, prompt, text
        return self._read[2]


class Timeline:
    """Finds the commands in a console's bytes, wherever they are cut; keeps the newest `limit`.

    With `before`, only commands whose offset is lower. Time is linear in the bytes.
    """

    def __init__(self, offset: int, limit: int, before: int | None = None) -> None:
        self.commands: deque[ShellCommand] = deque(maxlen=limit)
        self.dropped = False
        """Whether there are older ones."""
        self._before = before
        self._offset = offset
        self._held = b""
        self._key: bytes | None = None
        self._cwd: str | None = None
        self._line: _Line | None = None
        self._open: ShellCommand | None = None
        # In sh: `_open` is only guessed from the newline after the prompt; the lines before it.
        self._guessed = False
        self._before_line = ""
        # How much text is kept, characters.
        self._size = 0
        # The line of `_open`, if its mark had no text; whether output, or a newline, followed.
        self._fallback: _Line | None = None
        self._spoke = self._newline = False
        # The text of the run that begins next, and its nonce.
        self._told: tuple[bytes, str] | None = None
        self._last_nonce: bytes | None = None

    @property
    def is_done(self) -> bool:
        """Whether more bytes change nothing."""
        return self._before is not None and self._open is None and self._offset >= self._before

    def feed(self, data: bytes) -> None:
        """Take note of these bytes, which follow the last ones."""
        if _goes_on(self._held, data):
            self._held += data
            return
        data = self._held + data
        position = 0
        for mark in _MARK.finditer(data):
            start, end = mark.span()
            if start > position:
                self._on_text(data, position, start)
            self._on_mark(mark[1], self._offset + start, self._offset + end)
            position = end
        held = _unfinished(data, position)
        self._on_text(data, position, held)
        self._held = data[held:]
        self._offset += held

    def skip(self, count: int) -> None:
        """Take note that so many bytes are missing."""
        self._offset += len(self._held) + count
        self._held = b""
        self._line = None
        if self._guessed:
            self._forget()

    def finish(self, end: int | None = None) -> None:
        """Add the command that still runs; it ended at offset `end` if its console has ended."""
        if self._open is not None and not (self._guessed and not self._is_command()):
            self._end(end, None)

    def _on_text(self, data: bytes, start: int, end: int) -> None:
        if start == end:
            return
        if self._open is not None:
            self._spoke = True
            self._newline = self._newline or data.find(b"\n", start, end) >= 0
        line = self._line
        if line is None or line.ended:
            return
        newline = data.find(b"\n", start, end)
        stop = end if newline < 0 else newline
        line.data += data[start : min(stop, start + LINE_BYTES - len(line.data))]
        line.ended = newline >= 0
        if line.ended and line.prompt is not None and self._key is not None:
            self._guess(newline)
            self._spoke = newline + 1 < end
            self._newline = data.find(b"\n", newline + 1, end) >= 0

    def _guess(self, newline: int) -> None:
        """Begin a command of sh after this newline, unless the line is not yet whole."""
        at = self._offset + newline
        self._open = ShellCommand(at + 1, at, cwd=self._cwd)
        self._guessed, self._fallback = True, self._line

    def _on_mark(self, body: bytes, start: int, end: int) -> None:
        letter = body[:1]
        found = _TAG.search(body)
        tag = None if found is None else found[1].rstrip(b"!")
        if tag is None:
            if self._key is None:
                self._on_shell(letter, body, start, end)
        elif len(tag) != _KEY_LENGTH:
            self._on_run(letter, tag, body, start, end)
        else:
            if self._key is None:
                self._key = tag
                runs = [one for one in self.commands if one.nonce is not None]
                self.commands = deque(runs, self.commands.maxlen)
                self._size = sum(map(_size_of, runs))
                if self._open is not None and self._open.nonce is None:
                    self._forget()
            if tag == self._key:
                self._on_shell(letter, body, start, end)

    def _on_shell(self, letter: bytes, body: bytes, start: int, end: int) -> None:
        if letter in b"AB":
            if self._open is not None and not self._guessed:
                self._end(start, None)
            self._forget()
            self._before_line = ""
            self._line = _Line(prompt=0 if letter == b"B" and self._key is None else None)
        elif letter == b"I" and self._line is not None:
            self._line.prompt = len(self._line.data)
        elif letter == b"P" and self._guessed and self._fallback is not None:
            text = f"{self._before_line}{self._fallback.text()}\n"
            self._before_line = text[:TEXT_CHARACTERS]
            self._forget()
            self._line = _Line()
        elif letter == b"C":
            if self._open is not None and not self._guessed:
                self._end(start, None)
            self._begin(ShellCommand(end, end - 1, _text_of(body), self._cwd))
        elif letter == b"E" and self._open is not None and self._open.nonce is None:
            self._open.text = _text_of(body)
            self._open.end = start
        elif letter == b"D":
            status, cwd = _status_of(body), _folder_of(body)
            if self._open is not None and self._open.nonce is None and self._is_command(status):
                self._end(start, status)
            elif self._guessed:
                self._forget()
            self._cwd = cwd or self._cwd

    def _on_run(self, letter: bytes, nonce: bytes, body: bytes, start: int, end: int) -> None:
        if letter == b"E":
            text = _text_of(body)
            self._told = (nonce, text) if text else None
        elif letter == b"C" and self._may_run(nonce):
            told, self._told = self._told, None
            line = self._text() if self._open is not None else self._line and self._line.text()
            text = told[1] if told and told[0] == nonce else typed_line.run_text(line or "")
            self._begin(ShellCommand(end, end - 1, text, self._cwd, nonce=nonce))
            self._fallback, self._last_nonce = None, nonce
        elif letter == b"D" and self._open is not None and self._open.nonce == nonce:
            self._end(start, _status_of(body))
            self._cwd = _folder_of(body) or self._cwd
        elif letter == b"D" and self._guessed and self._last_nonce == nonce:
            # The prompt of sh says the last run's marks again, before its own.
            assert self._open is not None
            self._open.end = start

    def _may_run(self, nonce: bytes) -> bool:
        """Tell whether a run may begin: not where a command shows the output of another one."""
        if self._open is None:
            return True
        if self._open.nonce is not None:
            return False
        if self._guessed and self._told is not None and self._told[0] == nonce:
            return True  # busybox wraps the line that it shows
        return not self._newline or typed_line.starts_run(self._text() or "")

    def _begin(self, command: ShellCommand) -> None:
        self._open, self._guessed = command, False
        self._spoke = self._newline = False
        self._fallback, self._line = self._line, None

    def _text(self) -> str | None:
        """The text of the open command, up to now."""
        assert self._open is not None
        if self._open.text is None and self._fallback is not None:
            return (self._before_line + self._fallback.text())[:TEXT_CHARACTERS]
        return self._open.text

    def _is_command(self, status: int | None = None) -> bool:
        """Tell whether what was guessed is a command: not an empty line, or one given up."""
        if not self._guessed:
            return True
        text = self._text() or ""
        given_up = not self._spoke and (text.endswith("^C") or status == _INTERRUPTED[1])
        return bool(text.strip()) and not (given_up and status in _INTERRUPTED)

    def _end(self, end: int | None, status: int | None) -> None:
        command = self._open
        assert command is not None
        text = self._text()
        command.text = text.strip()[:TEXT_CHARACTERS] or None if text else None
        command.end = end if command.end is None or end is None else command.end
        command.status = status
        if self._before is None or command.offset < self._before:
            self._keep(command)
        self._forget()

    def _keep(self, command: ShellCommand) -> None:
        self._size += _size_of(command)
        while self.commands and (
            self._size > MAX_TEXT or len(self.commands) == self.commands.maxlen
        ):
            self.dropped = True
            self._size -= _size_of(self.commands.popleft())
        self.commands.append(command)

    def _forget(self) -> None:
        self._open, self._guessed, self._fallback, self._line = None, False, None, None


def _goes_on(held: bytes, data: bytes) -> bool:
    """Tell whether an unfinished mark goes on over all of `data`, so that it need not be read."""
    is_mark = held.startswith(_INTRO) and not held.endswith(b"\x1b")
    return is_mark and len(held) + len(data) < LONGEST_MARK and _CONTROL.search(data) is None


def _unfinished(data: bytes, start: int) -> int:
    """Return where a mark begins that the end of `data` cuts; else its length."""
    at = data.rfind(_INTRO, start)
    if at >= 0 and len(data) - at < LONGEST_MARK:
        control = _CONTROL.search(data, at + len(_INTRO))
        if control is None or (control[0] == b"\x1b" and control.end() == len(data)):
            return at
    return len(data) - next(n for n in range(len(_INTRO) - 1, -1, -1) if data.endswith(_INTRO[:n]))


def _size_of(command: ShellCommand) -> int:
    return len(command.text or "") + len(command.cwd or "")


def _text_of(body: bytes) -> str | None:
    found = _TEXT.search(body)
    if found is None:
        return None
    if found[1]:
        return typed_line.decoded(body[found.end() :].partition(b";")[0])
    return typed_line.unquoted(body[found.end() :])  # it may have semicolons


def _status_of(body: bytes) -> int | None:
    found = _STATUS.match(body)
    return int(found[1]) if found else None


def _folder_of(body: bytes) -> str | None:
    found = _TAG.search(body)
    folder = body[found.end() + 1 :] if found is not None else b""
    return folder.decode("utf-8", "replace") if 0 < len(folder) <= _LONGEST_PATH else None
