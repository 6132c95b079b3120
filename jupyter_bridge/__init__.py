"""HTTP and websocket access to the kernels, consoles and connections of a Jupyter server.

Only the hooks that Jupyter looks for live here. The extension itself is imported inside them, so
that `jupyter_bridge.client` can be used where no Jupyter server is installed.
"""

from __future__ import annotations

from typing import Any

from jupyter_bridge.version import __version__ as __version__


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell jupyter_server which application to load."""
    from jupyter_bridge.app import BridgeApp

    return [{"module": "jupyter_bridge", "app": BridgeApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the panel's assets are."""
    return [{"src": "labextension", "dest": "jupyter-bridge"}]
