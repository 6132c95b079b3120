"""The plain client has the verbs of the async one, with the same arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import jupyter_bridge.client
from jupyter_bridge.client import bridge, channels, connections, console_stream, consoles, runs
from jupyter_bridge.client import stream as streams
from jupyter_bridge.client.sync import bridge as sync

PAIRS = [
    (bridge.BridgeClient, sync.Bridge),
    (consoles.Consoles, sync.SyncConsoles),
    (runs.Runs, sync.SyncRuns),
    (connections.Connections, sync.SyncConnections),
    (streams.Stream, sync.SyncStream),
    (runs.RunStream, sync.SyncRunStream),
    (channels.Channels, sync.SyncChannels),
    (console_stream.ConsoleStream, sync.SyncConsoleStream),
]
# Attributes that an async object has from its making on only.
ATTRIBUTES = {"result", "run", "session_id", "after", "offset", "epoch", "about"}
# What each side has in its own way: how it is opened and closed, and waiting for a while.
OWN = {"open", "close", "aclose", "receive"}


def verbs(kind: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("asynchronous", "plain"), PAIRS)
def test_every_verb(asynchronous: type, plain: type) -> None:
    """No verb is missing on either side, and the plain one is made of the other."""
    ours, theirs = verbs(plain), verbs(asynchronous)
    assert theirs.keys() - ours.keys() <= OWN
    assert ours.keys() - theirs.keys() <= OWN | ATTRIBUTES
    own = OWN if plain is not sync.SyncConsoles else set()
    for name in (ours.keys() & theirs.keys()) - own:
        if inspect.isfunction(theirs[name]):
            assert inspect.unwrap(ours[name]) is theirs[name]


def test_every_name() -> None:
    """Each name of the client is imported on its first use; others do not exist."""
    package = jupyter_bridge.client
    assert set(dir(package)) == set(package.__all__) == set(package._MODULE_OF)
    assert all(getattr(package, name).__name__ == name for name in package.__all__)
    assert not hasattr(package, "Connect")
