"""A compact form of a large annotation file beside it, mapped into memory by all processes."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mmvod_plugins.utils.files import replacing

#: Changes when the form or the content of caches does.
VERSION = 1


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
        """What was kept; None where nothing was, the file has changed, or it is damaged."""
        try:
            content = np.load(self.path, mmap_mode='r', allow_pickle=False)
            size = int(content[:8].view(np.int64)[0])
            facts = json.loads(content[8:8 + size].tobytes())
            if facts['source'] != self._before:
                return None
            rest, arrays = content[8 + size:], []
            for count in facts['counts']:
                arrays.append(rest[:8 * count].view(np.int64).copy())
                rest = rest[8 * count:]
            if len(rest) != facts['size']:
                return None
        except (OSError, EOFError, ValueError, KeyError, IndexError):
            return None
        return CachedVideos(facts, rest, *arrays)

    def write(self, videos: CachedVideos) -> None:
        """Keep videos.

        Raises:
            OSError: If the folder cannot be written to.
        """
        arrays = [videos.ends, videos.key_frame_ids, videos.key_frame_ends]
        facts = {**videos.facts, 'source': self._before, 'size': len(videos.data),
                 'counts': [len(part) for part in arrays]}
        head = json.dumps(facts).encode()
        parts = [np.int64([len(head)]), np.frombuffer(head, np.uint8),
                 *(part.astype(np.int64) for part in arrays), videos.data]
        with replacing(self.path) as path:
            np.save(path, np.concatenate([part.view(np.uint8) for part in parts]))

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
