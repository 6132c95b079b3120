"""Real gateways on loopback: a Kernel Gateway and an Enterprise Gateway.

Enterprise Gateway requires versions of jupyter_client and jupyter_server that are too old for the
host, so `python -m tests.support.gateways` installs it into an environment of its own, once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import START_TIME, Server, start_server
from tests.docs.pages import REPOSITORY, blocks

TOKEN = "gate"
# Enterprise Gateway refuses to run kernels as root.
KERNEL_USER = "tester"
ENTERPRISE = ("jupyter_enterprise_gateway>=3.3,<3.4", "ipykernel>=6.29,<7")
_HOME = REPOSITORY / ".cache" / "enterprise-gateway"


@dataclass
class Gateway:
    """A gateway process; `kind` is "kernel" or "enterprise"."""

    kind: str
    url: str
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str) -> bytes:
        """Send a request to the gateway itself, not to the server in front of it."""
        request = urllib.request.Request(
            f"{self.url}/{path}", method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())


def install_enterprise() -> Path:
    """Install Enterprise Gateway if it is missing, and return its `bin`; OSError on failure."""
    programs, stamp = _HOME / "bin", _HOME / "installed"
    _HOME.mkdir(parents=True, exist_ok=True)
    wanted = "\n".join((sys.version, *ENTERPRISE))
    with (_HOME.parent / "enterprise-gateway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be installing it
        if not stamp.exists() or stamp.read_text() != wanted:
            made = subprocess.run(
                [sys.executable, "-m", "venv", "--clear", _HOME], capture_output=True, check=False
            )
            if made.returncode == 0:
                pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", *ENTERPRISE]
                made = subprocess.run(pip, capture_output=True, check=False)
            if made.returncode != 0:
                raise OSError(f"Enterprise Gateway is not installed: {made.stderr.decode()[-500:]}")
            stamp.write_text(wanted)
    return programs


def configuration(kind: str) -> str:
    """Return the configuration that docs/operations.md recommends for this kind of gateway."""
    title = f"# jupyter_{kind}_gateway_config.py\n"
    (block,) = (block for block in blocks() if block.text.startswith(title))
    return block.text


@contextlib.contextmanager
def gateway(kind: str, folder: Path, *, configured: bool = True) -> Iterator[Gateway]:
    """Run a gateway of this kind with the token TOKEN; its kernels end with it.

    `configured` applies the documentation's configuration; otherwise its queues have default
    limits.
    """
    port = _free_port()
    config = folder / "gateway_config.py"
    config.write_text(configuration(kind) if configured else "")
    command = {
        "kernel": lambda: [
            *(sys.executable, "-m", "kernel_gateway", f"--KernelGatewayApp.port={port}"),
            *("--KernelGatewayApp.ip=127.0.0.1", "--KernelGatewayApp.port_retries=0"),
            "--JupyterWebsocketPersonality.list_kernels=1",
            # The bridge limits bytes; a gateway's limit of messages per second would lose messages.
            "--ZMQChannelsWebsocketConnection.limit_rate=False",
        ],
        "enterprise": lambda: [
            *(str(install_enterprise() / "jupyter-enterprisegateway"), f"--port={port}"),
            *("--ip=127.0.0.1", "--port_retries=0", "--EnterpriseGatewayApp.list_kernels=True"),
        ],
    }[kind]()
    command.append(f"--config={config}")
    env = {
        **os.environ,
        "JUPYTER_RUNTIME_DIR": str(folder),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "IPYTHONDIR": str(folder / "ipython"),
        "KG_AUTH_TOKEN": TOKEN,
        "EG_AUTH_TOKEN": TOKEN,
        "PYTHONWARNINGS": "ignore",
    }
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, cwd=folder)
    running = Gateway(kind, f"http://127.0.0.1:{port}", process)
    try:
        deadline = time.monotonic() + START_TIME
        while True:
            try:
                running.ask("GET", "api")
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_behind(
    folder: Path, url: str, *options: str, env: dict[str, str] | None = None
) -> Server:
    """Run a server whose kernels run behind the gateway at `url`."""
    return start_server(
        folder,
        f"--gateway-url={url}",
        f"--GatewayClient.auth_token={TOKEN}",
        *options,
        env={"KERNEL_USERNAME": KERNEL_USER},
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    print(install_enterprise())
