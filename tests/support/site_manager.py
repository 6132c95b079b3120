"""A terminal manager of a site's own, which a test sets in the host's configuration."""

from __future__ import annotations

from typing import Any

from jupyter_server_terminals.terminalmanager import TerminalManager


class SiteManager(TerminalManager):
    """Sets an environment variable in each terminal."""

    def new_terminal(self, **kwargs: Any) -> Any:
        kwargs["extra_env"] = {**(kwargs.get("extra_env") or {}), "SITE": "ours"}
        return super().new_terminal(**kwargs)
