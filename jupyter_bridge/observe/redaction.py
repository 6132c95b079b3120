"""A log without secrets and without control characters of untrusted text.

Each record begins at the margin and no other line does, and no control character of untrusted text
reaches a terminal that shows the log:

- untrusted text is in a record's arguments (`log.info("%s: %s", name, error)`): their newlines
  and other invisible characters are escaped, and each argument is cut at 2,000 characters;
- the message itself and a traceback may have several lines. Their other invisible characters are
  escaped, and further lines are indented, so that none looks like a record of its own.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from numbers import Number
from typing import Any

from jupyter_bridge.wire.visible import short, visible, visible_lines

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
    """The secrets in use, by owner: any object, known by its identity, until `drop(owner)`.

    A secret is blanked wherever it occurs, so it must not blank the log itself. A secret that is
    short, or made of the words of requests and log lines, is ignored: it stays out of the log only
    because nothing logs secrets in the first place.
    """

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


# Tokens that are blanked everywhere, by the words before them: add further ones here.
_SECRETS = re.compile(
    r"(v1\.token\.websocket\.jupyter\.org\.|[?&](?:token|sessionID|sid)="
    r"|[Aa]uthorization['\"]?: ?['\"]?\w+ )"
    r"[^\s,&'\"]+"
)
_hidden = Hidden()


def hide(secret: str | None, owner: object) -> None:
    """Blank this text in the log until `owner` is dropped; common text is ignored."""
    if secret:
        _hidden.add(secret, owner)


def drop(owner: object) -> None:
    """Discard the secrets of `owner`."""
    _hidden.drop(owner)


def hidden(text: str) -> str:
    """Return the text with every known secret as `[secret]`."""
    return _hidden.blank(text)


# The most characters of one argument. Our own sentences and names are shorter.
_MOST_OF_ARGUMENT = 2000
# The query in the log line of a request. The rest of that line holds no secret of a connection, and
# blanking it would let users hide their requests by their choice of a password.
_QUERY = re.compile(r"\?\S*")
_MARGIN = re.compile(r"\n(?=\S)")


class Redact(logging.Filter):
    """A log filter that blanks tokens and secrets, and escapes invisible characters.

    Filtering a record twice is fine. The address that the host logs at its start keeps its token
    and its lines: users paste it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if (record.module, record.funcName) == ("serverapp", "start_app"):
            clean = _hidden.blank(text)
        elif record.funcName == "log_request":
            queries = _QUERY.sub(lambda found: _hidden.blank(found[0]), text)
            clean = _indented(_SECRETS.sub(rf"\1{BLANK}", queries))
        else:
            clean = _indented(_redacted(_with_shown_arguments(record, text)))
        if clean != text:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = _indented(_redacted(record.exc_text))
        if record.stack_info:
            record.stack_info = _indented(_redacted(record.stack_info))
        return True


def redact(log: logging.Logger | logging.LoggerAdapter[Any]) -> None:
    """Redact the records of `log`, and of all other loggers with the same handlers.

    A logger's own filter does not see the records of its children and of the host's other loggers;
    the filters of handlers do.
    """
    logger: logging.Logger | None = log.logger if isinstance(log, logging.LoggerAdapter) else log
    assert logger is not None
    if not any(isinstance(known, Redact) for known in logger.filters):
        logger.addFilter(Redact())
    while logger is not None:
        for handler in logger.handlers:
            if not any(isinstance(known, Redact) for known in handler.filters):
                handler.addFilter(Redact())
        logger = logger.parent if logger.propagate else None


class _Shown:
    """An argument of a record: blanked first, so that the cut leaves no half of a secret."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return short(visible(_redacted(str(self._value))), _MOST_OF_ARGUMENT)

    def __repr__(self) -> str:
        return short(visible(_redacted(repr(self._value))), _MOST_OF_ARGUMENT)


def _with_shown_arguments(record: logging.LogRecord, text: str) -> str:
    """Return the record's text with safe arguments; `text` is the text with the original ones."""
    if not record.args:
        # An exception as the message is untrusted as a whole.
        return text if isinstance(record.msg, str) else str(_Shown(record.msg))
    try:
        if isinstance(record.args, Mapping):
            return str(record.msg) % {key: _shown(arg) for key, arg in record.args.items()}
        return str(record.msg) % tuple(map(_shown, record.args))
    except (TypeError, ValueError):  # a format such as %d, or an argument with its own format
        return visible(text)


def _shown(value: object) -> object:
    return value if isinstance(value, Number) or value is None else _Shown(value)


def _indented(text: str) -> str:
    """Indent all lines but the first, and escape invisible characters."""
    return _MARGIN.sub("\n    ", visible_lines(text))


def _redacted(text: str) -> str:
    return _SECRETS.sub(rf"\1{BLANK}", _hidden.blank(text))
