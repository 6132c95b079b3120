"""What reading JSON of unknown make may raise: `except UNREADABLE` wherever others wrote the bytes.

Besides its own errors msgspec raises those of Python: for text that is not UTF-8, and for lists in
lists without end.
"""

from __future__ import annotations

import msgspec

JSON_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)
