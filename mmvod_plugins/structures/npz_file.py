"""Named arrays with a json header in one npz file, read without pickle."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvod_plugins.utils.files import replacing


@dataclass(frozen=True)
class NpzFormat:
    """A kind of npz file; its array ``meta`` is a json text with format, version and more.

    Attributes:
        name: Value of ``format`` in the header.
        version: Highest version that is read, and the one that is written.
        content: What such a file holds, in the plural, for messages.
        writers: What writes such files, for messages.
        required: Names of the arrays that no file lacks.
        compressed: Whether arrays are compressed.
    """

    name: str
    version: int
    content: str
    writers: str
    required: tuple[str, ...]
    compressed: bool

    def save(self, path: str | os.PathLike[str], arrays: dict[str, np.ndarray],
             **meta: Any) -> None:  # noqa: ANN401 any json value
        """Write a file; an existing one is replaced only when the new one is complete.

        Args:
            path: File, ending with ``.npz``.
            arrays: Arrays by name.
            **meta: Further entries of the header.

        Raises:
            ValueError: If the name does not end with ``.npz``.
        """
        path = Path(path)
        if path.suffix != '.npz':
            raise ValueError(f'{self.content} are written as .npz, got {path}')
        header = json.dumps(dict(format=self.name, version=self.version, **meta))
        write = np.savez_compressed if self.compressed else np.savez
        with replacing(path) as part:
            write(part, meta=np.array(header), **arrays)

    def load(self, path: str | os.PathLike[str], shown_as: str | None = None
             ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Header and arrays of a file.

        Args:
            path: The local file.
            shown_as: Its name in messages; None for ``path``.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is something else, incomplete, or of a newer version.
        """
        shown = path if shown_as is None else shown_as
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = dict(data)
            meta = json.loads(str(arrays.pop('meta')))
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError, TypeError) as error:
            raise ValueError(f'{shown} is not a file of {self.content} ({error}): expected one '
                             f'that {self.writers} wrote') from error
        if meta.get('format') != self.name or meta.get('version', 0) > self.version:
            raise ValueError(f'{shown} is {meta.get("format")!r} version {meta.get("version")}, '
                             f'expected {self.name!r} up to version {self.version}')
        missing = [name for name in self.required if name not in arrays]
        if missing:
            raise ValueError(f'{shown} lacks the arrays {missing}: the file is incomplete')
        return meta, arrays
