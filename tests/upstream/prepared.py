"""The suites of exactly the installed versions, and an environment of their own to run them in.

They are in the sdists alone, and need things that are no business of this environment. Only the
tests are unpacked: what they import is what a wheel installs.
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
    """Where a package's tests are, with the settings that they are run with."""
    return HOME / f"{package}-{version(package)}"


def is_prepared() -> bool:
    """Whether everything is there, for the versions that are installed now."""
    return _STAMP.exists() and _STAMP.read_text() == _wanted()


def prepare() -> Path:
    """Fetch and install what is not there yet, and name the folder; else OSError."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME.parent / "upstream.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be at it
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
    # Of `package-version/tests/…` and `package-version/pyproject.toml`, the second part.
    return member.name.split("/")[1:2] in (["tests"], ["pyproject.toml"])


def _install() -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(HOME / "venv"))
    pip = (str(PROGRAMS / "python"), "-m", "pip", "install", "--quiet")
    suites = (_pinned(package, "[test]") for package in PACKAGES)
    _run(*pip, "--editable", str(CHECKOUT), *suites, env={"JUPYTER_BRIDGE_SKIP_LABEXT": "1"})
    # Each run enables the bridge itself, or does not; some build tools' editable installs do, too.
    enabled = HOME / "venv/etc/jupyter/jupyter_server_config.d/jupyter_bridge.json"
    enabled.unlink(missing_ok=True)


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise OSError(f"the suites are not prepared: {done.stderr.decode()[-500:]}")
