"""How the C library treats the memory of tensors on a CPU."""

from __future__ import annotations

import ctypes
import os
import platform

# parameters of glibc's mallopt, from malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, and use it again.

    By default glibc takes every large block from the system and gives it back. Then each large
    tensor of each frame consists of pages that the system must find and clear first, which takes
    a few percent of a detector's time on a CPU, and a third on a busy machine ("Memory that is
    kept" in docs/benchmarks.md). The process then holds the most that it needed until it ends.

    Holds for the whole process and those that it forks. Settings by the environment
    (``MALLOC_...``, ``GLIBC_TUNABLES``) stay as they are, and so do other C libraries.

    Returns:
        Whether anything was changed.
    """
    chosen = any(name.startswith('MALLOC_') for name in os.environ) or (
        'glibc.malloc' in os.environ.get('GLIBC_TUNABLES', ''))
    if chosen or platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # no blocks of their own from the system, and nothing back from the end of the heap
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
