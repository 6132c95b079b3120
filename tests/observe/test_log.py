"""In the log one record is one line at the margin, and what is unseen is shown."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.observe import redaction
from tests.conftest import Server, start_server
from tests.support.waiting import wait_until

FORGED = "x\n[C 2026-01-01 00:00:00.000 ServerApp] forged"
HOSTILE = "\x1b]52;c;cm0=\x07\x9b31m\u202e\u2028\r\x7f"
SHOWN = r"\x1b]52;c;cm0=\x07\x9b31m\u202e\u2028\r\x7f"
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def logged(message: object, *args: Any, exc_info: Any = None) -> str:
    """What a handler writes of one record, after the filters of its logger and of the handler."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("[I] %(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    redaction.redact(log)
    log.error(message, *args, exc_info=exc_info)
    return out.getvalue()


class Loud(Exception):
    """Says in `str` and in `repr` what a stranger told it."""

    def __repr__(self) -> str:
        return f"Loud({self})"


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("%s: %s", ("name", FORGED + HOSTILE)),
        ("%s", (Loud(FORGED + HOSTILE),)),
        ("%r", (Loud(FORGED + HOSTILE),)),
        ("%s", ([Loud(FORGED + HOSTILE)],)),
        ("%(a)s", ({"a": FORGED + HOSTILE},)),
        ("%s", ({"a": Loud(FORGED + HOSTILE)},)),
        (Loud(FORGED + HOSTILE), ()),
    ],
)
def test_arguments(message: object, args: tuple[Any, ...]) -> None:
    """What stands in an argument, or is logged as an object, is one line."""
    said = logged(message, *args)
    assert said.count("\n") == 1
    assert r"x\n[C 2026-01-01 00:00:00.000 ServerApp] forged" in said
    assert SHOWN in said


def test_numbers_are_formatted() -> None:
    """Numbers are written as the message says, and wrong arguments cost nothing but the shape."""
    assert logged("%d %5.1f %x %s", 3, 2.5, 255, None) == "[I] 3   2.5 ff None\n"
    assert logged("%-6s|%6s|%.2s", "ab", "cd", "efg") == "[I] ab    |    cd|ef\n"
    assert logged("100 %") == "[I] 100 %\n"


def test_lines_of_a_message() -> None:
    """A message of several lines keeps them, and only the first stands at the margin."""
    said = logged(f"Not found:\n{FORGED}\n  more{HOSTILE}")
    lines = said.splitlines()
    assert lines[:2] == ["[I] Not found:", "    x"]
    assert lines[2:] == ["    [C 2026-01-01 00:00:00.000 ServerApp] forged", f"  more{SHOWN}"]


def test_a_traceback() -> None:
    """A traceback can be read, and nothing in the exception's text looks like a record."""
    try:
        raise ValueError(FORGED + HOSTILE) from KeyError(FORGED)
    except ValueError as error:
        lines = logged("It failed", exc_info=error).splitlines()
    assert lines[0] == "[I] It failed"
    assert any(line.startswith('  File "') and "observe/test_log.py" in line for line in lines)
    assert "    ValueError: x" in lines
    assert f"    [C 2026-01-01 00:00:00.000 ServerApp] forged{SHOWN}" in lines
    assert [line for line in lines if line[:1] not in ("", " ")] == [lines[0], lines[1]]


def test_a_long_argument() -> None:
    """An argument is cut at 2,000 characters, and no cut leaves the beginning of a secret."""
    said = logged("%s: end", "y" * 5000)
    assert said == f"[I] {'y' * 2000}… (5000 characters): end\n"
    owner = object()
    redaction.hide("sesame-canary-0815", owner)
    said = logged("%s", "y" * 1995 + "sesame-canary-0815")
    redaction.drop(owner)
    assert "sesam" not in said


def test_starting() -> None:
    """The address that the host says when it starts is as it says it."""
    text = "\n\nTo access the server:\n    http://h/?token=abc"
    record = logging.LogRecord("x", 50, "serverapp.py", 1, text, (), None, "start_app")
    assert redaction.Redact().filter(record)
    assert record.getMessage() == text


def test_the_line_of_a_request() -> None:
    """A request's line keeps verb and path whatever passwords there are; its query is blanked."""
    owner = object()
    path = "/bridge/execute/3f2a9c1e-aaaa-bbbb-cccc-0123456789ab"
    redaction.hide(path, owner)
    redaction.hide("sesame-canary", owner)
    text = f"403 POST {path}?q=sesame-canary&token=abc (jo@127.0.0.1) 3.2ms referer=h?sesame-canary"
    record = logging.LogRecord("x", 30, "log.py", 1, text, (), None, "log_request")
    assert redaction.Redact().filter(record)
    redaction.drop(owner)
    said = f"403 POST {path}?q=[secret]&token=[secret] (jo@127.0.0.1) 3.2ms referer=h?[secret]"
    assert record.getMessage() == said


@given(st.text(), st.text())
def test_any_text(message: str, name: str) -> None:
    """Whatever is said, one line is at the margin and no control left, the second time too."""
    escaped = message.replace("%", "%%")
    record = logging.LogRecord("x", 20, "f", 1, f"{escaped}%s", (name,), None)
    redaction.Redact().filter(record)
    said = record.getMessage()
    assert not UNSEEN.search(said)
    assert not re.search(r"\n\S", said)
    redaction.Redact().filter(record)
    assert record.getMessage() == said


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = start_server(tmp_path, "--debug")
    yield server
    server.stop()


def test_requests_of_strangers(server: Server) -> None:
    """No header, path, name or body of a request brings a control character into the log."""
    host, port = server.url.split("/")[2].split(":")
    lines = (
        b"GET /bridge/\x9b31m\xc2\x9d0;t\x9c HTTP/1.1\r\nHost: h\r\n",
        b"GET /bridge/consoles HTTP/1.1\r\nHost: h\r\nReferer: http://h/\xc2\x9b31m\x9b1m\r\n",
        b"GET /bridge/tail/%1b%5d0;t%07%0a%5bC%5d HTTP/1.1\r\nHost: h\r\n"
        + f"Authorization: token {server.token}\r\n".encode(),
        b"GET /bridge/conn/a%0A%5BC%20forged HTTP/1.1\r\nHost: h\r\n"
        + f"Authorization: token {server.token}\r\n".encode(),
    )
    for line in lines:
        with socket.create_connection((host, int(port)), 30) as client:
            client.sendall(line + b"Connection: close\r\n\r\n")
            while client.recv(65536):
                pass
    for path, body in (
        ("conns", {"name": FORGED + HOSTILE, "url": "/"}),
        ("conns", {"name": "x", "url": "/", "kind": FORGED + HOSTILE}),
        ("spawn/python3", {"cwd": "/", "path": FORGED + HOSTILE.replace("\x9b", "")}),
        ("run", {"command": "true", "console": FORGED + HOSTILE}),
        ("execute?kernel=%0A%5BC%20forged%1b%5d", {"code": "1"}),
    ):
        request = urllib.request.Request(
            f"{server.url}bridge/{path}", json.dumps(body).encode(), server.headers, method="POST"
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        refused.value.close()
    # The host logs a request when it has been answered; what came before it is there, too.
    wait_until(lambda: b"/execute?kernel=" in server.log.read_bytes(), "the last request's line")
    said = server.log.read_bytes()
    text = said.decode("utf-8")  # no lone C1 either
    # The host's own formatter sets the colours of the level.
    text = re.sub("\x1b\\[[0-9;]*m", "", text)
    assert "forged" in text
    assert not UNSEEN.search(text)
    assert not re.search(r"^\[C[^\n]*forged", text, re.MULTILINE)
