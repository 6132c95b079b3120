"""What the Unicode classes of a pattern cost, known before RE2 compiles it.

RE2 first writes the program of every copy of a class, and then checks its size: `\\pL` has 1,200
instructions, and 50 of them take 70 ms, in which nothing else runs in this process.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_UNICODE = r"\\[pP](?:\{\^?\w*\}|[^{])"
_CLASS = r"\[\^?\]?(?:\[:\^?\w*:\]|\\.|[^\]\\])*\]?"
_PART = re.compile(
    rf"\\Q.*?(?:\\E|\Z)|{_UNICODE}|\\.|{_CLASS}|\{{(?P<few>\d+),?(?P<most>\d*)\}}|.", re.DOTALL
)
_UNICODE_CLASS = re.compile(_UNICODE, re.DOTALL)


def unicode_size(pattern: str, size_of: Callable[[str], int]) -> int:
    """Return the instructions of all copies of Unicode classes that the repeats make.

    `size_of` returns those of one class, as `\\pL` or `\\p{Greek}`.
    """
    groups = [0]  # the size of each open group so far
    last = 0  # the size of what a repeat would repeat
    for part in _PART.finditer(pattern):
        if part["few"] is not None:
            times = max(int(part["few"]), int(part["most"] or 0), 1)
            groups[-1] += last * (times - 1)
            last *= times
        elif part[0] == "(":
            groups.append(0)
            last = 0
        elif part[0] == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        else:
            classes = () if part[0].startswith(r"\Q") else _UNICODE_CLASS.findall(part[0])
            last = sum(map(size_of, classes))
            groups[-1] += last
    return sum(groups)
