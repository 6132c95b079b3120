"""The parts of hostile requests. None does harm, even if a server obeys it."""

from __future__ import annotations

import json
import random
from typing import Any

# Placeholders, filled in when a request is sent, so that a seed gives the same requests anywhere.
KERNEL, SID = "@KERNEL@", "@SID@"
XSRF, COOKIE, TOKEN = "@XSRF@", "@COOKIE@", "@TOKEN@"
HOST, ROOT = "@HOST@", "@ROOT@"
FOREIGN = "http://evil.example"

LONG = "x" * 5000
DIGITS = "9" * 5000
TEXTS = [
    *("", " ", ".", "..", "../..", "/", "//", "~", "*", "-", "--help", "%", "%s%n", "{}", "{0}"),
    *("\0", "\n", "\r\nX: y", "\x1b]0;x\x07", "\x9b1m", "\u202e", "\ud800", "é€𝄞", "a\0b", "nul"),
    *("file:", "kernel:", "lab:", ":", "::", "a:b:c", "lab:@KERNEL@", "file:../x", "file:/etc/x"),
    *("NaN", "-1", "0", "1e999", "true", "null", "[]", DIGITS, LONG, "'", '"', "`id`", "$(id)"),
    *("__proto__", "(?:a|a)*$", "(", "[", "\\", "(?P<", "a{1,9999}", "1970-01-01", "inf", "new"),
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 1e308, -0.0, 0.1, [], {}, [[]], [None]),
    *({"a": {}}, ["a"] * 50, [{}] * 50, {"": ""}, {"\0": "\0"}, {"a": [[[[[]]]]]}),
]
# The parameters of paths, with values that exist.
NAMES = {
    "kernel_id": [KERNEL, f"lab:{KERNEL}", "absent"],
    "name": ["one", "lab", f"kernel:{KERNEL}", "file:a.txt", "absent"],
    "conn": ["lab", "absent"],
    "perm_id": ["a", "absent"],
    "identifier": ["a", "absent"],
    "path": ["a", "here", "store/a", "a.txt", ".hidden"],
    "file": ["one.txt", "absent"],
}
# The values of fields; requests run, open and write only these.
SAFE: dict[str, list[Any]] = {
    "command": ["true", ":", "exit 3", "echo )", "'", "echo \x1b]0;x", "", "\0", "#", "cat", 1],
    "code": ["1", "1/0", "input()", "print('x' * 9)", "(", "", "\0", "\ud800", None],
    "shell_command": [["true"], ["cat"], [], [""], ["/absent"], ["true", "\0"], "true", [1]],
    "shell": ["bash", "sh", "absent", "", "/bin/true", "\0", 1],
    "env": [{}, {"A": "b"}, {"A": None}, {"": ""}, {"A=B": "c"}, {"A": "\0"}, [], {"A": 1}],
    "cwd": ["", ".", "a", "absent", "..", "\0", LONG, None, 1],
    "path": ["a", "a.txt", "..", "", "\0", LONG, "absent", "store/a", 1],
    "files": [["a.txt"], [".."], [], ["\0"], ["a.txt"] * 50, "a.txt", [1]],
    "value": ["x", "", "\0", 1],
    "stdin": ["x", "", "\0", 1],
    "notebook_path": ["n.ipynb", "../n.ipynb", "", "\0", "a/n.ipynb", 1],
    "url": [
        *("store", "@ROOT@/store", "http://127.0.0.1:9/", "http://169.254.169.254/", "", "\0"),
        *("http://[::1]:9/", "http://0/", "http://2130706433/", "file:///absent", "x:y", "http://"),
        *("http://a:b@127.0.0.1/", "sftp://127.0.0.1:9/", "http://[/", "http://x.invalid/", 1),
    ],
    "mountpoint": ["absent", "..", "", "\0", 1],
    "kind": ["folder", "openbis", "sftp", "jupyter", "console", "absent", "", 1],
    "action": ["login", "mount", "unmount", "absent", "", 1],
    "connection": ["lab", "absent", "", 1],
    "direction": ["download", "upload", "absent", 1],
    "permId": ["a", "..", "", "\0", "a/one.txt", 1],
    "console": ["one", "absent", "", "new", f"kernel:{KERNEL}", "file:a.txt", "\0", 1],
    "timeout": [0, 0.1, -1, 1e308, "1", None],
    "start_timeout": [0, 0.1, -1, 1e308],
    "queue_timeout": [0, 0.1, -1, 1e308],
    "kernel": ["absent", "", "..", "\0"],
    "conn": ["lab", "absent", ""],
    "follow": ["true", "false", "x"],
    "lines": ["0", "1", "-1", DIGITS, "1000000", "x"],
    "wait": ["0.1", "-1", "nan", "inf", DIGITS],
    "until": ["x", "(?:.|a)*X", "(", "a{1,9999}", "\0", LONG],
}
HEADERS = [
    *("Accept: text/event-stream", "Accept: application/x-ndjson", "Accept: */*;q=x, ,;"),
    *("Prefer: respond-async", "Prefer: wait=0.1", "Prefer: wait=nan", f"Prefer: wait={DIGITS}"),
    *("Idempotency-Key: a", "Idempotency-Key: ", f"Idempotency-Key: {LONG}", "Last-Event-ID: -1"),
    *(f"Last-Event-ID: {DIGITS}", "Last-Event-ID: \xff", "Range: bytes=0-", "Range: bytes=9-1"),
    *(f"Range: bytes={DIGITS}-", "Range: bytes=" + "0-0," * 500, "If-Match: *", "If-None-Match: *"),
    *(f"Cray-Console-Lines: {DIGITS}", "Cray-Console-Lines: ²", "Cray-Console-Follow: maybe"),
    *("Content-Type: text/plain", "Content-Type: multipart/form-data; boundary=", "Expect: x"),
    *("Content-Encoding: gzip", "Transfer-Encoding: gzip", "Expect: 100-continue", "Host: [x"),
    *("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: \xff", "Upgrade: websocket", "Cookie: a"),
    *("Sec-WebSocket-Protocol: v1.token.websocket.jupyter.org.%ff", "Sec-WebSocket-Protocol: ,"),
    *("X-XSRFToken: 2|a|b|0", "X-XSRFToken: \xff", "Cookie: _xsrf=2|a|b|c", "Referer: http://[x"),
    *(
        "Origin: null",
        "Origin: http://[x",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Dest: image",
        "Connection: x",
    ),
    *("Content-Length: -1", "Content-Length: 99999999", "Content-Length: x", "X: \x01", ": ", "a"),
]
BODIES = [
    *(b"", b"null", b"[]", b"1", b'"x"', b"{", b"[" * 100_000, b'{"a":' * 20_000, b"\xff\xfe"),
    *(b'{"timeout": NaN}', b'{"timeout": 1e999}', b'{"a":1,"a":2}', b"\0" * 1000, b"9" * 100_000),
    *(b'{"\\ud800": "\\ud800"}', b'{"command": "\xff"}', b"a=1&b=2", b" " * 100_000),
]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "get"]
# Packets of socket.io and engine.io, valid and invalid.
PACKETS = [
    *("40", "40/a,", f"40/channels/{KERNEL},", f'40/iopub/{KERNEL},{{"token":"x"}}', "41", "44"),
    *("42[]", '42["msg"]', '42["msg",{}]', f'42/channels/{KERNEL},["msg",null]', "451-[]", "45x"),
    *("2", "2probe", "3", "5", "6", "1", "0{}", "4", "", "x", "bAAAA", "b!", "43[]", "431[]"),
    *('451-["msg",{"_placeholder":true,"num":0}]', '42["connect"]', "42" + "[" * 50_000, "49"),
    *(f"40/{LONG},", f'40/iopub/{KERNEL},{{"after":{DIGITS}}}', "\x1e" * 500, "40/a,[1]", "40{}"),
]


def some_text(chance: random.Random) -> str:
    if chance.random() < 0.8:
        return chance.choice(TEXTS)
    return "".join(chr(chance.randrange(0x250)) for _ in range(chance.randrange(40)))


def some_value(chance: random.Random, name: str) -> Any:
    """Return a value of a field: a valid or similar one, or any value if that does no harm."""
    if name in SAFE:
        return chance.choice(SAFE[name])
    return chance.choice(VALUES) if chance.random() < 0.5 else some_text(chance)


def some_body(chance: random.Random, names: list[str]) -> bytes:
    """Return JSON with these fields, sometimes damaged."""
    if not names or chance.random() < 0.1:
        return chance.choice(BODIES)
    fields = {name: some_value(chance, name) for name in names if chance.random() < 0.6}
    if chance.random() < 0.1:
        fields[some_text(chance)] = some_value(chance, "")
    body = bytearray(json.dumps(fields).encode())
    if chance.random() < 0.2:
        at = chance.randrange(len(body))
        how = chance.randrange(3)
        if how == 0:
            body[at] = chance.randrange(256)
        elif how == 1:
            del body[at:]
        else:
            body[at:at] = chance.choice(BODIES)[:1000]
    return bytes(body)
