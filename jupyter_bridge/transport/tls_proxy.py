"""Sessions to a server: TLS trust, the proxy, and refused redirects."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from jupyter_bridge.problems import BadRequest, Problem, RemoteFailed, Unavailable
from jupyter_bridge.transport.http import never_redirected
from jupyter_bridge.transport.server import Server
from jupyter_bridge.version import __version__

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Redirected(Exception):
    """The answer to a websocket's handshake is a redirect."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def make_session(server: Server, ca_file: str | Path | None, verify: bool) -> aiohttp.ClientSession:
    """Make a session that sends the server's token and keeps no cookies."""
    connector: aiohttp.BaseConnector
    if server.socket:
        connector = aiohttp.UnixConnector(server.socket)
    elif server.url.startswith("https:"):
        connector = aiohttp.TCPConnector(ssl=_trust(ca_file, verify))
    else:
        connector = aiohttp.TCPConnector()
    head = {"User-Agent": f"jupyter-bridge/{__version__}"}
    if server.token:
        head["Authorization"] = f"token {server.token}"
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=head,
        trace_configs=[never_redirected(lambda response: Redirected(response.status))],
    )


def proxy_to(server: Server) -> str | None:
    """Return the proxy of the environment. aiohttp's own `trust_env` would also read ~/.netrc."""
    parts = urlsplit(server.root)
    host = parts.hostname or ""
    if host in _LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def unreachable(server: Server, error: BaseException) -> Problem:
    """Return the Problem of a failed connect."""
    at = f"{server.url} (from {server.source})"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return RemoteFailed(
            f"The certificate of {at} is not trusted: {error.certificate_error}. "
            "Give its authority as ca_file (--ca-file)."
        )
    return Unavailable(f"Cannot connect to {at}: {reason(error)}. Is the server running?")


def reason(error: BaseException) -> str:
    """Describe a network error in a few words."""
    inner = getattr(error, "os_error", None)
    return getattr(inner, "strerror", None) or str(error) or type(error).__name__


def _trust(ca_file: str | Path | None, verify: bool) -> ssl.SSLContext:
    """Trust the system's authorities and `ca_file`; check nothing if `verify` is false."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise BadRequest(f"The ca_file {ca_file} cannot be read: {error}.") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
