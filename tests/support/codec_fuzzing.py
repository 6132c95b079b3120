"""Fuzz a codec with Atheris: `python -m tests.support.codec_fuzzing NAME [libFuzzer options]`.

Atheris is guided by the branches that the bytes reach, so it gets deeper into a format than random
examples. An undocumented exception ends it with status 1, and the bytes are shown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import atheris

with atheris.instrument_imports(include=["jupyter_bridge.wire"]):
    from jupyter_bridge.wire import ansi, console, kernel
    from jupyter_bridge.wire.openbis import fast_download, rpc
    from jupyter_bridge.wire.outputs import outputs
    from jupyter_bridge.wire.shell import marks
    from jupyter_bridge.wire.terminal import asciicast


def fuzz_kernel(data: bytes) -> None:
    for parse in (kernel.parse_v1, kernel.parse_default, kernel.parse_header):
        with suppress(kernel.FrameError):
            parse(data)
    with suppress(kernel.FrameError):
        channel, parts = kernel.parse_v1(data)
        assert kernel.parse_v1(kernel.build_v1(channel, parts)) == (channel, parts)
    kernel.parse_content([b"", b"", b"", data])


def fuzz_console(data: bytes) -> None:
    with suppress(console.ConsoleFrameError):
        frame = console.from_server_frame(data)
        assert frame is None or console.from_server_frame(console.to_server_frame(frame)) == frame
    with suppress(console.ConsoleFrameError):
        sent = console.from_client_frame(data)
        assert console.to_client_frame(sent) == data


def fuzz_ansi(data: bytes) -> None:
    for make in (ansi.without_queries, ansi.without_escapes):
        whole, cut = make(), make()
        at = data[0] % (len(data) + 1) if data else 0
        expected = b"".join(piece.data for piece in whole.feed(0, data) + whole.flush())
        pieces = cut.feed(0, data[:at]) + cut.feed(at, data[at:]) + cut.flush()
        assert b"".join(piece.data for piece in pieces) == expected
        assert all(data[p.offset : p.offset + len(p.data)] == p.data for p in pieces)


def fuzz_shell(data: bytes) -> None:
    at = data[0] % (len(data) + 1) if data else 0
    found = []
    for pieces in ((data,), (data[:at], data[at:])):
        scanner = marks.Scanner("n")
        events = [event for piece in pieces for event in scanner.feed(piece)]
        output = (
            b"".join(e.data for e in events if isinstance(e, marks.CommandOutput)) + scanner.rest()
        )
        found.append((output, [e for e in events if not isinstance(e, marks.CommandOutput)]))
    assert found[0] == found[1]


def fuzz_fastdownload(data: bytes) -> None:
    reader = fast_download.ChunkReader()
    with suppress(fast_download.ChunkError, fast_download.ServerError):
        for chunk in reader.feed(data):
            chunk.to_chunk()
        reader.end()
    with suppress(fast_download.ChunkError, fast_download.ServerError):
        fast_download.parse_session(data)


def fuzz_openbis(data: bytes) -> None:
    with suppress(rpc.FormError, rpc.RpcError):
        rpc.parse_answer(data, Any, 1 << 25)
    with suppress(rpc.FormError):
        rpc.parse_uploaded(data)


def fuzz_outputs(data: bytes) -> None:
    held = outputs.Outputs(1000)
    for line in data.split(b"\n"):
        try:
            msg_type, content = json.loads(line)
        except (TypeError, ValueError, RecursionError):
            msg_type, content = "stream", {"text": line.decode(errors="replace")}
        if isinstance(msg_type, str):
            held.apply(msg_type, content)
    assert held.size <= 1000
    json.dumps(held.outputs)


def fuzz_asciicast(data: bytes) -> None:
    lines = asciicast.Recording(0).output(1.0, data, final=True)
    said = [json.loads(line) for line in lines]
    assert "".join(e[2] for e in said if e[1] == "o") == data.decode(errors="replace")


TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("fuzz_"): target
    for name, target in globals().items()
    if name.startswith("fuzz_")
}


if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, lambda data: target(bytes(data)))
    atheris.Fuzz()
