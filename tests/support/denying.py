"""An authorizer that allows only the actions in TEST_ALLOWED on the bridge."""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.auth import Authorizer


class Denying(Authorizer):
    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action in os.environ.get("TEST_ALLOWED", "").split()
