"""Server: the address and token of a Jupyter server."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Server:
    """A Jupyter server's base url (it ends in `/`), its token, and the source of both."""

    url: str
    token: str = field(default="", repr=False)
    source: str = "the arguments"
    pid: int | None = None

    @property
    def socket(self) -> str | None:
        """The path of the server's Unix socket; None if it listens on TCP."""
        parts = urlsplit(self.url)
        return unquote(parts.netloc) if parts.scheme == "http+unix" else None

    @property
    def root(self) -> str:
        """The base url for HTTP requests; for a Unix socket the host is localhost."""
        return f"http://localhost{urlsplit(self.url).path}" if self.socket else self.url

    def is_at(self, other: Server) -> bool:
        """Whether both have the same address; all loopback names are equal."""
        return _place(self.url) == _place(other.url)


def port_of(parts: SplitResult) -> int | None:
    try:
        return PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError:
        return None


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    if parts.scheme == "http+unix":
        return parts.scheme, unquote(parts.netloc), None, parts.path
    host = parts.hostname or ""
    return parts.scheme, "localhost" if host in _LOOPBACK else host, port_of(parts), parts.path
