"""The errors of decoding JSON of strangers: `except UNREADABLE`.

Besides its own errors msgspec raises Python's, for text that is not UTF-8 and for endless nesting.
"""

from __future__ import annotations

import msgspec

JSON_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)
