"""TLSSettings: whom TLS believes."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_bridge.problems import BadRequest

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True)
class TLSSettings:
    """Whom TLS trusts: the system's authorities, or a CA file, or one certificate (SHA-256).

    `verify=False` trusts anybody; only configuration may say so, never a request.
    """

    ca_file: str | None = None
    pin: str | None = None
    verify: bool = True

    def tls(self) -> ssl.SSLContext | aiohttp.Fingerprint | bool:
        """As aiohttp takes it; blocks while authorities are read."""
        if not self.verify:
            return False
        if self.pin:
            from aiohttp import Fingerprint

            return Fingerprint(bytes.fromhex(self.pin.replace(":", "")))
        return _context(self.ca_file)


@functools.lru_cache(maxsize=64)
def _context(ca_file: str | None) -> ssl.SSLContext:
    # Reading the system's authorities takes 20 ms; connections that trust alike share them.
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BadRequest(f"ca_file: {ca_file} is no PEM file: {error}", field="ca_file") from error
