"""TLSSettings: which certificates TLS trusts."""

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
    """Trust in the system's authorities, a CA file, or one certificate (SHA-256).

    `verify=False` trusts every certificate; only configuration may set it, never a request.
    """

    ca_file: str | None = None
    pin: str | None = None
    verify: bool = True

    def tls(self) -> ssl.SSLContext | aiohttp.Fingerprint | bool:
        """Return the `ssl` argument for aiohttp; blocks while authorities are read."""
        if not self.verify:
            return False
        if self.pin:
            from aiohttp import Fingerprint

            return Fingerprint(bytes.fromhex(self.pin.replace(":", "")))
        return _context(self.ca_file)


@functools.lru_cache(maxsize=64)
def _context(ca_file: str | None) -> ssl.SSLContext:
    # Reading the system's authorities takes 20 ms; connections with the same settings share them.
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BadRequest(f"ca_file: {ca_file} is not PEM: {error}", field="ca_file") from error
