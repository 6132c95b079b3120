"""The suites of the installed versions, and an environment of their own to run them in.

The suites are only in the sdists, and need packages that this environment does not have. Only the
tests are unpacked: they import the packages that wheels installed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("jupyter_server", "jupyter_server_terminals")
CHECKOUT = Path(__file__).parents[2]
HOME = CHECKOUT / ".cache" / "upstream"
PROGRAMS = HOME / "venv" / "bin"
_STAMP = HOME / "prepared"


def folder_of(package: str) -> Path:
    """Return the folder with a package's tests and their settings."""
    return HOME / f"{package}-{version(package)}"


def is_prepared() -> bool:
    """Tell whether everything is installed, for the current versions."""
    return _STAMP.exists() and _STAMP.read_text() == _wanted()


def prepare() -> Path:
    """Download and install what is missing, and return the folder; OSError on failure."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME.parent / "upstream.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be installing it
        if not is_prepared():
            _STAMP.unlink(missing_ok=True)
            for package in PACKAGES:
                _fetch(package)
            _install()
            _STAMP.write_text(_wanted())
    return HOME


def _wanted() -> str:
    settings = (CHECKOUT / "pyproject.toml").read_text()
    return "\n".join((sys.version, *map(_pinned, PACKAGES), str(CHECKOUT), settings))


def _pinned(package: str, extras: str = "") -> str:
    return f"{package}{extras}=={version(package)}"


def _fetch(package: str) -> None:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package)
    with tempfile.TemporaryDirectory() as folder:
        _run(*pip, "--dest", folder, _pinned(package))
        (sdist,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(HOME, members=filter(_is_of_the_tests, archive), filter="data")


def _is_of_the_tests(member: tarfile.TarInfo) -> bool:
    # Members are `package-version/tests/…` and `package-version/pyproject.toml`.
    return member.name.split("/")[1:2] in (["tests"], ["pyproject.toml"])


def _install() -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(HOME / "venv"))
    pip = (str(PROGRAMS / "python"), "-m", "pip", "install", "--quiet")
    suites = (_pinned(package, "[test]") for package in PACKAGES)
    _run(*pip, "--editable", str(CHECKOUT), *suites, env={"JUPYTER_BRIDGE_SKIP_LABEXT": "1"})
    # Each run decides whether the bridge is enabled; some editable installs would enable it.
    enabled = HOME / "venv/etc/jupyter/jupyter_server_config.d/jupyter_bridge.json"
    enabled.unlink(missing_ok=True)


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise OSError(f"the suites are not prepared: {done.stderr.decode()[-500:]}")
