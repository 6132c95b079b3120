"""Replay of a long coloured log: as text, searched, and without its colours, beside its raw bytes.

    python -m bench.replay [--quick] [--json FILE] [--markdown]

The console has ended, and its journal is on the disk. Every row is the best of three downloads over
HTTP, in turns. `sed` strips the same bytes from a file into a pipe.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

from bench.harness import MEGA, Row, Table, run_whole, serving
from jupyter_bridge.consoles.journal.journal import Journal
from tests.conftest import Server

SIZE = 60_000_000
TURNS = 3
LINE = (
    b"\x1b[32m2026-01-01 12:00:%02d\x1b[0m \x1b[1;34mINFO\x1b[0m some text of a log line that is "
    b"coloured \x1b[33mvalue\x1b[0m=\x1b[36m%d\x1b[0m\r\n"
)
QUERIES = {
    "raw": "format=raw",
    "plain": "",
    "until": f"until={quote('a text that never comes')}&follow=false",
    "pattern": f"until={quote('^no such (line|text)$')}&follow=false",
    "strip": "strip=ansi",
}
SED = ["sed", r"s/\x1b\[[0-9;]*m//g"]


def write_journal(folder: Path, size: int) -> bytes:
    """Create the ended console `log` in `folder`; return what it said."""
    about = {"name": "log", "kind": "terminal", "title": "", "epoch": "e", "started": "2026-01-01"}
    path = folder / "log~e"
    path.mkdir(parents=True)
    journal = Journal(path, "e", max_bytes=1 << 40)
    block = b"".join(LINE % (number % 60, number) for number in range(10_000))
    said = block * (size // len(block) + 1)
    for start in range(0, len(said), len(block)):
        journal.append(said[start : start + len(block)])
        journal.write_pending()
    journal.close()
    (path / "meta.json").write_text(json.dumps({**about, "ended": "2026-01-02"}))
    return said


def seconds_of(server: Server, query: str) -> tuple[float, int]:
    """Download the whole console; return the seconds, and the bytes that came."""
    where = urlsplit(server.url)
    assert where.hostname is not None
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=600)
    begin, size = time.perf_counter(), 0
    connection.request("GET", f"/bridge/tail/log?offset=0&{query}", headers=server.headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    while part := answer.read(1 << 20):
        size += len(part)
    connection.close()
    return time.perf_counter() - begin, size


def seconds_of_sed(said: bytes) -> tuple[float, int]:
    """Strip the same bytes with sed; return the seconds, and the bytes that came."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(said)
        file.flush()
        begin, size = time.perf_counter(), 0
        with subprocess.Popen(
            [*SED, file.name], stdout=subprocess.PIPE, env={"LC_ALL": "C"}
        ) as sed:
            assert sed.stdout is not None
            while part := sed.stdout.read(1 << 20):
                size += len(part)
        return time.perf_counter() - begin, size


def measure(*, quick: bool) -> Table:
    """Measure the rows."""
    table = Table("replay", head=["what", "beside it", "the bridge", "ratio", "goal", ""])
    with tempfile.TemporaryDirectory() as folder:
        said = write_journal(Path(folder), SIZE // 10 if quick else SIZE)
        with serving(f"--BridgeApp.console_dir={folder}") as server:
            took: dict[str, list[tuple[float, int]]] = {}
            for _ in range(TURNS):
                for name, query in QUERIES.items():
                    took.setdefault(name, []).append(seconds_of(server, query))
                took.setdefault("sed", []).append(seconds_of_sed(said))
    best = {name: min(found) for name, found in took.items()}
    stripped = best["sed"][1]
    rows = {
        "plain": ("as text, beside `format=raw`", "raw", 2.0, len(said)),
        "until": ("`until=` a text, beside `format=raw`", "raw", 2.0, len(said)),
        "pattern": ("`until=` a pattern, beside `format=raw`", "raw", 2.0, len(said)),
        "strip": ("`strip=ansi`, beside `format=raw`", "raw", 2.0, stripped),
        "sed": ("`strip=ansi`, beside `sed`", "sed", 1.0, stripped),
    }
    for name, (what, beside, times, size) in rows.items():
        mine, other = best["strip" if name == "sed" else name], best[beside]
        table.add(
            Row(
                what=f"{len(said) / MEGA:.0f} MB coloured log {what}",
                unit="s",
                today=other[0],
                bridge=mine[0],
                goal=round(times * other[0], 3),
                complete=mine[1] == size,
            )
        )
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure, print and save; return 1 if a goal was missed."""
    return run_whole(measure, argv, prog="bench.replay", about=__doc__, quick="a tenth of the size")


if __name__ == "__main__":
    raise SystemExit(main())
