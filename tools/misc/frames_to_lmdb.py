"""Copy the frames of a COCO-VID json into an LMDB database, for file systems slow at many files.

    python tools/misc/frames_to_lmdb.py VID.json FOLDER_OF_FRAMES frames.lmdb

A frame is stored under its ``file_name``, as the bytes of its file. A config reads it with

    LoadVideoFrame(backend_args=dict(backend='lmdb', db_path='frames.lmdb'))

and a dataset with ``data_root=''`` and ``data_prefix=dict(img_path='')``. Several json files may go
into one database, one after the other. An interrupted copy is continued by the same command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile

#: Frames written at once: what an interruption loses.
BATCH = 256
#: Room of the database beyond the frames themselves, in pages and as a share.
PAGE, SHARE = 4096, 1.1


def file_names(path: Path) -> list[str]:
    """The files of a json's frames, each once.

    Raises:
        ValueError: If a name cannot be a key: not ASCII, or longer than LMDB's 511 bytes.
    """
    names = list(dict.fromkeys(image['file_name'] for image in CocoVIDFile(str(path)).images))
    for name in names:
        if not name.isascii() or len(name) > 511:
            raise ValueError(f'{path}: {name!r} cannot be a key of the database, which takes up to '
                             '511 ASCII characters: rename the file')
    return names


def copy_frames(names: Sequence[str], folder: Path, out: Path) -> list[str]:
    """Copy the files that the database does not have yet.

    Args:
        names: Files below ``folder``.
        folder: Folder of the frames.
        out: Folder of the database.

    Returns:
        The files that could not be read, with the reason.

    Raises:
        ModuleNotFoundError: If lmdb is not installed.
        OSError: If the database cannot be written.
    """
    try:
        import lmdb
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('the package lmdb is not installed: pip install '
                                  "'mmvod_plugins[lmdb]'") from error
    failed = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sizes = ((folder / name).stat().st_size for name in names if (folder / name).is_file())
        room = sum(PAGE * (2 + size // PAGE) for size in sizes)
        with lmdb.open(str(out), map_size=1 << 20) as base, tqdm(total=len(names)) as bar:
            base.set_mapsize(int(SHARE * room) + base.info()['map_size']
                             + (out / 'data.mdb').stat().st_size)
            for batch in _batches(names):
                with base.begin(write=True) as transaction:
                    for name in batch:
                        if transaction.get(name.encode()) is None:
                            try:
                                transaction.put(name.encode(), (folder / name).read_bytes())
                            except OSError as error:
                                failed.append(f'{folder / name}: {error.strerror}')
                bar.update(len(batch))
    except lmdb.Error as error:
        raise OSError(f'{out} cannot be written ({error}): is the disk full?') from error
    return failed


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, BATCH)):
        yield batch


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('annotations', type=Path, help='COCO-VID json')
    parser.add_argument('frames', type=Path, help='folder to which its file names are relative')
    parser.add_argument('out', type=Path, help='folder of the database')
    args = parser.parse_args(argv)
    try:
        names = file_names(args.annotations)
        failed = copy_frames(names, args.frames, args.out)
    except (OSError, ValueError, KeyError, ModuleNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'interrupted: the same command goes on with {args.out}', file=sys.stderr)
        return 130
    print(f'{args.out}: {len(names) - len(failed)} of {len(names)} frames')
    for line in failed:
        print(f'error: {line}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
