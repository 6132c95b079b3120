"""Run the simulator until Ctrl-C: `python -m tests.simulators.openbis [folder] [options]`.

The user is ada, the password secret. The content of `folder`/seed becomes a data set. It prints the
URL and the data set's permId. With `--sftp` the data sets can be mounted by SFTP, and the port is
printed, too.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
from pathlib import Path

from tests.simulators.openbis.simulator import Simulator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api", default="3.7")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--sftp", action="store_true", help="serve the data sets by SFTP, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        simulator = Simulator(Path(temporary), port=options.port)
        simulator.knobs.api = options.api
        simulator.knobs.latency = options.latency
        seed = (options.folder or Path(temporary)) / "seed"
        files = {
            path.relative_to(seed).as_posix(): path for path in seed.rglob("*") if path.is_file()
        }
        made = simulator.store.add(files or {"hello.txt": b"hello\n"}, sample="/LAB/PROJECT/S1")
        simulator.start()
        try:
            if options.sftp:
                asyncio.run(_serve_sftp(simulator, made.perm_id))
            print(simulator.url, made.perm_id, flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            simulator.stop()


async def _serve_sftp(simulator: Simulator, perm_id: str) -> None:
    from tests.support.sshd import start_password_server  # asyncssh may not be installed

    server, _ = await start_password_server(simulator.store.folder / "store", "ada", "secret")
    print(simulator.url, perm_id, server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    main()
