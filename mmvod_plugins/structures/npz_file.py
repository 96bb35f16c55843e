"""Named arrays with a json header in one npz file, read without pickle."""

from __future__ import annotations

import json
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmvod_plugins.utils.files import replacing

#: Sizes of dimensions from a header and the arrays that were read.
Sizes = Callable[[dict[str, Any], dict[str, np.ndarray]], dict[str, int]]
#: Largest header that is read, in bytes.
META_LIMIT = 256 << 20
#: What zipfile, numpy and json raise for files that are damaged or made to harm.
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, LookupError, ValueError, EOFError,
          TypeError, AttributeError, OverflowError, MemoryError, RecursionError, RuntimeError,
          OSError)


class FileFault(ValueError):
    """A fault of a file; the message names it."""


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
        optional: Names of further arrays; others are not read.
        dimensions: Shapes by name of the array: numbers, or names of sizes that must be equal
            wherever they occur.
    """

    name: str
    version: int
    content: str
    writers: str
    required: tuple[str, ...]
    compressed: bool
    optional: tuple[str, ...] = ()
    dimensions: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)

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

    def load(self, path: str | os.PathLike[str], shown_as: str | None = None,
             sizes: Sizes | None = None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Header and arrays of a file; arrays that the format does not name are not read.

        Args:
            path: The local file.
            shown_as: Its name in messages; None for ``path``.
            sizes: Sizes of dimensions from the header and the arrays read so far, see
                :attr:`dimensions`. An array of another shape is refused before it is read.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is something else, damaged, incomplete, or of a newer version.
        """
        shown = path if shown_as is None else shown_as
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError(f'{shown} is not a file (a folder, a pipe or a device)')
        try:
            with zipfile.ZipFile(path) as archive:
                return self._read(archive, shown, sizes)
        except FileFault:
            raise
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{shown} does not exist') from error
        except DAMAGE as error:
            raise ValueError(f'{shown} is not a file of {self.content}, or damaged ({error}): '
                             f'expected one that {self.writers} wrote') from error

    def _read(self, archive: zipfile.ZipFile, shown: object,
              sizes: Sizes | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta = self._read_meta(archive, shown)
        there = {name.removesuffix('.npy') for name in archive.namelist()} - {'meta'}
        missing = [name for name in self.required if name not in there]
        if missing:
            raise FileFault(f'{shown} lacks the arrays {missing}: the file is incomplete')
        known = [*self.required, *self.optional]
        unknown = sorted(there.difference(known))
        if unknown:
            warnings.warn(f'{shown}: {len(unknown)} arrays are not read, as the format does not '
                          f'name them: {unknown[:3]}', stacklevel=4)
        arrays: dict[str, np.ndarray] = {}
        bound: dict[str, int] = {}
        for name in known:
            if name in there:
                bound.update(sizes(meta, arrays) if sizes else {})
                arrays[name] = self._read_array(archive, name, bound, shown)
        return meta, arrays

    def _read_meta(self, archive: zipfile.ZipFile, shown: object) -> dict[str, Any]:
        if archive.getinfo('meta.npy').file_size > META_LIMIT:
            raise FileFault(f'{shown}: its header takes more than {META_LIMIT >> 20} MiB')
        with archive.open('meta.npy') as file:
            meta = json.loads(str(np.lib.format.read_array(file, allow_pickle=False)))
        if not isinstance(meta, dict):
            raise FileFault(f'{shown}: its header is a {type(meta).__name__}, expected an object')
        version = meta.get('version')
        if (meta.get('format') != self.name or not isinstance(version, int)
                or version > self.version):
            raise FileFault(f'{shown} is {meta.get("format")!r} version {version}, '
                            f'expected {self.name!r} up to version {self.version}')
        return meta

    def _read_array(self, archive: zipfile.ZipFile, name: str, bound: dict[str, int],
                    shown: object) -> np.ndarray:
        """Read an array if its header states the shape that the others ask for."""
        with archive.open(f'{name}.npy') as file:
            major, _ = np.lib.format.read_magic(file)
            read_header = (np.lib.format.read_array_header_1_0 if major == 1
                           else np.lib.format.read_array_header_2_0)
            shape, _, dtype = read_header(file)
        stated = self.dimensions.get(name)
        if stated is not None:
            expected = tuple(bound.get(size, size) for size in stated)
            fits = len(shape) == len(stated) and all(
                isinstance(size, str) or size == length
                for length, size in zip(shape, expected, strict=True))
            empty = shape == (0, ) and expected[0] in (0, stated[0])  # without any detection
            if not fits and not empty:
                raise FileFault(f'{shown}: {name} has the shape {shape}, expected {expected}')
            bound.update({size: length for size, length in zip(stated, shape, strict=False)
                          if isinstance(size, str)})
        if dtype.kind not in 'biufU':
            raise FileFault(f'{shown}: {name} holds {dtype}, expected numbers')
        if math.prod(shape) * dtype.itemsize > archive.getinfo(f'{name}.npy').file_size:
            raise FileFault(f'{shown}: {name} is shorter than its shape {shape}')
        with archive.open(f'{name}.npy') as file:
            return np.lib.format.read_array(file, allow_pickle=False)
