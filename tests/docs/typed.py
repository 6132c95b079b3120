"""Shell commands as a reader types them: one after the other into one shell, each one's answer."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# What no command says: behind it stands the exit status of the one that has ended.
_END = "[3b0c9a51 ended]"
# How long one block may take, seconds; the machine may be loaded.
PATIENCE = 200.0


class Said(NamedTuple):
    """One command, what it wrote (stdout and stderr), its exit status."""

    command: str
    text: str
    status: int


def commands(text: str) -> list[str]:
    """The commands of a block; a line that ends with a backslash goes on. No comments."""
    lines = text.replace("\\\n", "").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def typed(lines: Sequence[str], env: Mapping[str, str], cwd: Path) -> list[Said]:
    """Type the lines into bash. What a line sets is there for the next; $LAST has what one said."""
    script = [f'LAST="{cwd}/.last"; : > "$LAST"']
    for line in lines:
        # A group, and no subshell: its variables stay.
        script += [f'{{ {line}\n}} > "$LAST.new" 2>&1', 'S=$?; cat "$LAST.new"']
        script += ['mv "$LAST.new" "$LAST"', f'printf "%s%3d" "{_END}" "$S"']
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=True,
    )
    first, *others = done.stdout.decode(errors="replace").split(_END)
    assert len(others) == len(lines), done.stdout
    # Behind each end three digits, and then what the next one says.
    texts = [first, *(other[3:] for other in others)]
    return [
        Said(line, text, int(other[:3]))
        for line, text, other in zip(lines, texts, others, strict=False)
    ]
