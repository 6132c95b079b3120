"""A server's configuration: notes the files of the bridge that each marked request enters.

A request is marked by the header X-Crossing. At its end a line is added to the file that
CROSSINGS_FILE names: `[mark, [file, …]]` as JSON, the files relative to the package. What the
request starts and leaves behind counts until then.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

from tornado.web import RequestHandler

import jupyter_bridge

PACKAGE = f"{Path(jupyter_bridge.__file__).parent}{os.sep}"
entered: ContextVar[set[str]] = ContextVar("entered")
execute = RequestHandler._execute


def note(frame: FrameType, event: str, _: object) -> None:
    if event == "call":
        files = entered.get(None)
        if files is not None and frame.f_code.co_filename.startswith(PACKAGE):
            files.add(frame.f_code.co_filename.removeprefix(PACKAGE))


async def noting(self: RequestHandler, *arguments: Any, **named: Any) -> None:
    mark = self.request.headers.get("X-Crossing")
    files: set[str] = set()
    if mark is not None:
        entered.set(files)
    try:
        await execute(self, *arguments, **named)
    finally:
        if mark is not None:
            with Path(os.environ["CROSSINGS_FILE"]).open("a") as out:
                out.write(json.dumps([mark, sorted(files)]) + "\n")


RequestHandler._execute = noting  # type: ignore[method-assign]
sys.setprofile(note)
threading.setprofile(note)
