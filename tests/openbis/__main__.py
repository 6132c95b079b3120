"""Run the simulator until Ctrl-C: `python -m tests.openbis [folder] [--port N]`.

User ada, password secret. What lies in `folder`/seed becomes a data set, which is told.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

from tests.openbis.simulator import Simulator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api", default="3.7")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        simulator = Simulator(Path(temporary), port=options.port)
        simulator.knobs.api = options.api
        seed = (options.folder or Path(temporary)) / "seed"
        files = {
            path.relative_to(seed).as_posix(): path for path in seed.rglob("*") if path.is_file()
        }
        made = simulator.store.add(files or {"hello.txt": b"hello\n"}, sample="/LAB/PROJECT/S1")
        simulator.start()
        print(simulator.url, made.perm_id, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            simulator.stop()


if __name__ == "__main__":
    main()
