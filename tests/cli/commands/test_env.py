"""env, on a real server with a real kernel."""

from __future__ import annotations

import json

from jupyter_bridge.client import KernelModel
from tests.conftest import Server
from tests.support.terminal import call


def test_an_environment_is_shown(bridge_server: Server, kernel: KernelModel) -> None:
    """As requirements, or as JSON for programs."""
    done = call(bridge_server, "env", "show", kernel.id[:8])
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("ipykernel==") for line in done.stdout.splitlines())
    told = json.loads(call(bridge_server, "env", "show", kernel.id, "--json").stdout)
    assert (told["language"], told["saved"]) == ("python", [])


def test_an_environment_is_saved(bridge_server: Server, kernel: KernelModel) -> None:
    """Beside the notebook; the paths that were written are printed."""
    (bridge_server.root / "env").mkdir()
    done = call(bridge_server, "env", "save", kernel.id, "env/a.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["env/requirements.txt", "env/runtime.txt"]
    assert "ipykernel==" in (bridge_server.root / "env/requirements.txt").read_text()
    done = call(bridge_server, "env", "save", kernel.id, "absent/a.ipynb")
    assert done.returncode == 2
    assert "absent" in done.stderr
