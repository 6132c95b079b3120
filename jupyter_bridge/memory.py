"""Settings of Python and of the C library for the memory of the whole server process."""

from __future__ import annotations

import ctypes
import gc
import sys

# Parameters of mallopt (man 3 mallopt), and their values. Bytes: a larger block is given back as
# soon as it is freed; of smaller ones so much is kept. One heap for all threads, of which Python
# runs one at a time: with one for each, every thread keeps what it has freed.
_MMAP_THRESHOLD, _LARGE = -3, 4 << 20
_TRIM_THRESHOLD, _KEPT = -1, 8 << 20
_ARENA_MAX, _HEAPS = -8, 1


def settle() -> None:
    """Make collections short, and give large freed blocks back; call it when the server runs.

    The host's 200,000 objects last as long as it does. A full collection looked at all of them,
    which stopped the server for up to 280 ms. glibc, once it has freed a block of 32 MB, keeps
    smaller ones for itself: some messages of 10 MB made the server grow by 40 MB. Of the pieces of
    a transfer it keeps too little by itself: each would be fetched again page by page.
    """
    if gc.get_freeze_count():
        return
    gc.freeze()
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not with musl
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, _LARGE)
            mallopt(_TRIM_THRESHOLD, _KEPT)
            mallopt(_ARENA_MAX, _HEAPS)
