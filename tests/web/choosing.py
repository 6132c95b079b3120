"""An authorizer that refuses what the file TEST_DENIED names, and allows everything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from jupyter_server.auth import Authorizer


class Choosing(Authorizer):
    """TEST_DENIED holds a JSON list of `action resource`; `*` stands for any action."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        denied = json.loads(Path(os.environ["TEST_DENIED"]).read_text())
        return not {f"{action} {resource}", f"* {resource}", f"{action} *"} & set(denied)
