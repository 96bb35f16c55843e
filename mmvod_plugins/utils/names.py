"""Names of image and video files: natural order, and matching of names written differently."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

#: Suffixes of images, in lower case.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
#: Suffixes of video files, in lower case.
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv',
                  '.ts', '.m2ts', '.ogv', '.3gp', '.gif')
_OTHER_SUFFIXES = ('.tif', '.tiff', '.webp')


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts the numbers in names by value: ``2.png`` before ``10.png``."""
    parts = re.split(r'([0-9]+)', name)
    return [(0, int(part), part) if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


class FileNames:
    """Looks files up by names that may lack folders or the suffix, or have more folders.

    Two names are the same file if the shorter path is the end of the longer one. Suffixes of
    images do not count; numbers are text.

    Args:
        files: Name and value of each file.
    """

    def __init__(self, files: Iterable[tuple[str, Hashable]]) -> None:
        self._exact: dict[str, Hashable] = {}
        self._whole: dict[tuple[str, ...], list[Hashable]] = {}
        self._ends: dict[tuple[str, ...], list[Hashable]] = {}
        for name, value in files:
            self._exact[name] = value
            parts = path_parts(name)
            self._whole.setdefault(parts, []).append(value)
            for start in range(len(parts)):
                self._ends.setdefault(parts[start:], []).append(value)

    def find(self, name: str) -> list[Hashable]:
        """Values of the files that a name can mean; empty if there is none."""
        if name in self._exact:
            return [self._exact[name]]
        parts = path_parts(name)
        if parts in self._ends:
            return self._ends[parts]
        return next((self._whole[parts[start:]] for start in range(1, len(parts))
                     if parts[start:] in self._whole), [])


def path_parts(name: str) -> tuple[str, ...]:
    """Parts of a path without the suffix of an image; both kinds of slashes separate."""
    lower = name.lower()
    for suffix in (*IMAGE_SUFFIXES, *_OTHER_SUFFIXES):
        if lower.endswith(suffix):
            name = name[:-len(suffix)]
            break
    return tuple(part for part in re.split(r'[\\/]+', name) if part not in ('', '.'))
