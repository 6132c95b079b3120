"""Random shell commands, with `subprocess` as the oracle for their output and exit status.

Before some of them somebody types at the prompt, and does not enter it.
"""

from __future__ import annotations

import asyncio
import base64
import random
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.run.store import RunStore
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.models.runs import RunBody, RunModel

_WORDS = ["", "a", "two words", "é€𝄞", "日本", "!", "!!", "$x", "~", "*", "\\", "'", '"', "`", "#"]
_MARKS = [
    r"\033]133;D;0\007",
    r"\033]133;D;0;jb=x;/\007",
    r"\033]133;C;jb=00000000000000000000000000000000\007",
    r"\033]133;",
    r"\033]133;A;jb=\007",
    r"\033[?2004h$ ",
]
# What somebody may have typed: text, a cursor moved, an open quote, half a key, a line of the
# history. What is in it must never be run.
VICTIM = "VICTIM"
_TYPED = [
    *(b"touch VICTIM", b"touch VICTIM\x02\x02\x02", b"touch VICTIM #", b"touch VICTIM\x1b"),
    *(b"touch VICTIM; '", b'touch VICTIM; "', b"touch VICTIM; $(", b"touch VICTIM\\", b"\x16"),
    *(b"touch VICTIM \t", b"touch VICTIM &", "touch VICTIM \u00e9\u6f22".encode(), b" ", b"!!"),
]
# For line editors alone: without one, these are characters of the line.
_KEYS = [
    *(b"touch VICTIM\x01", b"touch VICTIM\x1b0", b"touch VICTIM\x1b0dw", b"touch VICTIM\x1b[D"),
    *(b"touch VICTIM\x12true", b"\x1b[A", b"\x1b[A\x1b[A", b"touch VICTIM\x1b[", b"\x1b3"),
]
EDITORS = {"bash": "set -o vi", "zsh": "bindkey -v"}  # and what sets the keys of vi
# How a shell is called that is not a program of its own, and where `$?` is not 128 + the signal.
PROGRAMS = {"busybox": ["busybox", "sh"]}
INTERRUPTED = {"ksh": 258}


@dataclass(frozen=True)
class Case:
    """One command, how it is run, and which results can be compared."""

    shell: str
    command: str
    split: bool
    stdin: str | None
    # A shell reports a syntax error in other words if it reads a file.
    output: bool = True
    cancel: bool = False
    typed: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """The results of a case: all output in order, or the two streams."""

    status: int | None
    output: bytes
    error: bytes = b""


def cases(seed: int, count: int, shells: tuple[str, ...] = ("bash",)) -> list[Case]:
    """Generate cases; the same seed gives the same cases."""
    chance = random.Random(seed)
    return [_typed(chance, _case(chance, shells[n % len(shells)])) for n in range(count)]


def _typed(chance: random.Random, case: Case) -> Case:
    """Let somebody type before one case of three."""
    keys = _TYPED + _KEYS * (case.shell in EDITORS)
    return replace(case, typed=chance.choice(keys)) if chance.random() < 0.3 else case


def _case(chance: random.Random, shell: str) -> Case:
    split = chance.random() < 0.3
    stdin = "".join(chance.choices(_WORDS, k=5)) + "\n" if split and chance.random() < 0.5 else None
    kind = chance.random()
    if kind < 0.02 and shell != "zsh":
        broken = chance.choice(["echo )", "if true", "echo 'open", "a=(", "done", "echo a; }"])
        return Case(shell, broken, False, None, output=False)
    if kind < 0.04:
        word = chance.randrange(10000)
        return Case(shell, f"echo {word}; sleep 100; echo no", False, None, cancel=True)
    pieces = [_piece(chance, shell) for _ in range(chance.randint(1, 6))]
    if kind < 0.08:
        pieces.append(f"exit {chance.randrange(256)}")
    if split:
        pieces.append("cat")
    if chance.random() < 0.5:
        pieces.append(f"(exit {chance.randrange(256)})")
    tail = chance.choice(["", "\n", "  ", " # the end", "\n\n"])
    return Case(shell, chance.choice(["\n", "; "]).join(pieces) + tail, split, stdin)


def _piece(chance: random.Random, shell: str) -> str:
    """Generate a command of one line that may be followed by `;`."""
    quoted = " ".join(_quoted(chance.choice(_WORDS)) for _ in range(chance.randint(0, 4)))
    octal = "".join(f"\\{chance.randrange(256):03o}" for _ in range(chance.randint(1, 40)))
    number = chance.randrange(256)
    pieces = [
        f"printf '%s|' {quoted}",
        f"printf '{octal}'",
        f"printf '{octal}' >&2",
        f"printf 'a\\r\\n\\r\\r\\nb{chance.choice(_MARKS)}c\\r'",
        f"printf '{chance.choice(_MARKS)}'",
        f"seq {chance.randint(1, 300)}",
        f'x={_quoted(chance.choice(_WORDS))}; printf \'%s\\n\' "$x" "${{x:-none}}"',
        "for i in 1 2 3; do\n  printf '%s-' $i\ndone",
        f"f() {{ printf '<%s>' \"$@\"; return {number}; }}; f {quoted}",
        f"if (exit {number}); then echo yes; else echo no $?; fi",
        f"sh -c 'exit {number}'",
        f"echo err{number} >&2",
        "(cd /; pwd; cd /usr && pwd)",
        "printf 'b\\na\\n' | sort | tr -d '\\n'",
        f"echo $(( {number} * 3 )) `echo nested` $(printf '%s' \"$(echo deep)\")",
        f"case {number} in *1*) echo one ;; *) printf other ;; esac",
        "cat </dev/null",
        "sh -c 'sh -c \"kill -9 \\$\\$\"; exit $?' 2>/dev/null",
        f"i=0; while [ $i -lt {chance.randint(0, 9)} ]; do i=$((i+1)); printf $i; done",
        "true",
        "false",
        "! true",
        ": comment-like '# no comment'",
        f"cat <<'END {number}'\n{chance.choice(_WORDS)}$x `no`\n\tétab\\\nEND {number}\n:",
        f"cat <<END\nn={number} $((1+1))\n{'long ' * chance.randint(0, 300)}\nEND\n:",
    ]
    if shell == "bash":
        pieces += [
            "a=(1 'two 2' é); printf '%s,' \"${a[@]}\" \"${#a[@]}\"",
            "printf '%q\\n' $'\\x01\\e]133;D;0\\a'",
            'cat <<<"here $((6*7))"',
            "shopt -q nullglob; echo $?; [[ abc == a* ]] && echo match",
            "diff <(echo a) <(echo a) && echo same",
            "echo {1..5}{a,b}",
        ]
    return chance.choice(pieces)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def expected(case: Case) -> Outcome:
    """Run the case with `subprocess`, and return its results."""
    if case.cancel:
        return Outcome(
            INTERRUPTED.get(case.shell, 130),
            case.command.split(";")[0].removeprefix("echo ").encode() + b"\n",
        )
    done = subprocess.run(
        [*PROGRAMS.get(case.shell, [case.shell]), "-c", case.command],
        input=(case.stdin or "").encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if case.split else subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Outcome(status, done.stdout if case.output else b"", done.stderr or b"")


def _bytes(answer: RunModel, stream: str) -> bytes:
    exact = getattr(answer, f"{stream}_base64")
    return base64.b64decode(exact) if exact else getattr(answer, stream).encode()


class Fuzz:
    """Runs cases in one long-lived shell each; a shell that a case has ended is replaced.

    The shells start in `folder`, where what was typed would leave a file.
    """

    def __init__(self, consoles: ConsoleRegistry, runs: RunStore, folder: Path) -> None:
        self._consoles = consoles
        self._runs = runs
        self._folder = folder
        self._victim = folder / VICTIM
        self._opened = 0
        self._names: dict[str, str] = {}

    async def check(self, case: Case) -> str | None:
        """Run a case; return None if its results equal those of `subprocess`, else a report."""
        answer, found = await self._run(case)
        if answer.status == "session-closed":
            del self._names[case.shell]
        wanted = await asyncio.to_thread(expected, case)
        # After an interrupt bash and zsh print a newline of their own before the prompt.
        if case.cancel and found.output.rstrip(b"\n") == wanted.output.rstrip(b"\n"):
            found = Outcome(found.status, wanted.output)
        if await asyncio.to_thread(self._victim.exists):
            self._victim.unlink()
            return f"{case}\n  what was typed was run"
        if found == wanted:
            return None
        return f"{case}\n  found  {found}\n  wanted {wanted}\n  answer {answer}"

    async def _set_keys(self, shell: str, console: str) -> None:
        """Set vi's keys in every other shell that has an editor."""
        self._opened += 1
        if shell in EDITORS and self._opened % 2 == 0:
            body = RunBody(EDITORS[shell], console=console, queue=True)
            run = await self._runs.start("fuzz", body)
            await asyncio.wait_for(run.answered.wait(), 60)

    async def _run(self, case: Case) -> tuple[RunModel, Outcome]:
        console = self._names.get(case.shell)
        if console is None:
            flags = {"bash": ["--norc"], "zsh": ["-f"]}.get(case.shell, [])
            program = PROGRAMS.get(case.shell, [case.shell])
            made = await self._consoles.create(
                TerminalOptions(
                    shell_command=[*program, *flags, "-i"],
                    env={"HISTCONTROL": "ignorespace"},
                    cwd=str(self._folder),
                )
            )
            console = self._names[case.shell] = made.name
            await self._set_keys(case.shell, console)
        if case.typed:
            await self._consoles.get(console).write(case.typed)
        mode: Any = "split" if case.split else "tty"
        body = RunBody(case.command, console=console, output=mode, stdin=case.stdin, queue=True)
        run = await self._runs.start("fuzz", body)
        if case.cancel:
            async for _ in run.events():
                break
            run.cancel()
        await asyncio.wait_for(run.answered.wait(), 60)
        answer = run.model()
        if case.split:
            streams = _bytes(answer, "stdout"), _bytes(answer, "stderr")
        else:
            streams = _bytes(answer, "output") if case.output else b"", b""
        return answer, Outcome(answer.exit_code, *streams)
