"""The bridge's Jupyter events, emitted on the host's event logger."""

from __future__ import annotations

from typing import Any

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
            "A user spawned a kernel through the bridge.",
            user=_WHO,
            kernel_id=_KERNEL,
            kernelspec={"type": "string", "description": "The name of its kernelspec."},
        ),
        _schema(
            "kernel_shutdown",
            "Kernel shut down",
            "A user shut a kernel down through the bridge.",
            user=_WHO,
            kernel_id=_KERNEL,
        ),
        _schema(
            "kernel_state",
            "Kernel changed",
            "A kernel, whoever started it, changed its state or its clients, or is gone.",
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
            "A user took a console over; the other writers became watchers.",
            user=_WHO,
            console=_CONSOLE,
        ),
        _schema(
            "console_run",
            "Command run",
            "A user ran a shell command; the event does not contain the command.",
            user=_WHO,
            console=_CONSOLE,
            run={"type": "string", "description": "The run's id."},
        ),
        _schema(
            "console_end",
            "Console ended",
            "The terminal, kernel or remote of a console ended.",
            console=_CONSOLE,
            kind={"type": "string", "description": "terminal, kernel, or a connector's own."},
        ),
        _schema(
            "console_state",
            "Console changed",
            "A console appeared, has output or other viewers, ended, or is gone.",
            console=_CONSOLE,
            kind={"type": "string", "description": "terminal, kernel, file, remote, …"},
            state={"type": "string", "description": "live, ended or gone"},
        ),
        _schema(
            "connection_state",
            "Connection changed",
            "A connection was added or removed, changed its state, or has news in the same state: "
            "a mount, the progress of a login.",
            connection=_CONNECTION,
            kind=_KIND,
            state=_STATE,
            before=_STATE,
        ),
        _schema(
            "transfer_state",
            "Transfer changed",
            "A transfer changed its state.",
            connection=_CONNECTION,
            transfer={"type": "string", "description": "The transfer's id."},
            direction={"type": "string", "description": "download or upload"},
            state={"type": "string", "description": "queued, running, paused, done, failed, …"},
        ),
        _schema(
            "connection_action",
            "Connection used",
            "A user changed a connection, or moved data through it.",
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
