"""Broken configuration files: a valid file with bytes flipped, cut, doubled and inserted."""

from __future__ import annotations

import random

GOOD = """\
connections:
  - name: lab
    kind: openbis
    url: https://openbis.example.org
    username: jane
    password: 0123
  - name: data
    url: /data
"""
_ODD = [
    *(b"\0", b"\xff", b"\t", b"&a ", b"*a ", b"!!binary ", b"!!python/name:x "),
    *(b"? ", b"- ", b"{", b"\n"),
]


def broken_file(chance: random.Random) -> bytes:
    """Return a broken file."""
    text = bytearray(GOOD.encode())
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(text))
        how = chance.randrange(4)
        if how == 0:
            text[at] = chance.randrange(256)
        elif how == 1:
            del text[at : at + chance.randrange(20)]
            text = text or bytearray(b"x")
        elif how == 2:
            text[at:at] = chance.choice(_ODD)
        else:
            text[at:at] = text[: chance.randrange(60)]
    return bytes(text)
