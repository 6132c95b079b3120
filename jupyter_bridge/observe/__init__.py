"""What an operator sees: Prometheus metrics, Jupyter events, and a log without secrets.

The metrics stand on the host's `/metrics`; the events go to the host's event logger. Neither ever
carries a secret, a command's text or a message's content.

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

from prometheus_client import Counter, Gauge, Histogram

from jupyter_bridge.observe.known_secrets import BLANK, Hidden
from jupyter_bridge.wire.visible import short, visible, visible_lines

MESSAGES = Counter(
    "jupyter_bridge_messages",
    "Kernel messages relayed, by channel and direction (in: to the kernel, out: from it).",
    ["channel", "direction"],
)
MESSAGE_BYTES = Counter(
    "jupyter_bridge_message_bytes",
    "Bytes of kernel messages relayed, by channel and direction.",
    ["channel", "direction"],
)
CLIENTS = Gauge("jupyter_bridge_clients", "Seats on relayed kernels that are open now.")
RELAYS = Gauge("jupyter_bridge_relays", "Kernels with an open relay.")
RING_BYTES = Gauge("jupyter_bridge_ring_bytes", "Bytes held of what kernels said lately.")
GAPS = Counter("jupyter_bridge_gaps", "Gaps told to clients that were too slow or away too long.")
REFUSED = Counter(
    "jupyter_bridge_refused",
    "Messages that were not passed on, by reason: signature, malformed, unrouted, message-type, "
    "input-reply.",
    ["reason"],
)
EXECUTION_SECONDS = Histogram(
    "jupyter_bridge_execution_seconds",
    "Duration of executions asked for over HTTP, by how they ended.",
    ["status"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600),
)
RUN_SECONDS = Histogram(
    "jupyter_bridge_run_seconds",
    "Duration of shell commands that were run, by how they ended.",
    ["status"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600),
)
CONSOLES = Gauge("jupyter_bridge_consoles", "Consoles that are live now.")
CONSOLE_VIEWERS = Gauge("jupyter_bridge_console_viewers", "Viewers of consoles, writers included.")
CONSOLE_BYTES = Counter("jupyter_bridge_console_bytes", "Bytes that consoles said.", ["kind"])
CONSOLE_SENT = Counter("jupyter_bridge_console_sent_bytes", "Bytes of consoles sent to viewers.")
CONSOLE_GAPS = Counter("jupyter_bridge_console_gaps", "Gaps told to viewers of consoles.")
CONSOLE_LAG = Histogram(
    "jupyter_bridge_console_lag_bytes",
    "How far behind the present a viewer was at each frame.",
    buckets=(0, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26),
)
CONNECTIONS = Gauge(
    "jupyter_bridge_connections", "Connections, by kind and state.", ["kind", "state"]
)
LOGINS = Counter(
    "jupyter_bridge_logins",
    "Logins to remotes, by kind and what came of them.",
    ["kind", "outcome"],
)
LOGIN_SECONDS = Histogram(
    "jupyter_bridge_login_seconds",
    "Duration of logins to remotes, by kind.",
    ["kind"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)

_EVENTS = "https://events.jupyter.org/jupyter_bridge"


def _schema(name: str, title: str, description: str, **properties: Any) -> dict[str, Any]:
    return {
        "$id": f"{_EVENTS}/{name}/v1",
        "version": "1",
        "title": title,
        "description": description,
        "personal-data": True,
        "type": "object",
        "required": list(properties),
        "properties": properties,
    }


_WHO = {"type": "string", "description": "The user name, as the identity provider gives it."}
_CONSOLE = {"type": "string", "description": "The name of the console."}
_CONNECTION = {"type": "string", "description": "The connection's name."}
_KIND = {"type": "string", "description": "The connection's kind."}
_STATE = {
    "type": "string",
    "description": "disconnected, connecting, connected, expired, …; gone: it is not there",
}
_KERNEL = {"type": "string", "description": "The kernel's id in the host's kernel manager."}

SCHEMAS = {
    schema["$id"].split("/")[-2]: schema
    for schema in [
        _schema(
            "kernel_spawn",
            "Kernel spawned",
            "Somebody spawned a kernel through the bridge.",
            user=_WHO,
            kernel_id=_KERNEL,
            kernelspec={"type": "string", "description": "The name of its kernelspec."},
        ),
        _schema(
            "kernel_shutdown",
            "Kernel shut down",
            "Somebody shut a kernel down through the bridge.",
            user=_WHO,
            kernel_id=_KERNEL,
        ),
        _schema(
            "kernel_state",
            "Kernel changed",
            "A kernel, whoever started it, does something else, has other clients, or is gone.",
            kernel_id=_KERNEL,
            state={
                "type": "string",
                "description": "starting, idle, busy, restarting, dead; clients: their number "
                "changed; gone: shut down, culled",
            },
        ),
        _schema(
            "console_steal",
            "Console taken over",
            "Somebody took a console over; the other writers became watchers.",
            user=_WHO,
            console=_CONSOLE,
        ),
        _schema(
            "console_run",
            "Command run",
            "Somebody ran a shell command; what it was is not told.",
            user=_WHO,
            console=_CONSOLE,
            run={"type": "string", "description": "The run's id."},
        ),
        _schema(
            "console_end",
            "Console ended",
            "What a console showed has ended.",
            console=_CONSOLE,
            kind={"type": "string", "description": "terminal, kernel, or a connector's own."},
        ),
        _schema(
            "console_state",
            "Console changed",
            "A console appeared, said something, has other viewers, ended, or is gone.",
            console=_CONSOLE,
            kind={"type": "string", "description": "terminal, kernel, file, remote, …"},
            state={"type": "string", "description": "live, ended or gone"},
        ),
        _schema(
            "connection_state",
            "Connection changed",
            "A connection came, is gone, is in another state, or shows something new in the same "
            "one: a mount, how far a login has come.",
            connection=_CONNECTION,
            kind=_KIND,
            state=_STATE,
            before=_STATE,
        ),
        _schema(
            "transfer_state",
            "Transfer changed",
            "A data set on its way came into another state.",
            connection=_CONNECTION,
            transfer={"type": "string", "description": "The transfer's id."},
            direction={"type": "string", "description": "download or upload"},
            state={"type": "string", "description": "queued, running, paused, done, failed, …"},
        ),
        _schema(
            "connection_action",
            "Connection used",
            "Somebody changed a connection, or moved data through it.",
            user=_WHO,
            connection=_CONNECTION,
            kind=_KIND,
            action={
                "type": "string",
                "description": "add, remove, login, logout, mount, unmount, download, upload, "
                "cancel, pause, resume",
            },
            outcome={"type": "string", "description": "ok, or the Problem's code."},
        ),
    ]
}


class Events:
    """The bridge's own events, emitted on the host's event logger (None: nowhere)."""

    def __init__(self, logger: Any = None) -> None:
        self._logger = logger
        if logger is not None:
            for schema in SCHEMAS.values():
                if schema["$id"] not in logger.schemas:
                    logger.register_event_schema(schema)

    def emit(self, name: str, **data: str) -> None:
        """Emit the event `name` (a key of SCHEMAS) with all its properties."""
        if self._logger is not None:
            self._logger.emit(schema_id=SCHEMAS[name]["$id"], data=data)


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
