"""Windows of tmux with the command, as real terminal emulators."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Server
from tests.support.terminal import COMMAND, environment
from tests.support.waiting import PATIENCE, wait_until


class Tmux:
    """A tmux server of its own; it ends with all its windows."""

    def __init__(self, folder: Path) -> None:
        self._call = ["tmux", "-S", str(folder / "tmux"), "-f", os.devnull]
        self._windows = 0

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *error: object) -> None:
        subprocess.run([*self._call, "kill-server"], capture_output=True, check=False)

    def open(
        self, server: Server, *arguments: str, url: str | None = None, rows: int = 24
    ) -> Window:
        """Open a window of 80 columns with this command; it stays open after the command ends."""
        self._windows += 1
        name = f"w{self._windows}"
        env = environment(server, TERM="tmux-256color")
        env["JUPYTER_BRIDGE_URL"] = url or server.url
        env.pop("TMUX", None)
        script = f"{shlex.join([*COMMAND, *arguments])}; echo; echo exited $?; exec cat"
        size = ["-x", "80", "-y", str(rows)]
        self.ask("new-session", "-d", "-s", name, *size, "/bin/sh", "-c", script, env=env)
        return Window(self, name)

    def ask(self, *words: str, env: dict[str, str] | None = None) -> str:
        """Run a command of tmux and return its output. `-e` sets a session's environment."""
        if env is not None:
            pairs = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
            at = words.index("/bin/sh")
            words = (*words[:at], *pairs, *words[at:])
        done = subprocess.run(
            [*self._call, *words], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        return done.stdout


class Window:
    """One window: read its screen, type into it, resize it."""

    def __init__(self, tmux: Tmux, name: str) -> None:
        self._tmux = tmux
        self._name = name

    def screen(self) -> str:
        """Return the screen, with colours."""
        return self._tmux.ask("capture-pane", "-p", "-e", "-t", self._name)

    def text(self) -> str:
        """Return the screen's text."""
        return self._tmux.ask("capture-pane", "-p", "-t", self._name)

    def type(self, text: str) -> None:
        """Press these keys; a newline is Enter."""
        for number, line in enumerate(text.split("\n")):
            if number:
                self.press("Enter")
            if line:
                self._tmux.ask("send-keys", "-t", self._name, "-l", "--", line)

    def press(self, key: str) -> None:
        """Press a key by tmux's name for it."""
        self._tmux.ask("send-keys", "-t", self._name, key)

    def resize(self, rows: int, cols: int) -> None:
        """Resize the window."""
        self._tmux.ask("resize-window", "-t", self._name, "-x", str(cols), "-y", str(rows))

    @property
    def other_screen(self) -> bool:
        """Tell whether a full-screen program uses the alternate screen."""
        shown = self._tmux.ask("display-message", "-p", "-t", self._name, "#{alternate_on}")
        return shown.strip() == "1"

    def shows(self, *texts: str) -> str:
        """Wait until all these texts are on the screen; returns the screen."""
        return self.until(lambda: all(text in self.text() for text in texts), str(texts))

    def until(self, condition: Callable[[], bool], what: str) -> str:
        """Wait for a condition; answers the screen then."""
        wait_until(condition, lambda: f"{what}, with the screen\n{self.text()}\n")
        return self.screen()
