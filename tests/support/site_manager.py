"""A terminal manager as a site may have its own; named in the host's configuration by a test."""

from __future__ import annotations

from typing import Any

from jupyter_server_terminals.terminalmanager import TerminalManager


class SiteManager(TerminalManager):
    """Gives each terminal a variable of the site's."""

    def new_terminal(self, **kwargs: Any) -> Any:
        kwargs["extra_env"] = {**(kwargs.get("extra_env") or {}), "SITE": "ours"}
        return super().new_terminal(**kwargs)
