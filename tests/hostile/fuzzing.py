"""Hostile requests from a seed: the same seed and number give the same request.

Kernel ids, cookies and tokens are placeholders of `pools.py`, which the sender fills in.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import msgspec

from tests.docs.reference import routes
from tests.hostile import pools
from tests.hostile.pools import COOKIE, FOREIGN, HOST, KERNEL, SID, TOKEN, XSRF
from tests.hostile.target import frame, shaking

VERBS = ("get", "post", "put", "delete")
# The headers of each kind of client. A cookie alone may read; changes need another proof.
NOTHING: list[str] = []
WITH_COOKIE = [f"Cookie: {COOKIE}"]
UNPROVEN = {
    "nobody": NOTHING,
    "wrong token": ["Authorization: token wrong"],
    "cookie": WITH_COOKIE,
    "cookie, wrong XSRF": [*WITH_COOKIE, "X-XSRFToken: 2|aaaa|bbbb|0"],
    "cookie, foreign Referer": [*WITH_COOKIE, f"Referer: {FOREIGN}/"],
    "cookie, an image of a page of ours": [
        *WITH_COOKIE,
        f"Referer: http://{HOST}/notebooks/x.ipynb",
        *("Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: image", "Sec-Fetch-Mode: no-cors"),
    ],
    "cookie, XSRF, foreign Origin": [*WITH_COOKIE, f"X-XSRFToken: {XSRF}", f"Origin: {FOREIGN}"],
}
PROVEN = {
    "token": [f"Authorization: token {TOKEN}"],
    "cookie, XSRF": [*WITH_COOKIE, f"X-XSRFToken: {XSRF}"],
}
# A page of another site also sends the user's cookie with a websocket; only its Origin differs.
UNPROVEN_SOCKETS = {
    "nobody": NOTHING,
    "wrong token": ["Authorization: token wrong"],
    "cookie, foreign Origin": [*WITH_COOKIE, f"Origin: {FOREIGN}"],
    "nobody, a wrong token as subprotocol": [
        "Sec-WebSocket-Protocol: v1.token.websocket.jupyter.org.wrong"
    ],
}
SEATS = ("channels", "shell", "iopub", "stdin", "stdio", "control", "interact", "tail")
SUBPROTOCOLS = ("", "v1.kernel.websocket.jupyter.org", "v1.console.bridge", "x", ", ,")
# Requests whose effect would show in the state if they were obeyed without a proof.
INTRUSION = {"command": "touch intruder", "code": "open('intruder', 'w')", "name": "intruder"}


@dataclass(frozen=True)
class Asked:
    """One request, or the requests of one connection: `data`, then `frames` if it is a websocket,
    or each of `then` with the socket.io id of the first answer."""

    seed: str
    number: int
    who: str
    data: bytes
    frames: bytes = b""
    then: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        parts = [repr(part[:600]) for part in (self.data, self.frames, *self.then) if part]
        return f"seed {self.seed}, number {self.number}, as {self.who}: {', '.join(parts)}"


@dataclass(frozen=True)
class Operation:
    """A verb of a route, with the names of the fields of its query and its body."""

    method: str
    path: str
    query: tuple[str, ...]
    body: tuple[str, ...]
    changes: bool


def operations() -> list[Operation]:
    """Return all verbs of all routes, with those for older clients."""
    return list(_operations())


def _operations() -> Iterator[Operation]:
    for route in routes(compat=True):
        for method in VERBS:
            handler = getattr(route.handler, method, None)
            verb = getattr(handler, "verb", None)
            if verb is not None:
                changes = method != "get" or verb.proof
                path = route.top + route.path
                names = _fields(verb.query), _fields(verb.body)
                yield Operation(method.upper(), path, *names, changes)


def _fields(kind: Any) -> tuple[str, ...]:
    if kind is None or not hasattr(kind, "__struct_fields__"):
        return ()
    return tuple(field.encode_name for field in msgspec.structs.fields(cast(Any, kind)))


class Maker:
    """Generates the requests of one seed, with or without a valid proof."""

    def __init__(self, seed: str, *, proven: bool) -> None:
        self.seed = seed
        self.proven = proven
        self._operations = operations()

    def make(self, number: int) -> Asked:
        chance = random.Random(f"{self.seed} {self.proven} {number}")
        kind = chance.random()
        if kind < 0.08:
            return self._socket(chance, number)
        if kind < 0.16:
            return self._polling(chance, number)
        return self._request(chance, number)

    # -- HTTP ------------------------------------------------------------------------------------

    def _request(self, chance: random.Random, number: int) -> Asked:
        operation = chance.choice(self._operations)
        who, proof = chance.choice(list((PROVEN if self.proven else UNPROVEN).items()))
        method = operation.method if chance.random() < 0.85 else chance.choice(pools.METHODS)
        target = self._path(chance, operation) + self._query(chance, operation)
        body = b"" if method == "GET" else self._body(chance, operation)
        headers = [*proof, *_some_headers(chance, proof)]
        return Asked(self.seed, number, who, _head(method, target, headers, len(body)) + body)

    def _path(self, chance: random.Random, operation: Operation) -> str:
        """Fill in a path; a request with a proof must not end things that others need."""
        ending = self.proven and operation.changes and not operation.path.startswith("/bridge/exec")
        segments = []
        for word in operation.path.split("/"):
            name = word.strip("{}")
            if word == name:
                segments.append(word)
            elif name == "kernelspec":
                real = not self.proven or chance.random() < 0.03
                segments.append("python3" if real else quote(some_name(chance), safe=""))
            elif chance.random() < 0.3:
                segments.append(quote(some_name(chance), safe=""))
            else:
                known = pools.NAMES.get(name, ["absent"])
                segments.append(known[-1] if ending and name == "name" else chance.choice(known))
        return "/".join(segments)

    def _query(self, chance: random.Random, operation: Operation) -> str:
        words = []
        for name in operation.query:
            if chance.random() < 0.4:
                words.append(f"{name}={_quoted(str(pools.some_value(chance, name)))}")
        if chance.random() < 0.2:
            name, value = _quoted(pools.some_text(chance)), _quoted(pools.some_text(chance))
            words += [f"{name}={value}"] * chance.choice([1, 1, 1, 500])
        return "?" + "&".join(words)[:50_000] if words else ""

    def _body(self, chance: random.Random, operation: Operation) -> bytes:
        if not self.proven and chance.random() < 0.3:
            intrusion = {n: v for n, v in INTRUSION.items() if n in operation.body}
            return json.dumps(intrusion).encode()
        return pools.some_body(chance, list(operation.body))

    # -- websockets ------------------------------------------------------------------------------

    def _socket(self, chance: random.Random, number: int) -> Asked:
        who, proof = chance.choice(list((PROVEN if self.proven else UNPROVEN_SOCKETS).items()))
        seat = chance.choice(SEATS)
        name = KERNEL if seat not in ("interact", "tail") else "one"
        path = f"/bridge/{seat}/{name if chance.random() < 0.9 else quote(some_name(chance), '')}"
        if chance.random() < 0.1:
            path = "/bridge/socket.io/?EIO=4&transport=websocket"
        shake = [f"{n}: {v}" for n, v in shaking(chance.choice(SUBPROTOCOLS)).items()]
        shake = [
            line if "Key" not in line else "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
            for line in shake
        ]
        if any(line.startswith("Sec-WebSocket-Protocol") for line in proof):
            shake = [line for line in shake if not line.startswith("Sec-WebSocket-Protocol")]
        data = _head("GET", path, [*shake, *proof], None)
        frames = b"".join(self._frame(chance) for _ in range(chance.randint(1, 5)))
        return Asked(self.seed, number, who, data, frames)

    def _frame(self, chance: random.Random) -> bytes:
        kind = chance.random()
        if kind < 0.4:
            return frame(self._message(chance))
        if kind < 0.6:
            return frame(bytes(chance.randrange(256) for _ in range(chance.randrange(60))), 2)
        if kind < 0.7:
            return frame(pools.some_text(chance).encode("utf-8", "surrogatepass"))
        return frame(
            chance.choice(pools.BODIES)[:5000],
            chance.randrange(16),
            fin=chance.random() < 0.7,
            masked=chance.random() < 0.8,
            reserved=chance.choice([0, 0, 0, 1, 4, 7]),
            claims=chance.choice([None, None, 0, 125, 70_000, 2**40, 2**64 - 1]),
        )

    def _message(self, chance: random.Random) -> bytes:
        """Generate a Jupyter message, valid or not."""
        code = INTRUSION["code"] if not self.proven else "1"
        header = {"msg_id": "1", "session": "s", "username": "u", "version": "5.3", "date": ""}
        kinds = ["execute_request", "kernel_info_request", "comm_msg", "input_reply", "x", ""]
        message: dict[str, Any] = {
            "header": {**header, "msg_type": chance.choice(kinds)},
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False},
            "buffers": [],
            "channel": chance.choice(["shell", "control", "iopub", "stdin", "x", 1, None]),
        }
        for name in list(message):
            if chance.random() < 0.1:
                message[name] = pools.some_value(chance, "")
            if chance.random() < 0.05:
                del message[name]
        return json.dumps(message).encode()

    # -- socket.io -------------------------------------------------------------------------------

    def _polling(self, chance: random.Random, number: int) -> Asked:
        """Generate a handshake, and packets with its id from the same client or another one."""
        who, proof = chance.choice(list((PROVEN if self.proven else UNPROVEN).items()))
        path = "/bridge/socket.io/?EIO=4&transport=polling"
        if chance.random() < 0.1:
            words = chance.choice(["EIO=3", "EIO=4&j=0", "transport=x", f"sid={_quoted('x')}"])
            path = f"/bridge/socket.io/?{words}"
        then = []
        sender, others = (who, proof) if self.proven else chance.choice(list(UNPROVEN.items()))
        intrusion = json.dumps({"header": {"msg_type": "execute_request"}, "content": INTRUSION})
        for _ in range(chance.randint(1, 3)):
            body = "\x1e".join(chance.choices(pools.PACKETS, k=chance.randint(1, 5)))
            if not self.proven and chance.random() < 0.5:
                space = f"/channels/{KERNEL},"
                body = f'40{space}\x1e42{space}["msg",{intrusion}]'
            content = body.encode("utf-8", "surrogatepass")
            then.append(_head("POST", f"{path}&sid={SID}", others, len(content)) + content)
            then.append(_head("GET", f"{path}&sid={SID}", others, None))
        first = _head("GET", path, proof, None)
        return Asked(self.seed, number, f"{who}, then {sender}", first, then=tuple(then))


def some_name(chance: random.Random) -> str:
    return pools.some_text(chance).encode("utf-8", "replace").decode()


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _some_headers(chance: random.Random, proof: list[str]) -> list[str]:
    """Generate hostile headers, but none that replaces a proof."""
    taken = {line.partition(":")[0].lower() for line in proof}
    some = chance.choices(pools.HEADERS, k=chance.choice([0, 0, 1, 1, 2, 4]))
    return [line for line in some if line.partition(":")[0].lower() not in taken]


def _head(method: str, target: str, headers: list[str], size: int | None) -> bytes:
    """Return a request's head; `size` is the body's length unless a header claims another one."""
    lines = [f"{method} {target} HTTP/1.1", *headers]
    names = {line.partition(":")[0].lower() for line in headers}
    if "host" not in names:
        lines.append(f"Host: {HOST}")
    if "connection" not in names:
        lines.append("Connection: close")
    if size is not None and not {"content-length", "transfer-encoding"} & names:
        lines.append(f"Content-Length: {size}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
