"""What `pip install` brings, and what Jupyter makes of it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_wheel_enables_the_extension(tmp_path: Path) -> None:
    """The wheel carries the package, its type marker, and the configuration that enables it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=100,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    enabling = "etc/jupyter/jupyter_server_config.d/jupyter_bridge.json"
    assert any(name.endswith(f".data/data/{enabling}") for name in names)
    assert {"jupyter_bridge/__init__.py", "jupyter_bridge/py.typed"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_jupyter_validates_the_extension(tmp_path: Path) -> None:
    """`jupyter server extension list` says OK."""
    enabled = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "JUPYTER_CONFIG_PATH": str(_configured(tmp_path)),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    said = enabled.stdout + enabled.stderr
    line = next(line for line in said.splitlines() if "jupyter_bridge 0" in line)
    assert "OK" in line


def _configured(folder: Path) -> Path:
    """A configuration folder with the file that the wheel installs."""
    target = folder / "etc" / "jupyter_server_config.d" / "jupyter_bridge.json"
    target.parent.mkdir(parents=True)
    target.write_text((ROOT / "jupyter-config" / "jupyter_bridge.json").read_text())
    return folder / "etc"
