"""Find the server's url and token, from the arguments or the process's environment.

The first of these sources that names a server decides:

1. the arguments: a base url (`http://h:8888/user/x/`), one ending in `/bridge`, or the address a
   browser shows (`http://h:8888/lab?token=…`);
2. `JUPYTER_BRIDGE_URL` and `JUPYTER_BRIDGE_TOKEN`;
3. in a JupyterHub user server: `JUPYTERHUB_SERVICE_URL`, `JUPYTERHUB_SERVICE_PREFIX` and
   `JUPYTERHUB_API_TOKEN`;
4. in a Jupyter terminal: `JUPYTER_SERVER_URL`. Its token is `JUPYTER_TOKEN`, or that of the
   server's own file in the runtime directory;
5. the servers of this user that run on this machine (`jpserver-*.json` in the runtime directory).
   Inside a kernel, the server that started it; otherwise the newest first.

A token that the caller did not give is only sent to the server it belongs to:
`JUPYTER_BRIDGE_TOKEN` to `JUPYTER_BRIDGE_URL` if that is set, a file's token to that file's server.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
from jupyter_core.paths import jupyter_runtime_dir

from jupyter_bridge.private_files import read_json
from jupyter_bridge.problems import BadRequest, NotFound
from jupyter_bridge.transport.server import PORTS, Server, port_of

# The largest jpserver-*.json; a server writes some 500 bytes.
_MAX_INFO = 64 << 10
_SCHEMES = ("http", "https", "http+unix")
# Path ends that users copy along from a browser or from the documentation.
_TAILS = ("bridge", "lab", "tree")
# Replacements for a server that listens on every address, which the hub spells "".
_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def find(
    url: str | None = None,
    token: str | None = None,
    environ: Mapping[str, str] | None = None,
    runtime_dir: str | Path | None = None,
) -> list[Server]:
    """Return the candidate servers, best first; several only if several run on this machine.

    Raises BadRequest if an address is malformed, NotFound if no source names a server.
    """
    env = os.environ if environ is None else environ
    here = list(running(runtime_dir))
    found = (
        _from_arguments(url, env, here)
        or _from_variables(env, here)
        or _from_hub(env, here)
        or _from_terminal(env, here)
        or _from_files(env, here)
    )
    if not found:
        raise NotFound(
            "No Jupyter server given, and none runs on this machine. Give its url, set "
            "JUPYTER_BRIDGE_URL and JUPYTER_BRIDGE_TOKEN, or start a server with `jupyter lab`."
        )
    return [replace(server, token=token) for server in found] if token else found


def parse_url(url: str, source: str = "the arguments") -> Server:
    """Parse a url as users write or copy it; its `?token=` becomes the token."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadRequest(f"The url from {source} has a malformed host or port.") from None
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise BadRequest(
            f"The url from {source} must be like http://127.0.0.1:8888/ (http, https, http+unix)."
        )
    if parts.scheme == "http+unix":
        netloc = parts.netloc
    elif parts.username or parts.password:
        raise BadRequest(
            f"The url from {source} contains a user name or password. Give a token instead."
        )
    else:
        host = _WILDCARDS.get(host or "", host or "")
        name = f"[{host}]" if ":" in host else host
        netloc = f"{name}:{port}" if port else name
    token = parse_qs(parts.query).get("token", [""])[0]
    return Server(f"{parts.scheme}://{netloc}{_base_path(parts.path)}", token, source)


def running(runtime_dir: str | Path | None = None) -> Iterator[Server]:
    """Iterate this user's running servers on this machine, the newest first."""
    folder = Path(runtime_dir or jupyter_runtime_dir())
    for file in sorted(folder.glob("jpserver-*.json"), key=_written, reverse=True):
        try:
            info = read_json(file, _Info, _MAX_INFO)
            server = parse_url(info.url, str(file))
        except (OSError, BadRequest):
            continue  # incomplete, removed meanwhile, or another program's
        if _is_alive(info.pid):
            yield replace(server, token=info.token, pid=info.pid)


class _Info(msgspec.Struct):
    """The fields read from a `jpserver-*.json`."""

    url: str
    pid: int
    token: str = ""


def _from_arguments(url: str | None, env: Mapping[str, str], here: list[Server]) -> list[Server]:
    if not url:
        return []
    server = parse_url(url)
    if server.token:
        return [server]
    named = env.get("JUPYTER_BRIDGE_URL")
    mine = env.get("JUPYTER_BRIDGE_TOKEN", "")
    if named:
        other = parse_url(named, "JUPYTER_BRIDGE_URL")
        mine = (mine or other.token) if other.is_at(server) else ""
    return [replace(server, token=mine or _known_token(server, here))]


def _from_variables(env: Mapping[str, str], here: list[Server]) -> list[Server]:
    url, token = env.get("JUPYTER_BRIDGE_URL"), env.get("JUPYTER_BRIDGE_TOKEN")
    if not url:
        return []
    server = parse_url(url, "JUPYTER_BRIDGE_URL")
    return [replace(server, token=token or server.token or _known_token(server, here))]


def _from_hub(env: Mapping[str, str], here: list[Server]) -> list[Server]:
    """Return the user server of this process. The prefix of a hub's services lacks `/user/`."""
    prefix, token = env.get("JUPYTERHUB_SERVICE_PREFIX", ""), env.get("JUPYTERHUB_API_TOKEN", "")
    if "/user/" not in prefix or not token:
        return []
    source = "the hub's JUPYTERHUB_SERVICE_URL"
    parts = urlsplit(env.get("JUPYTERHUB_SERVICE_URL", ""))
    if parts.scheme in PORTS and port_of(parts):
        server = parse_url(parts._replace(path=prefix, query="", fragment="").geturl(), source)
        return [replace(server, token=token)]
    # The spawner let the server choose its port; the server's own file has it.
    path = _base_path(prefix)
    return [replace(server, token=token) for server in here if urlsplit(server.url).path == path][
        :1
    ]


def _from_terminal(env: Mapping[str, str], here: list[Server]) -> list[Server]:
    url = env.get("JUPYTER_SERVER_URL")
    if not url:
        return []
    server = parse_url(url, "JUPYTER_SERVER_URL")
    return [replace(server, token=env.get("JUPYTER_TOKEN") or _known_token(server, here))]


def _from_files(env: Mapping[str, str], here: list[Server]) -> list[Server]:
    parent = env.get("JPY_PARENT_PID", "")
    mine = [server for server in here if str(server.pid) == parent]
    token = env.get("JUPYTER_BRIDGE_TOKEN")
    return [replace(server, token=token or server.token) for server in mine or here]


def _known_token(server: Server, here: list[Server]) -> str:
    return next((other.token for other in here if other.is_at(server)), "")


def _base_path(path: str) -> str:
    path = path.rstrip("/")
    for tail in _TAILS:
        if path.endswith(f"/{tail}"):
            path = path[: -len(tail) - 1].rstrip("/")
            break
    return f"{path}/"


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # Another user's: the server has ended without removing its file, and its number, and so
        # perhaps its port, are somebody else's now. That one must not get the token.
        return False
    return True


def _is_alive_on_windows(pid: int) -> bool:
    # On Windows os.kill(pid, 0) sends Ctrl-C.
    import ctypes

    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel32.OpenProcess(0x1000, False, pid)
    if handle:
        kernel32.CloseHandle(handle)
    return bool(handle)
