"""A log without secrets and without control characters of strangers.

In the log one record is one line at the margin, whoever wrote it, and no control character of a
stranger reaches the terminal that shows it:

- a record's arguments are where strangers' text stands (`log.info("%s: %s", name, error)`): in them
  newlines and all other unseen characters become visible, and each is cut at 2,000 characters;
- the text around them may have several lines, as the host's start-up text has; a traceback, too.
  Every other unseen character becomes visible, and each further line is indented, so that none can
  be taken for a record of its own.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from numbers import Number
from typing import Any

from jupyter_bridge.observe.known_secrets import BLANK, Hidden
from jupyter_bridge.wire.visible import short, visible, visible_lines

# What is blanked wherever it stands, by the words before it: add further ones here.
_SECRETS = re.compile(
    r"(v1\.token\.websocket\.jupyter\.org\.|[?&](?:token|sessionID|sid)="
    r"|[Aa]uthorization['\"]?: ?['\"]?\w+ )"
    r"[^\s,&'\"]+"
)
_hidden = Hidden()


def hide(secret: str | None, owner: object) -> None:
    """Never let this text into a log until `owner` is dropped; common text is not taken."""
    if secret:
        _hidden.add(secret, owner)


def drop(owner: object) -> None:
    """Forget the secrets of an owner that is gone."""
    _hidden.drop(owner)


def hidden(text: str) -> str:
    """The text with every secret that is hidden now as `[secret]`."""
    return _hidden.blank(text)


# Characters of one argument of a record. Our own sentences and names are shorter.
_MOST_OF_ARGUMENT = 2000
# A query in the line that tells of a request. The rest of that line holds no connection's secret,
# and blanking it would let whoever chooses a password choose what is not seen of their requests.
_QUERY = re.compile(r"\?\S*")
_MARGIN = re.compile(r"\n(?=\S)")


class Redact(logging.Filter):
    """A log filter that blanks tokens and secrets, and shows what strangers' text has unseen.

    Filtering a record again changes nothing. The host's own address, which it says when it starts,
    keeps its token, and that text its lines: it is there to be pasted.
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
    """Redact what `log` writes, and what anybody else writes to the same places.

    A logger's own filter does not see what its children and the host's other loggers say; the
    filters of handlers do. Every secret is looked for, so this is done once for each handler.
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
    """An argument of a record: blanked first, so that no cut leaves the half of a secret."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return short(visible(_redacted(str(self._value))), _MOST_OF_ARGUMENT)

    def __repr__(self) -> str:
        return short(visible(_redacted(repr(self._value))), _MOST_OF_ARGUMENT)


def _with_shown_arguments(record: logging.LogRecord, text: str) -> str:
    """The record's text with its arguments made safe; `text` is the text without that."""
    if not record.args:
        # An exception that is logged as the message is a stranger's text as a whole.
        return text if isinstance(record.msg, str) else str(_Shown(record.msg))
    try:
        if isinstance(record.args, Mapping):
            return str(record.msg) % {key: _shown(arg) for key, arg in record.args.items()}
        return str(record.msg) % tuple(map(_shown, record.args))
    except (TypeError, ValueError):  # an argument of a kind that %d takes, or one of one's own
        return visible(text)


def _shown(value: object) -> object:
    return value if isinstance(value, Number) or value is None else _Shown(value)


def _indented(text: str) -> str:
    """Our own lines, the first at the margin and no other; with what is unseen made visible."""
    return _MARGIN.sub("\n    ", visible_lines(text))


def _redacted(text: str) -> str:
    return _SECRETS.sub(rf"\1{BLANK}", _hidden.blank(text))
