"""A lock that ends with its process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import warnings
from pathlib import Path


class FileLock:
    """Exclusive use of something by one process, over a shared file system too.

    The lock is one of the operating system: a killed process leaves the file, not the lock, and
    forked processes do not inherit it.

    Args:
        path: File that is locked; its folder is created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> str | None:
        """Take the lock; without locks in the file system it is given with a warning.

        Returns:
            None, or the holder if another process has it.
        """
        if self._handle is not None:
            return None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    holder = os.read(handle, 200).decode(errors='replace')
                    os.close(handle)
                    return holder or 'another process'
                warnings.warn(f'{self.path} cannot be locked ({error.strerror}): do not write to '
                              'the same place with another process', stacklevel=2)
            if self._is_there(handle):
                break
            os.close(handle)  # the holder before has just removed the file
        os.ftruncate(handle, 0)
        os.write(handle, f'process {os.getpid()} on {socket.gethostname()}'.encode())
        self._handle = handle
        return None

    def release(self) -> None:
        """Give the lock back and remove its file; without the lock nothing happens."""
        if self._handle is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _is_there(self, handle: int) -> bool:
        """Whether the file that was opened still has its name."""
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.path))
        except FileNotFoundError:
            return False
