"""Why RE2 refuses a pattern, in plain words."""

from __future__ import annotations

TOO_LARGE = "the pattern is too large; use fewer or smaller repeats"
_FAULTS = {
    "missing )": "a ( is not closed",
    "unexpected )": "a ) closes nothing",
    "missing ]": "a [ is not closed",
    "trailing \\": "a \\ at the end escapes nothing",
    "no argument for repetition operator": "there is nothing to repeat",
    "bad repetition operator": "a repeat follows a repeat",
    "invalid repetition size": "repeat at most 1000 times, the smaller number first, not",
    "invalid escape sequence": "RE2 does not know",
    "invalid perl operator": "RE2 does not know the group",
    "invalid character class range": "no such characters",
    "invalid named capture group": "not a name for a group",
}
# With these errors RE2 quotes the whole rest of the pattern.
_WITHOUT_QUOTE = ("missing )", "unexpected )", "missing ]", "trailing \\")


def fault_of(error: Exception) -> str:
    """Return the fault that an error of RE2 names, without a full stop."""
    message = error.args[0] if error.args else b""
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    if "too large" in text:
        return TOO_LARGE
    kind, _, quoted = text.partition(": ")
    fault = _FAULTS.get(kind, "not a pattern in RE2's syntax")
    if kind in _WITHOUT_QUOTE or not quoted:
        return f"not a pattern: {fault}"
    return f"not a pattern: {fault}: {quoted}"
