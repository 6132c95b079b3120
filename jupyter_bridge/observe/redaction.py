"""A log without secrets and without control characters of strangers.

Each record begins at the margin and no other line does, and no control character of a stranger
reaches a terminal that shows the log:

- text of strangers is in a record's arguments (`log.info("%s: %s", name, error)`): their newlines
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

from jupyter_bridge.observe.known_secrets import BLANK, Hidden
from jupyter_bridge.wire.visible import short, visible, visible_lines

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
        # An exception as the message is text of a stranger as a whole.
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
