"""Import a rarely needed module at its first use, without blocking the event loop."""

from __future__ import annotations

import asyncio
import importlib

_imported: set[str] = set()


async def imported(module: str) -> None:
    """Import `module` in a thread, once; later an `import` in a function takes no time.

    Several calls at the same time import once. Raises ImportError.
    """
    if module not in _imported:
        await asyncio.to_thread(importlib.import_module, module)
        _imported.add(module)
