"""`jupyter bridge …`: typer commands, each a client call and a print.

`call.py` is what every command shares, `app.py` lists the groups; a group is one file of commands.

Exit codes: 0 it worked; 1 the code failed; 2 a Problem, or a wrong use of the command; 124 the
code did not end within `--timeout`; 130 Ctrl-C (128 + the signal); 141 the reader of a pipe left.
"""

from __future__ import annotations


def main() -> None:
    """The script `jupyter-bridge`."""
    import traceback

    from jupyter_bridge.cli import output
    from jupyter_bridge.cli.app import app

    try:
        app(prog_name="jupyter bridge")
    except Exception:  # a fault of our own; what it quotes may be a stranger's
        output.lines(traceback.format_exc().rstrip(), err=True)
        raise SystemExit(1) from None
