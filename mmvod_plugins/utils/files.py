"""Writing of files: whole or not at all, and never over what is read."""

from __future__ import annotations

import os
import secrets
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def check_output(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = (),
                 suffixes: Sequence[str] = ()) -> None:
    """Check that a file can be written, before the work that it is for.

    Args:
        path: The file; its folder may be missing.
        inputs: Files and folders that are read, which it must not replace.
        suffixes: Endings that its name may have, in any case; none for all.

    Raises:
        ValueError: If the ending is another, or the path is one that is read.
        OSError: If it is a folder, or its folder cannot be written to.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(f'the name of {path} must end with {" or ".join(suffixes)}')
    for read in inputs:
        if path.exists() and os.path.exists(read) and os.path.samefile(path, read):
            raise ValueError(f'{path} is read and would be overwritten: name another output file')
    if path.is_dir():
        raise IsADirectoryError(f'{path} is a folder: name a file in it')
    if path.exists() and not path.is_file():  # a device or a pipe, for a text
        return
    folder = Path(os.path.realpath(path)).parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f'{path} cannot be written: {folder} accepts no new file '
                          f'({error.strerror})') from error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside a file; the file is replaced when the block succeeds.

    Args:
        path: The file; its folder is created, a link is followed.

    Yields:
        The temporary name, with the file's suffix.

    Raises:
        OSError: If it is a folder or a device, or cannot be written; with the file's name, which
            a full disk does not give.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError(f'{path} is not a regular file and cannot be replaced')
    path.parent.mkdir(parents=True, exist_ok=True)
    part = temporary_name(path)
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """Hidden name beside a file with its suffix, for this process; never too long."""
    digest = zlib.crc32(os.fsencode(path.name))
    # The number of a process is no name for it: another machine may have one with that number.
    return path.with_name(f'.{digest:08x}.{os.getpid()}.{secrets.token_hex(4)}.part{path.suffix}')


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text; an existing file is replaced only when the new one is complete."""
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe
        Path(path).write_text(text, encoding='utf-8')
        return
    with replacing(path) as part:
        part.write_text(text, encoding='utf-8')
