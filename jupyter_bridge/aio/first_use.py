"""Import what few users need when it is needed, without holding up the event loop."""

from __future__ import annotations

import asyncio
import importlib

_imported: set[str] = set()


async def imported(module: str) -> None:
    """Import `module` in a thread, once; from then on an `import` in a function takes no time.

    Python's own lock makes one import of several at once. Raises ImportError.
    """
    if module not in _imported:
        await asyncio.to_thread(importlib.import_module, module)
        _imported.add(module)
