"""Server: where a Jupyter server is, and the token that opens it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Server:
    """A Jupyter server's base url (it ends in `/`), the token that opens it, and who said so."""

    url: str
    token: str = field(default="", repr=False)
    source: str = "the arguments"
    pid: int | None = None

    @property
    def socket(self) -> str | None:
        """The path of the Unix socket that the server listens on, where it does."""
        parts = urlsplit(self.url)
        return unquote(parts.netloc) if parts.scheme == "http+unix" else None

    @property
    def root(self) -> str:
        """The base url as HTTP wants it: a Unix socket's name is no host."""
        return f"http://localhost{urlsplit(self.url).path}" if self.socket else self.url

    def is_at(self, other: Server) -> bool:
        """Whether both are the same place; every loopback name is one name."""
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
