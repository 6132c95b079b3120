"""console: an interactive prompt on a kernel."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import Call, command
from jupyter_bridge.cli.commands.execute import ImagesOption, KernelOption
from jupyter_bridge.cli.kernel_choice import find_kernel_or_kernelspec
from jupyter_bridge.cli.prompts import Prompter
from jupyter_bridge.problems import Problem

if TYPE_CHECKING:
    from jupyter_bridge.cli.render import Renderer
    from jupyter_bridge.client import Bridge, KernelModel
    from jupyter_bridge.client.sync.bridge import SyncChannels

try:
    import readline
except ImportError:  # Windows has no readline
    readline = None  # type: ignore[assignment]

group = typer.Typer()

# A kernel that is busy or lacks is_complete_request does not answer within this time, seconds.
_ANSWER_SECONDS = 1.0
# Words that leave the prompt, in most languages.
_FAREWELLS = frozenset({"exit", "quit", "exit()", "quit()"})
_OPEN_ENDS = (":", "\\", "{", "(", "[", ",")


@command(group)
def console(
    call: Call,
    kernel: KernelOption = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not shut down the new kernel at the end.")
    ] = False,
    images: ImagesOption = None,
) -> int:
    """Open a prompt on a kernel: type code, see its output.

    A running kernel is left running; a new one is shut down at the end, except with --keep. Lines
    are collected until the code is complete; an empty line ends a block. Ctrl-C interrupts the code
    (twice: stops waiting for it), or discards the typed lines. Ctrl-D leaves.
    """
    from jupyter_bridge.cli.render import Renderer

    with call.connect() as bridge:
        place = find_kernel_or_kernelspec(bridge, kernel)
        own = isinstance(place, str)
        with_kernel = bridge.spawn(place) if isinstance(place, str) else place
        try:
            with bridge.channels(with_kernel) as channels:
                screen = Renderer(call, images, _out)
                return Repl(call, bridge, with_kernel, channels, screen).run()
        finally:
            if own and keep:
                call.note(
                    f"The kernel keeps running. Return with: "
                    f"jupyter bridge console -k {shlex.quote(with_kernel.id)}"
                )
            elif own:
                with suppress(Problem):  # it may have ended already
                    bridge.shutdown(with_kernel)


class Repl:
    """Reads cells and runs them on one kernel, until the end of input."""

    def __init__(
        self,
        call: Call,
        bridge: Bridge,
        kernel: KernelModel,
        channels: SyncChannels,
        screen: Renderer,
    ) -> None:
        self._call = call
        self._bridge = bridge
        self._kernel = kernel
        self._channels = channels
        self._screen = screen
        self._asker = Prompter(json=call.json)
        self._typed = sys.stdin.isatty()
        self._pastes = self._typed and _take_pastes_whole()
        self._count: int | None = None

    def run(self) -> int:
        """Run all cells; returns the exit code, in a pipe that of the last cell."""
        code = 0
        self._count = self._ask_count() if self._typed else None
        while True:
            cell = self._read_cell()
            if cell is None or cell.strip() in _FAREWELLS:
                return 0 if self._typed else code
            if cell.strip():
                code = self._run(cell)

    def _run(self, cell: str) -> int:
        from jupyter_bridge.cli.execute_view import ExecuteView

        with self._bridge.stream(self._kernel, cell) as stream:
            run = ExecuteView(self._call, stream, self._screen, self._asker)
            code = run.follow()
            if stream.result is not None and stream.result.execution_count is not None:
                self._count = stream.result.execution_count
        if run.stopped and not self._typed:
            raise KeyboardInterrupt
        return code

    def _ask_count(self) -> int | None:
        """Return the kernel's execution count; None if it is busy."""
        result = self._bridge.execute(
            self._kernel, "", silent=True, timeout=_ANSWER_SECONDS, on_timeout="leave"
        )
        return result.execution_count

    # -- reading -------------------------------------------------------------------------------

    def _read_cell(self) -> str | None:
        """Read a complete cell; None at the end of input."""
        number = " " if self._count is None else str(self._count + 1)
        first = f"In [{number}]: "
        lines: list[str] = []
        indent = ""
        while True:
            prompt = "...: ".rjust(len(first)) if lines else first
            try:
                lines.append(self._read_line(prompt, indent))
            except EOFError:
                if self._typed:
                    self._call.note("")
                return "\n".join(lines) if lines else None
            except KeyboardInterrupt:
                if not self._typed:
                    raise
                self._call.note("")
                lines, indent = [], ""
                continue
            if not lines[-1].strip():
                lines[-1] = ""
            status, indent = self._is_complete("\n".join(lines))
            if status != "incomplete":
                return "\n".join(lines)

    def _read_line(self, prompt: str, indent: str) -> str:
        if not self._typed:
            return output.ask("", quiet=True)
        if not self._pastes:
            return output.ask(prompt, quiet=self._call.json)
        readline.set_startup_hook(lambda: readline.insert_text(indent))
        try:
            return output.ask(prompt, quiet=self._call.json)
        finally:
            readline.set_startup_hook()

    def _is_complete(self, cell: str) -> tuple[str, str]:
        """Return the kernel's verdict (`complete`, `incomplete`, `invalid`), guessed if it gives
        none, and the indent of the next line."""
        if not cell.strip():
            return "complete", ""
        request_id = self._channels.send("is_complete_request", {"code": cell})
        while True:
            message = self._channels.receive(_ANSWER_SECONDS)
            if message is None:
                break
            if message.parent_id == request_id and message.channel == "shell":
                status = str(message.content.get("status", "unknown"))
                if status == "unknown":
                    break
                indent = str(message.content.get("indent", ""))
                # The indent is inserted as typed text, so it may only be white space.
                return status, indent if indent.strip(" \t") == "" else ""
        last = cell.rpartition("\n")[2]
        open_ended = last.rstrip().endswith(_OPEN_ENDS) or ("\n" in cell and last[:1] in " \t")
        return ("incomplete" if last and open_ended else "complete"), ""


def _take_pastes_whole() -> bool:
    """Make readline read pasted text as one line; returns whether it can.

    If not, lines get no indent: pasted ones have their own.
    """
    if readline is None or "libedit" in (readline.__doc__ or ""):
        return False
    readline.parse_and_bind("set enable-bracketed-paste on")
    return True


def _out(count: object) -> str:
    return f"Out[{count}]: " if count is not None and output.is_terminal() else ""
