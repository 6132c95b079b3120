"""What lists show: the consoles that are known here, and the unopened ones of connections."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_bridge.consoles.connection_consoles import ConnectionConsoles
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.models.consoles import ConsoleModel
from jupyter_bridge.wire.names import ConsoleName


def shown_models(
    consoles: Iterable[Console], remotes: ConnectionConsoles | None, connection: str | None = None
) -> list[ConsoleModel]:
    """Return every console as lists show it; of one connection, if given."""
    offers = {} if remotes is None else remotes.offers(connection)
    shown = {
        one.name: one.model()
        for one in consoles
        if one.is_listed and connection in (None, ConsoleName.parse(one.name).connection)
    }
    for name, offer in offers.items():
        known = shown.setdefault(name, offer)
        if known.kind != offer.kind:
            continue  # a terminal that took the name
        if known.state == "ended" != offer.state:  # ended here only; it can be opened again
            known.state, known.exit_code = offer.state, None
    return list(shown.values())


def shown_state(
    name: str, kind: str, console: Console | None, remotes: ConnectionConsoles | None
) -> str:
    """Return the state that lists show of the console of this name; `gone` if it has none."""
    state: str = console.state if console is not None and console.is_listed else "gone"
    if state != "live" and kind == "remote" and remotes is not None:
        # As in `shown_models`: it has ended here only, and can be opened again.
        return remotes.state_of(name) or state
    return state
