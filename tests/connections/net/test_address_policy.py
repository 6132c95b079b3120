"""Policy and Outbound: which addresses are connected to, in whatever spelling."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from aiohttp import web

from jupyter_bridge.connections.net import own_address
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.net.own_address import is_own
from jupyter_bridge.connections.net.tls import TLSSettings
from jupyter_bridge.problems import (
    BadRequest,
    Denied,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
)

LOCAL = AddressPolicy(allow_loopback=True)

# Each leads to this machine, to a metadata service, to an address that is never used, or is none.
NEVER = """
https://127.0.0.1/ https://127.1/ https://127.0.1/ https://2130706433/ https://0x7f000001/
https://0x7f.1/ https://0177.0.0.1/ https://0177.1/ https://017700000001/ https://127.255.255.254/
https://localhost/ https://LOCALHOST/ https://localhost./ https://a.localhost/ https://[::1]/
https://[0:0:0:0:0:0:0:1]/ https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/
https://[::127.0.0.1]/ https://[::7f00:1]/ https://[64:ff9b::127.0.0.1]/ https://[2002:7f00:1::]/
https://[2002:a9fe:a9fe::]/ https://169.254.169.254/latest/meta-data/ https://2852039166/
https://0xa9fea9fe/ https://0xa9.0xfe.0xa9.0xfe/ https://0251.0376.0251.0376/ https://169.254.43518/
https://169.16689662/ https://169.254.0.1/ https://169.254.170.2/ https://[::ffff:169.254.169.254]/
https://[::ffff:a9fe:a9fe]/ https://[::169.254.169.254]/ https://[64:ff9b::a9fe:a9fe]/
https://[fd00:ec2::254]/ https://[fd20:ce::254]/ https://100.100.100.200/ https://168.63.129.16/
https://192.0.0.192/ https://[fe80::1]/ https://[fe80::1%25eth0]/ https://[febf::1]/
https://0.0.0.0/ https://0/ https://0.1.2.3/ https://[::]/ https://[::ffff:0.0.0.0]/
https://224.0.0.1/ https://239.255.255.255/ https://[ff02::1]/ https://255.255.255.255/
https://240.0.0.1/ https://user:pass@example.org/ https://user@example.org/
https://example.org@127.0.0.1/ https://127.0.0.1:443@example.org/ http://example.org/
http://10.0.0.1/ http://192.168.1.1/ ws://example.org/ file:///etc/passwd gopher://127.0.0.1/
ftp://127.0.0.1/ data:text/plain,x javascript:alert(1) //127.0.0.1/ https:// https:///x
https://[::1 https://127.0.0.1:99999/ 127.0.0.1
""".split()  # noqa: SIM905


def test_the_corpus_is_large_enough() -> None:
    """There are at least 60 ways in the corpus."""
    assert len(set(NEVER)) >= 60


@pytest.mark.parametrize("url", NEVER)
async def test_no_way_leads_inside(url: str) -> None:
    """No spelling of a forbidden address gets a connection; refused before anything is sent."""
    outbound = Outbound(AddressPolicy())
    try:
        with pytest.raises((Denied, BadRequest, Unavailable)) as caught:
            await outbound.ask("GET", url, timeout=5)
        # Unavailable is only a name that this machine cannot resolve.
        assert not isinstance(caught.value, Unavailable) or "is not known" in str(caught.value)
    finally:
        await outbound.close()


def own_addresses() -> list[str]:
    """The addresses of this machine's interfaces that are not loopback or link-local."""
    found = [
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    ]
    judged = map(ipaddress.ip_address, found)
    return [str(one) for one in judged if not (one.is_loopback or one.is_link_local)]


def spellings_of(address: str) -> list[str]:
    judged = ipaddress.ip_address(address)
    if isinstance(judged, ipaddress.IPv6Address):
        return [address, judged.exploded]
    number = int(judged)
    return [
        *(address, f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"),
        *(str(number), hex(number), f"0{number:o}"),
    ]


@pytest.mark.parametrize("address", own_addresses())
async def test_own_addresses_are_this_machine(address: str) -> None:
    """In every spelling, for HTTP and for what dials by itself; a name that leads there, too."""
    strict = Outbound(AddressPolicy())
    for host in spellings_of(address):
        with pytest.raises(Denied, match="this machine"):
            await strict.dial(host, 22)
        bare = f"[{host}]" if ":" in host else host
        with pytest.raises((Denied, BadRequest)):
            await strict.ask("GET", f"https://{bare}/")
    assert await Outbound(LOCAL).addresses(address, 22) == [address]
    await strict.close()


async def test_names_of_this_machine_are_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own host name, and any name that resolves to one of its addresses."""
    for address in own_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def resolve(host: str, port: int, *rest: Any, **more: Any) -> Any:
            return [(family, socket.SOCK_STREAM, 6, "", (address, port))]  # noqa: B023

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

        for name in ("innocent.example.org", socket.gethostname()):
            with pytest.raises(Denied, match="this machine"):
                await Outbound(AddressPolicy()).addresses(name, 22)


def test_an_address_beside_the_own_ones_is_not_own() -> None:
    """Neighbours in the same network, and addresses far away, are none of this machine."""
    for address in ("1.1.1.1", "10.255.254.253", "2606:4700::1111", "198.51.100.7"):
        assert not is_own(ipaddress.ip_address(address))


def test_where_everything_can_be_bound_the_source_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """With net.ipv4.ip_nonlocal_bind any address can be bound."""
    monkeypatch.setattr(own_address, "_can_bind", lambda version, address: True)
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("1.1.1.1"))


@pytest.mark.parametrize("host", ["10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fc00::1"])
async def test_private_networks_are_a_choice(host: str) -> None:
    """Private addresses pass by default, and not with allow_private_networks=False."""
    assert await Outbound(AddressPolicy()).addresses(host, 443)
    with pytest.raises(Denied):
        await Outbound(AddressPolicy(allow_private_networks=False)).addresses(host, 443)


def test_public_addresses_pass() -> None:
    """Public addresses pass under the strictest policy."""
    strict = AddressPolicy(allow_private_networks=False)
    for url in ("https://1.1.1.1/", "https://[2606:4700::1111]/", "https://[::ffff:1.1.1.1]/"):
        strict.check_url(url)


def test_plain_http_only_where_listed() -> None:
    """http:// passes to listed hosts and, where loopback is allowed, to this machine."""
    policy = AddressPolicy(allow_loopback=True, insecure_http_hosts=frozenset({"old.example.org"}))
    policy.check_url("http://OLD.example.org:8080/")
    policy.check_url("http://localhost:8888/")
    with pytest.raises(Denied):
        policy.check_url("http://new.example.org/")


# -- against a real server on loopback ---------------------------------------------------------


@asynccontextmanager
async def serving(handle: Any, **how: Any) -> AsyncIterator[tuple[str, Outbound]]:
    """The address of a server that answers so, and the way to it."""
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    outbound = Outbound(LOCAL, **how)
    try:
        yield f"http://127.0.0.1:{port}", outbound
    finally:
        await outbound.close()
        await runner.cleanup()


async def test_rebinding_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to a public address first and to metadata next is judged each time."""
    answers = iter(["93.184.216.34", "169.254.169.254"])

    def resolve(host: str, port: int, *rest: Any, **more: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    outbound = Outbound(AddressPolicy())
    assert await outbound.addresses("rebind.example.org", 443) == ["93.184.216.34"]
    with pytest.raises(Denied):
        await outbound.addresses("rebind.example.org", 443)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/",
        "https://example.org/",
        "http://localhost:1/",
        "//169.254.169.254/",
        "http://[",
    ],
)
async def test_redirects_elsewhere_are_not_followed(location: str) -> None:
    """A redirect to another origin is RemoteFailed, for requests and websockets."""

    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with serving(handle) as (url, outbound):
        with pytest.raises(RemoteFailed):
            await outbound.ask("GET", url)
        with pytest.raises(RemoteFailed):
            await outbound.websocket(url)


async def test_redirects_within_are_followed() -> None:
    """A redirect within the origin is followed for GET, never for POST, and not for ever."""

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/there":
            return web.Response(text="there")
        target = "/circle" if request.path == "/circle" else "/there"
        return web.Response(status=302, headers={"Location": target})

    async with serving(handle) as (url, outbound):
        assert (await outbound.ask("GET", f"{url}/here")).body == b"there"
        with pytest.raises(RemoteFailed, match="redirect"):
            await outbound.ask("POST", f"{url}/here")
        with pytest.raises(RemoteFailed, match="circles"):
            await outbound.ask("GET", f"{url}/circle")


async def test_no_cookie_is_kept() -> None:
    """What a remote sets as a cookie is not sent back, and no header of the host goes out."""
    seen = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.Response(headers={"Set-Cookie": "a=b; Path=/"})

    async with serving(handle) as (url, outbound):
        await outbound.ask("GET", url)
        await outbound.ask("GET", url)
        assert all(
            set(headers) <= {"Host", "User-Agent", "Accept", "Accept-Encoding"} for headers in seen
        )


async def test_deadlines_and_limits() -> None:
    """Late is a Timeout, too large is RemoteFailed, and a URL's query is never told."""

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.sleep(5)
        return web.Response(body=bytes(100_000))

    async with serving(handle) as (url, outbound):
        with pytest.raises(Timeout) as caught:
            await outbound.ask("GET", f"{url}/slow?sessionID=secret", timeout=0.1)
        assert "secret" not in str(caught.value)
        with pytest.raises(RemoteFailed) as refused:
            await outbound.ask("GET", url, limit=1000)
        assert refused.value.details["limit"] == 1000


async def test_a_readers_own_error_is_its_own() -> None:
    """What goes wrong at the reader's end within `stream` is not blamed on the remote."""

    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 100)

    async with serving(handle) as (url, outbound):
        with pytest.raises(IsADirectoryError):
            async with outbound.stream("GET", url):
                raise IsADirectoryError("the disk")


async def test_a_closed_port_is_unavailable() -> None:
    """Nobody there is Unavailable, within the deadline, for HTTP and for `dial`."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        outbound = Outbound(LOCAL)
        with pytest.raises(Unavailable):
            await outbound.ask("GET", f"http://127.0.0.1:{port}/")
        with pytest.raises(Unavailable):
            await outbound.dial("127.0.0.1", port)
        await outbound.close()


async def test_a_bad_ca_file_is_named() -> None:
    """A CA file that is none is a BadRequest that names the field."""
    outbound = Outbound(LOCAL, TLSSettings(ca_file="/etc/hostname"))
    with pytest.raises(Problem) as caught:
        await outbound.ask("GET", "https://127.0.0.1:1/")
    assert caught.value.details.get("field") == "ca_file"
    await outbound.close()
