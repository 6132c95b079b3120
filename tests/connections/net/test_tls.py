"""Certificates that prove nothing: nothing is sent to who shows one, by any way to the network."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.net.tls import TLSSettings
from jupyter_bridge.problems import Problem, RemoteFailed

SECRET = {"Authorization": "token canary"}
DAY = timedelta(days=1)


class Authority:
    """An authority of its own, and the certificates that it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._build(self._name, self._key.public_key(), -DAY, DAY)
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self.file = folder / f"{name}.pem"
        signed = made.add_extension(basic, critical=True).sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def certificate(self, *, ip: str = "127.0.0.1", since: timedelta, until: timedelta) -> Path:
        """Return a file with a key and its certificate, valid so long before and after now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "served")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(ip))])
        made = self._build(name, key.public_key(), since, until).add_extension(names, False)
        signed = made.sign(self._key, hashes.SHA256())
        file = self._folder / "served.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
        return file

    def _build(self, name: x509.Name, key: Any, since: timedelta, until: timedelta) -> Any:
        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
        )


@asynccontextmanager
async def serving(pem: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """The address of a server with this certificate, and what it was told."""
    told: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        told.append(str(request.headers))
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/", told
    finally:
        await runner.cleanup()


async def _stream(outbound: Outbound, url: str) -> None:
    async with outbound.stream("GET", url, headers=SECRET):
        pass


async def _apart(outbound: Outbound, url: str) -> None:
    await outbound.apart(lambda twin: twin.ask("GET", url, headers=SECRET))


WAYS: dict[str, Callable[[Outbound, str], Awaitable[Any]]] = {
    "a request": lambda outbound, url: outbound.ask("GET", url, headers=SECRET),
    "a body": lambda outbound, url: outbound.ask("POST", url, headers=SECRET, body=b"canary"),
    "a stream": _stream,
    "a websocket": lambda outbound, url: outbound.websocket(url, headers=SECRET),
    "in a thread": _apart,
}
VALID: dict[str, Any] = {"since": -DAY, "until": DAY}
PROVES_NOTHING: dict[str, dict[str, Any]] = {
    "expired": {"since": -2 * DAY, "until": -DAY / 24},
    "not valid yet": {"since": DAY / 24, "until": DAY},
    "for another address": {**VALID, "ip": "127.0.0.2"},
}


async def told_of(pem: Path, way: str, trust: TLSSettings) -> tuple[list[str], Problem | None]:
    """What a server with this certificate was told, and the Problem."""
    async with serving(pem) as (url, told):
        outbound = Outbound(AddressPolicy(allow_loopback=True), trust)
        try:
            await WAYS[way](outbound, url)
        except Problem as problem:
            return told, problem
        finally:
            await outbound.close()
    return told, None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", PROVES_NOTHING)
async def test_a_bad_certificate_of_a_trusted_authority(
    what: str, way: str, tmp_path: Path
) -> None:
    """Whoever signed it: out of its time, or for another name, it is no proof."""
    authority = Authority(tmp_path, "own")
    pem = authority.certificate(**PROVES_NOTHING[what])
    told, problem = await told_of(pem, way, TLSSettings(ca_file=str(authority.file)))
    assert isinstance(problem, RemoteFailed)
    assert told == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trust", ["the system's", "another authority", "another pin"])
async def test_a_certificate_of_somebody_else(trust: str, way: str, tmp_path: Path) -> None:
    """A good certificate of an authority that was not named, or that is not the pinned one."""
    pem = Authority(tmp_path, "own").certificate(**VALID)
    settings = {
        "the system's": lambda: TLSSettings(),
        "another authority": lambda: TLSSettings(ca_file=str(Authority(tmp_path, "other").file)),
        "another pin": lambda: TLSSettings(pin=hashlib.sha256(b"other").hexdigest()),
    }[trust]()
    told, problem = await told_of(pem, way, settings)
    assert isinstance(problem, RemoteFailed)
    assert told == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_good_certificate(way: str, tmp_path: Path) -> None:
    """The same ways lead to a server whose authority was named."""
    authority = Authority(tmp_path, "own")
    settings = TLSSettings(ca_file=str(authority.file))
    told, _ = await told_of(authority.certificate(**VALID), way, settings)
    assert len(told) == 1
    assert "canary" in told[0]
