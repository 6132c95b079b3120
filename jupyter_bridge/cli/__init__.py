"""`jupyter bridge …`: typer commands, each a client call and a print.

`call.py` has the part that all commands share, `app.py` lists the groups; a group is one file of
commands.

Exit codes: 0 success; 1 the code failed; 2 a Problem, or a usage error; 124 `--timeout` expired;
130 Ctrl-C (128 + the signal); 141 the reader of a pipe left. `run` has its command's, and 125 for
its own failures.
"""

from __future__ import annotations


def main() -> None:
    """Run the script `jupyter-bridge`."""
    import traceback

    from jupyter_bridge.cli import output
    from jupyter_bridge.cli.app import app

    try:
        app(prog_name="jupyter bridge")
    except Exception:  # a bug; its message may quote remote text, which `lines` escapes
        output.lines(traceback.format_exc().rstrip(), err=True)
        raise SystemExit(1) from None
