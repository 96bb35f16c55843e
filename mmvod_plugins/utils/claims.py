"""Claims on pieces of work among processes of any machines that share a folder."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path


class Claim:
    """A claim on one piece of work; ``with claim:`` releases it.

    The file ``NAME.0`` is created exclusively, which shared file systems do atomically. While the
    claim is held its time is renewed; if its process has died, or its time is older than
    ``patience``, the next process creates ``NAME.1`` exclusively, and so on: whoever holds the
    highest number has the claim, so that no two take over the same one.

    Args:
        folder: Shared folder of the claims.
        name: Name of the piece of work, a file name.
        patience: Seconds after which a claim that is not renewed is lost.
    """

    def __init__(self, folder: Path, name: str, patience: float = 600.0) -> None:
        self.folder, self.name, self.patience = folder, name, patience
        self._number = -1
        self._released = threading.Event()

    def acquire(self) -> bool:
        """Take the claim; False if another process has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.suffix[1:]) for path in self.folder.glob(f'{_escaped(self.name)}.*')
                   if path.suffix[1:].isdecimal()]
        last = max(numbers, default=-1)
        if last >= 0 and not self._is_lost(self._file(last)):
            return False
        try:
            handle = os.open(self._file(last + 1), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(handle, 'w') as file:
            json.dump(dict(host=socket.gethostname(), process=os.getpid()), file)
        self._number = last + 1
        threading.Thread(target=self._renew, daemon=True).start()
        return True

    def release(self) -> None:
        """Give the claim back: the work is done, or another process shall do it."""
        self._released.set()
        for number in range(self._number, -1, -1):
            self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.folder / f'{self.name}.{number}'

    def _renew(self) -> None:
        while not self._released.wait(min(30.0, self.patience / 4)):
            try:
                os.utime(self._file(self._number))
            except OSError:
                return

    def _is_lost(self, path: Path) -> bool:
        """Whether the process of a claim has died, or did not renew it for too long."""
        clock = self.folder / f'.clock.{socket.gethostname()}.{os.getpid()}'
        try:
            holder = json.loads(path.read_text() or '{}')
            clock.touch()  # the file system's time: that of machines may differ
            age = clock.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return False  # just released
        except ValueError:
            holder, age = {}, time.time() - path.stat().st_mtime
        finally:
            clock.unlink(missing_ok=True)
        if holder.get('host') == socket.gethostname() and not _lives(holder['process']):
            return True
        return age > self.patience

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _escaped(name: str) -> str:
    return ''.join(f'[{c}]' if c in '*?[' else c for c in name)
