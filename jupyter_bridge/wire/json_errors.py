"""The errors of decoding untrusted JSON: `except JSON_ERRORS`.

Besides its own errors msgspec raises Python's, for text that is not UTF-8 and for deep nesting.
"""

from __future__ import annotations

import msgspec

JSON_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)
