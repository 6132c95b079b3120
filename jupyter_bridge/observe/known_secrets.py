"""Hidden: the secrets in use, blanked out of text.

A secret is blanked wherever it occurs, so it must not blank the log itself. A secret that is short,
or made of the words of requests and log lines, is ignored: it stays out of the log only because
nothing logs secrets in the first place. A secret belongs to an owner, and is dropped with it.
"""

from __future__ import annotations

import re

BLANK = "[secret]"
# A shorter text occurs by chance in other words.
SHORTEST = 8
# Fewer different characters are a pattern (a ruler, padding), not a secret.
_FEWEST_DIFFERENT = 4
# Every password that is tried is held: so many of one owner, and so many characters of all
# together. The oldest go.
MOST_OF_OWNER = 16
MOST_CHARACTERS = 4 << 20
_WORDS = re.compile(r"[^\W\d_]+|\d+")
# Times, addresses, sizes and ids of processes.
_NUMBERS = re.compile(r"[\d\s.:,/+TZ-]+")
# The words of requests, log lines and tracebacks, in lower case.
COMMON = frozenset(
    """
    a about access add added address after all allowed an and answer answered api app are as
    asyncapi at authorization available be bearer before bridge bridgeapp browse by call
    cancel cannot changed channels client closed closing code com conn connect connected
    connecting connection connections conns console consoles content contents control critical
    dataset datasettypes debug delete denied disconnected does done download ended ending
    environment error event events exception execute executions expired extension failed file
    files folder for found from get gone handler handlers has head http https hub in info
    inputs interact internal interrupt io iopub ip is it json jupyter jupyterhub jupyterlab
    kernel kernels kernelspec kinds lab last line lines link list loaded localhost log login
    logout lost main message messages method metrics mode module most mount mounts name no
    none not notebook of on open openapi openbis options or org out password patch path post
    problem proxy put python raise read ready recent recording refused relay remote requests
    requirements restart root run running runs sample secret send sent server serverapp
    service session shell shut shutdown signal socket spawn start started starting state
    static status stdin stdio stop stopped stream tail terminal terminals the time timeout to
    token traceback transfer transfers tree true type unmount upload uri url user users vault
    version warning was watch websocket while with write
    """.split()  # noqa: SIM905 - a list would be one word a line
)


class Hidden:
    """Secrets by owner. An owner is any object, known by its identity, until `drop(owner)`."""

    def __init__(self) -> None:
        self._owners: dict[str, set[int]] = {}
        # The longest first: one secret may be the beginning of another.
        self._sorted: list[str] = []

    def __len__(self) -> int:
        return len(self._owners)

    def __contains__(self, secret: str) -> bool:
        return secret in self._owners

    def add(self, secret: str, owner: object) -> None:
        """Blank this text until `owner` is dropped; common text is ignored."""
        if is_common(secret):
            return
        owners = self._owners.pop(secret, set())
        self._owners[secret] = {*owners, id(owner)}
        mine = [known for known, owners in self._owners.items() if id(owner) in owners]
        for known in mine[:-MOST_OF_OWNER]:
            self._give_back(known, id(owner))
        while sum(map(len, self._owners)) > MOST_CHARACTERS:
            del self._owners[next(iter(self._owners))]
        self._sort()

    def drop(self, owner: object) -> None:
        """Discard the secrets that only this owner has."""
        for secret in list(self._owners):
            self._give_back(secret, id(owner))
        self._sort()

    def _give_back(self, secret: str, owner: int) -> None:
        self._owners[secret].discard(owner)
        if not self._owners[secret]:
            del self._owners[secret]

    def _sort(self) -> None:
        self._sorted = sorted(self._owners, key=len, reverse=True)

    def blank(self, text: str) -> str:
        """Return the text with each secret as `[secret]`."""
        for secret in self._sorted:
            if secret in text:
                text = text.replace(secret, BLANK)
        return text


def is_common(text: str) -> bool:
    """Tell whether blanking this text would hide more than a secret.

    True if it is short, a number, a date or a pattern, or if fewer than SHORTEST characters remain
    without its common words.
    """
    if len(text) < SHORTEST or len(set(text)) < _FEWEST_DIFFERENT or _NUMBERS.fullmatch(text):
        return True
    words = _WORDS.findall(text.lower())
    left = [word for word in words if word not in COMMON]
    return len(left) < len(words) and len("".join(left)) < SHORTEST
