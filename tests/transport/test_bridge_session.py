"""Requests in, answers or Problems out."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from jupyter_bridge import problems
from jupyter_bridge.client import BridgeClient
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Denied,
    NotFound,
    Problem,
    RemoteFailed,
    Unavailable,
)
from tests.simulators.faulty_bridge import Answer, Faulty, hangs_up, page, says, serving

TOKEN = "hunter2-hunter2"


async def problem_of_asking(*answers: Answer, **how: Any) -> tuple[Problem, Faulty]:
    async with serving(*answers) as faulty, BridgeClient(faulty.url, TOKEN, **how) as bridge:
        with pytest.raises(Problem) as caught:
            await bridge.kernels()
        return caught.value, faulty


KINDS = [kind for kind in vars(problems).values() if isinstance(kind, type(Problem))]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Problem)])
async def test_problem(kind: type[Problem]) -> None:
    """Each of the server's Problems is raised here as the class it was there, with its details."""
    sent = kind("Something is wrong.", field="code", limit=3)
    got, _ = await problem_of_asking(says(sent.to_json(), kind.status))
    assert type(got) is kind
    assert got.to_json() == sent.to_json()


async def test_unknown_problem() -> None:
    """A Problem that this client does not know keeps its code and has its status's class."""
    body = {"error": "not-yet-invented", "message": "Who?", "hint": "x", "self": 1}
    got, _ = await problem_of_asking(says(body, 409))
    assert type(got) is Conflict
    assert (got.code, got.status, got.message) == ("not-yet-invented", 409, "Who?")
    assert got.details == {"hint": "x", "self": 1}


async def test_internal_error() -> None:
    """An internal error is a Problem with the id that is in the server's log."""
    body = {"error": "internal", "message": "Something went wrong.", "id": "abc"}
    got, _ = await problem_of_asking(says(body, 500))
    assert (got.status, got.code, got.details) == (500, "internal", {"id": "abc"})


async def test_words_of_the_host() -> None:
    """What the host itself refuses, before the bridge is reached, has its words and a hint."""
    got, faulty = await problem_of_asking(says({"message": "Forbidden", "reason": None}, 403))
    assert type(got) is Denied
    assert got.message == f"{faulty.url}bridge/kernels answered 403 Forbidden: is the token right?"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            page("<html><title>Jupyter\n Server &amp; co</title>", 404),
            "404 with text/html titled 'Jupyter Server & co'",
        ),
        (page("<title>Welcome</title>"), "200 with text/html titled 'Welcome'"),
        (page("Bad Gateway", 502, "text/plain", Server="nginx/1.2"), "text/plain from nginx/1.2"),
        (page("", 503), "answered 503"),
        (page("{broken", 500, "application/json"), "500 with application/json"),
        (says(["a", "list"], 404), "404 with application/json"),
        (
            page("", 301, Location="https://h/x/bridge/?token=secret"),
            "301 and points to https://h/x",
        ),
        (says({"not": "a list"}), "cannot read"),
        (page("{broken", 200, "application/json"), "cannot read"),
    ],
)
async def test_not_a_bridge(answer: Answer, words: str) -> None:
    """What is no answer of a bridge is told as what it is, and where it came from."""
    got, faulty = await problem_of_asking(answer)
    assert type(got) is RemoteFailed
    assert words in got.message
    assert f"{faulty.url}bridge/kernels" in got.message
    assert "secret" not in got.message


async def test_login_page() -> None:
    """Being sent to a login page means that the token is missing or wrong; nobody goes there."""

    async def open_socket(answer: Answer) -> list[str]:
        async with serving(answer) as faulty, BridgeClient(faulty.url, TOKEN) as bridge:
            with pytest.raises(Denied, match="token"):
                await bridge.channels("k").open()
            return faulty.asked

    answer = page("", 302, Location="/hub/login?next=x")
    got, faulty = await problem_of_asking(answer)
    assert type(got) is Denied
    assert "token" in got.message
    assert len(faulty.requests) == 1
    asked = await open_socket(answer)
    assert asked
    assert all("/x/bridge/channels/k" in one for one in asked)


async def test_refused() -> None:
    """Where nothing listens, the address is named, and who gave it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x/"

        with pytest.raises(Unavailable) as caught:
            async with BridgeClient(url) as bridge:
                await bridge.kernels()
    assert f"{url} (from the arguments)" in caught.value.message


async def test_no_such_host() -> None:
    """A host that does not exist is unavailable."""
    with pytest.raises(Unavailable, match=r"no-such-host\.invalid"):
        async with BridgeClient("http://no-such-host.invalid/") as bridge:
            await bridge.kernels()


async def test_broken() -> None:
    """A connection that breaks before the answer is told as one where nobody knows."""
    async with serving(hangs_up) as faulty, BridgeClient(faulty.url) as bridge:
        with pytest.raises(Unavailable, match="may or may not"):
            await bridge.spawn("python3")
        assert len(faulty.requests) == 1


async def test_silent() -> None:
    """A server that says nothing is left after the timeout."""

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    got, _ = await problem_of_asking(silent, timeout=0.2)
    assert type(got) is problems.Timeout


async def test_request() -> None:
    """A request has the token in its header only, returns no cookie, and quotes what it names."""
    answer = says({}, Set_Cookie="session=1; Path=/")
    async with serving(answer) as faulty, BridgeClient(faulty.url, TOKEN) as bridge:
        await bridge.interrupt("a/../b?")
        await bridge.shutdown("p y")
        first, second = faulty.requests
    assert first.raw_path == "/x/bridge/interrupt/a%2F..%2Fb%3F"
    assert first.headers["Authorization"] == f"token {TOKEN}"
    assert second.raw_path == "/x/bridge/shutdown/p%20y"
    assert "Cookie" not in second.headers


async def test_closed() -> None:
    """A client that is not open says so."""
    bridge = BridgeClient("http://127.0.0.1:1/")
    async with bridge:
        pass
    await bridge.close()
    with pytest.raises(Conflict, match="not open"):
        await bridge.kernels()


@pytest.mark.parametrize(
    "answer",
    [
        hangs_up,
        page("<title>x</title>", 404),
        page("", 302, Location="/login"),
        says({"error": "denied", "message": "No."}, 403),
        says([]),
    ],
)
async def test_token_is_never_told(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    """The token is in no repr, message, traceback or log, whatever goes wrong."""
    told: list[str] = []

    with caplog.at_level(logging.DEBUG):
        async with serving(answer) as faulty, BridgeClient(faulty.url, TOKEN, timeout=5) as bridge:
            told.append(f"{bridge!r}{bridge}{vars(bridge)}")
            for verb in (bridge.kernels, bridge.channels("k").open):
                try:
                    await verb()
                except Problem as problem:
                    told.append(_chain(problem))
    assert len(told) > 1
    assert TOKEN not in "".join(told) + caplog.text


def _chain(error: BaseException | None) -> str:
    """Everything that a debugger would find on an error and its causes."""
    words = []
    while error is not None:
        words += [repr(error), str(error), repr(vars(error))]
        words += traceback.format_exception(type(error), error, error.__traceback__)
        error = error.__cause__ or error.__context__
    return "\n".join(words)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key"), "-out", str(folder / "crt")),
        ],
        check=True,
        capture_output=True,
    )
    pem.write_bytes((folder / "crt").read_bytes() + (folder / "key").read_bytes())
    return pem


async def test_tls(certificate: Path) -> None:
    """TLS trusts the system and `ca_file`; a stranger's certificate is told with what to do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def ask(**how: Any) -> list[Any]:
        # aiohttp's test server would otherwise log the refused handshake as an error of its own.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with serving(says([]), ssl=context, scheme="https") as faulty:
            assert faulty.url.startswith("https:")
            async with BridgeClient(faulty.url, **how) as bridge:
                return await bridge.kernels()

    with pytest.raises(RemoteFailed, match=r"certificate.*--ca-file"):
        await ask()
    assert (await ask(ca_file=certificate)) == []
    assert (await ask(verify=False)) == []
    with pytest.raises(problems.BadRequest, match="cannot be read"):
        await ask(ca_file="/no/such/file")


async def test_unix_socket(tmp_path: Path) -> None:
    """A server on a Unix socket is as good as any."""

    async def ask() -> list[Any]:
        path = str(tmp_path / "s")
        app = web.Application()
        app.router.add_get("/x/bridge/kernels", says([]))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, path).start()
        try:
            async with BridgeClient(f"http+unix://{path.replace('/', '%2F')}/x/") as bridge:
                return await bridge.kernels()
        finally:
            await runner.cleanup()

    assert (await ask()) == []


async def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the surroundings is used, but never for this machine itself."""

    async def ask(url: str) -> None:
        async with BridgeClient(url, TOKEN) as bridge:
            await bridge.kernels()

    async with serving(says([])) as proxy:
        root = proxy.url.removesuffix("x/")
        monkeypatch.setenv("http_proxy", root)
        monkeypatch.delenv("no_proxy", raising=False)
        await ask("http://far.invalid/y/")
        found = proxy.asked
    assert found == ["GET /y/bridge/kernels"]
    async with serving(says([])) as server:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
        await ask(server.url)
        found = server.asked
    assert found == ["GET /x/bridge/kernels"]


async def test_several_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several servers here the one with a bridge is taken; several such are listed instead."""
    for name in ("JUPYTER_BRIDGE_URL", "JUPYTER_SERVER_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))

    async def choose(*bridges: bool) -> str:
        answers = [says({"version": "1"}) if has else page("no", 404) for has in bridges]
        async with serving(answers[0]) as one, serving(answers[1]) as two:
            for number, faulty in enumerate((one, two)):
                file = tmp_path / f"jpserver-{number}.json"
                file.write_text(f'{{"url": "{faulty.url}", "pid": {os.getpid()}, "token": "t"}}')
            async with BridgeClient() as bridge:
                assert bridge.url in (one.url, two.url)
                return "one" if bridge.url == one.url else "two"

    assert (await choose(True, False)) == "one"
    assert (await choose(False, True)) == "two"
    with pytest.raises(Conflict) as several:
        await choose(True, True)
    assert len(several.value.details["servers"]) == 2
    assert all(url in several.value.message for url in several.value.details["servers"])
    with pytest.raises(NotFound):
        await choose(False, False)


def test_light() -> None:
    """Importing the client imports no server, no Tornado and no ZMQ."""
    look = (
        "import sys; from jupyter_bridge.client import *\n"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert not {"jupyter_server", "tornado", "zmq", "traitlets"} & set(done.stdout.split())


@pytest.mark.parametrize("name", [".", ".."])
async def test_no_step_up(name: str) -> None:
    """What a remote may call its things leads nowhere else: nothing is asked."""
    async with serving() as faulty, BridgeClient(faulty.url, TOKEN) as bridge:
        with pytest.raises(BadRequest, match="name may not be"):
            await bridge.connections.get(name)
        assert not faulty.asked
