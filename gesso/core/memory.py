"""Memory of a process that has pictures in its hands: what one of them took is kept for the next one.

The C library gives blocks of megabytes back to the system as soon as they are free, or not, as their sizes happen to
follow each other. A page that comes back from the system costs ten times one that was kept, on a virtual machine
more: 6 ms of CPU for each picture (measured by `benchmarks`, part cost, with and without the call in `config.worker`).
"""

import ctypes
import sys

KEPT = 32 * 1024 * 1024  # bytes, by each of a few arenas of the allocator
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def keep() -> None:
    """Keep up to KEPT free bytes instead of giving them back; a system without glibc does as it likes."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_THRESHOLD, KEPT)
        mallopt(_M_TRIM_THRESHOLD, KEPT)
