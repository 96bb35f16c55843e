"""Interruptions (Ctrl-C) that wait until a file is finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptions_wait() -> Iterator[None]:
    """Hold an interruption back until the block ends; other threads than the main one get none.

    Raises:
        KeyboardInterrupt: After the block, if an interruption came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items()
              if handler is signal.default_int_handler}  # a handler of another program stays
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt
