"""A compact form of a large annotation file beside it, mapped into memory by all processes."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from mmengine.logging import print_log

from mmvod_plugins.utils.files import replacing

#: Size of an annotation file, in bytes, from which on a compact form and a line of progress pay.
LARGE = 2**26
#: Changes when the form or the content of caches does.
VERSION = 2


def is_large(path: str | Path) -> bool:
    """Whether it is a file on a disk, of at least ``LARGE`` bytes."""
    path = Path(path)
    return path.is_file() and path.stat().st_size >= LARGE


@dataclass
class CachedVideos:
    """Videos as a data set serves them.

    Attributes:
        facts: What is no array: class names, warnings of the reading, ids and lengths of videos.
        data: (bytes,), uint8, the pickled videos in a row.
        ends: (V,), int64, where each video ends in ``data``.
        key_frame_ids: (K,), int64, possible key frames of all videos in a row.
        key_frame_ends: (V,), int64, where those of each video end.
    """

    facts: dict[str, Any]
    data: np.ndarray
    ends: np.ndarray
    key_frame_ids: np.ndarray
    key_frame_ends: np.ndarray


class AnnotationCache:
    """The compact form of an annotation file for one kind of use.

    It is made anew when the file has another size or time of change, as a copy has. It holds plain
    values alone: one that somebody else has made cannot run code.

    Args:
        source: The annotation file.
        settings: All else that the content depends on; each has a file of its own.
    """

    def __init__(self, source: str | Path, settings: Sequence[Any]) -> None:
        self.source = Path(source)
        digest = hashlib.sha256(repr([VERSION, *settings]).encode()).hexdigest()[:12]
        self.path = self.source.with_name(f'.{self.source.name}.{digest}.cache.npy')
        self._before = self._state()  # of what will be read: the file may change meanwhile

    def read(self) -> CachedVideos | None:
        """Videos that were kept; None where none were, the file has changed, or it is damaged."""
        content = self.read_arrays()
        if content is None:
            return None
        facts, arrays = content
        others = (np.array(arrays[name]) for name in ('ends', 'key_frame_ids', 'key_frame_ends'))
        return CachedVideos(facts, arrays['data'], *others)

    def write(self, videos: CachedVideos) -> None:
        """Keep videos, see :meth:`write_arrays`."""
        self.write_arrays(videos.facts, {
            **{name: getattr(videos, name).astype(np.int64)
               for name in ('ends', 'key_frame_ids', 'key_frame_ends')}, 'data': videos.data})

    def read_arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """What :meth:`write_arrays` kept, the arrays mapped from the file and not to be written to.

        None where nothing was kept, the file has changed, or it is damaged.
        """
        try:
            content = np.load(self.path, mmap_mode='r', allow_pickle=False)
            size = int(content[:8].view(np.int64)[0])
            facts = json.loads(content[8:8 + size].tobytes())
            if facts['source'] != self._before:
                return None
            rest, arrays = content[8 + size:], {}
            for name, dtype, shape in facts['arrays']:
                end = int(np.prod(shape)) * np.dtype(dtype).itemsize
                if end > len(rest):
                    return None
                arrays[name] = rest[:end].view(dtype).reshape(shape)
                rest = rest[end:]
            if len(rest):
                return None
        except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError):
            return None
        return facts, arrays

    def write_arrays(self, facts: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Keep facts, of the kinds that json has, and arrays of numbers.

        Where the folder cannot be written to, a warning is logged.
        """
        shapes = [[name, part.dtype.str, part.shape] for name, part in arrays.items()]
        head = json.dumps({**facts, 'source': self._before, 'arrays': shapes}).encode()
        parts = [np.int64([len(head)]).view(np.uint8), np.frombuffer(head, np.uint8), *(
            np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in arrays.values())]
        try:
            with replacing(self.path) as path, path.open('wb') as file:  # np.save, without a copy
                np.lib.format.write_array_header_1_0(file, dict(
                    descr='|u1', fortran_order=False, shape=(sum(map(len, parts)), )))
                for part in parts:
                    file.write(part.data)
        except OSError as error:
            print_log(f'{self.source} is read anew by every process: its compact form cannot be '
                      f'kept beside it ({error})', logger='current', level=logging.WARNING)

    def _state(self) -> list[int]:
        stat = self.source.stat()
        return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


class _PlainUnpickler(pickle.Unpickler):

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f'the cache of an annotation file asks for {module}.{name}: '
                                     'it was not made by this package; delete it')


def load_plain(content: np.ndarray) -> Any:  # noqa: ANN401 - whatever was pickled
    """A pickled value (bytes,), uint8, of dictionaries, lists, numbers and text.

    Raises:
        pickle.UnpicklingError: If it is anything else, which could run code.
    """
    return _PlainUnpickler(io.BytesIO(content.tobytes())).load()
