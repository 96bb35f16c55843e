"""Typed and bounded values of COCO json files: read once, for data sets, metrics and tools."""

from __future__ import annotations

import gc
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import get_text

#: Ids and frame numbers are stored as int64.
LARGEST_WHOLE = 2**63 - 1
#: Largest side of an image, and largest coordinate of a box, in pixels.
LARGEST_SIDE = 10**6
_WHOLE = re.compile(r'\s*-?\d{1,19}(\.0*)?\s*')
_FLAGS = {'0': False, '1': True, 'false': False, 'true': True}

Entry = dict[str, Any]


def read_json(path: str, backend_args: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
    """Load a json.

    Raises:
        ValueError: If it is not a json, or not a file: reading a pipe would never end.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f'{path} is not a file (a folder, a pipe or a device)')
    try:
        # mmengine's `load` copies the text to four bytes per character, and a third one
        with without_collection():
            return json.loads(get_text(path, backend_args=backend_args))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not a valid json ({error}); convert the data set again'
                         ) from error


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the collector of cycles, which looks at all of millions of new objects again and again.

    Nothing of a json has a cycle.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def whole(value: object) -> int | None:
    """An integer, also one written as text or with a zero fraction; None for anything else."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value.partition('.')[0])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_WHOLE
    return value if fits else None


def number(value: object) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return None if not math.isfinite(found) else found if isinstance(value, str) else value


def box_of(value: object) -> list[float] | None:
    """Four numbers of at most ``LARGEST_SIDE``, or None."""
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return None
    found = [number(item) for item in value]
    return None if any(v is None or abs(v) > LARGEST_SIDE for v in found) else found


def _identity(value: object) -> int | str | None:
    found = whole(value)
    return value if found is None and isinstance(value, str) and value.strip() else found


def _side(value: object) -> int | None:
    found = whole(value)
    return found if found is not None and 0 < found <= LARGEST_SIDE else None


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower())
    return bool(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True)
class Field:
    """How the values of a key are read.

    Attributes:
        types: Types that need no conversion.
        read: Conversion of one value; None if it is invalid.
        expected: Description of a valid value.
        optional: Whether it may be absent or null.
        bounds: Smallest and largest valid integer.
    """

    types: frozenset[type]
    read: Callable[[object], Any]
    expected: str
    optional: bool = False
    bounds: tuple[int, int] | None = None

    def accepts(self, values: list[Any]) -> bool:
        """Whether all values are valid as they are."""
        types = set(map(type, values))
        if types - self.types - ({type(None)} if self.optional else set()):
            return False
        if str in types:
            return '' not in values
        if int not in types or self.bounds is None:
            return True
        integers = values if types == {int} else [v for v in values if type(v) is int]
        return self.bounds[0] <= min(integers) and max(integers) <= self.bounds[1]


_IDS = (-LARGEST_WHOLE, LARGEST_WHOLE)
ID = Field(frozenset({int}), _identity, 'an id (whole number)', bounds=_IDS)
LINK = Field(frozenset({int}), _identity, 'an id (whole number)', optional=True, bounds=_IDS)
FRAME = Field(frozenset({int}), whole, 'a whole number', optional=True, bounds=_IDS)
SIDE = Field(frozenset({int}), _side, f'a number of pixels from 1 to {LARGEST_SIDE}',
             optional=True, bounds=(1, LARGEST_SIDE))
FLAG = Field(frozenset({bool, int}), _flag, 'true or false', optional=True, bounds=(0, 1))
NAME = Field(frozenset({str}), _name, 'text')

#: Keys that are read, by part of the file.
FIELDS: dict[str, dict[str, Field]] = {
    'categories': {'id': ID, 'name': NAME},
    'videos': {'id': ID},
    'images': {'id': ID, 'file_name': NAME, 'video_id': LINK, 'frame_id': FRAME, 'height': SIDE,
               'width': SIDE, 'is_vid_train_frame': FLAG},
    'annotations': {'image_id': LINK, 'category_id': ID, 'instance_id': LINK, 'iscrowd': FLAG,
                    'ignore': FLAG},
}


@dataclass
class ValueReader:
    """Reads the lists of a file, and counts what was not read as it is written.

    Attributes:
        path: The file, for messages.
        notes: What was done to values, with the number of values and the first of them.
    """

    path: str
    notes: dict[str, tuple[int, str]] = field(default_factory=dict)

    def entries(self, content: dict[str, Any], part: str, start: int = 0) -> list[Entry]:
        """Entries of a list of the file with typed values; absent or null is an empty list.

        Args:
            content: The file, or some entries of the list alone.
            part: Key of the list.
            start: Position of the first entry in the list, for messages.

        Raises:
            ValueError: If it is not a list of objects, or a value is invalid.
        """
        entries = content.get(part)
        if entries is None:
            return []
        if not isinstance(entries, list):
            raise ValueError(f'{self.path}: {part} is a {type(entries).__name__}, expected a list')
        if set(map(type, entries)) - {dict}:
            position, entry = next((i, entry) for i, entry in enumerate(entries, start)
                                   if not isinstance(entry, dict))
            raise ValueError(f'{self.path}: entry {position} of {part} is {entry!r}, '
                             'expected an object; remove it')
        for key, rule in FIELDS[part].items():
            if not rule.accepts([entry.get(key) for entry in entries]):
                entries = self._convert(entries, part, key, rule, start)
        return self._boxes(entries, start) if part == 'annotations' else entries

    def _convert(self, entries: list[Entry], part: str, key: str, rule: Field,
                 start: int) -> list[Entry]:
        converted = []
        for position, entry in enumerate(entries, start):
            found = entry.get(key)
            value = None if found is None else rule.read(found)
            if value is None and not (found is None and rule.optional):
                raise ValueError(
                    f'{self.path}: {entry_name(part, entry, position)} has {key} {found!r}'
                    f'{"" if key in entry else " (the key is missing)"}, expected '
                    f'{rule.expected}: correct it, or convert the data set again')
            if type(value) is not type(found) and not isinstance(found, bool | int):
                written = 'text' if isinstance(found, str) else 'a decimal number'
                self.note(f'{part} have {key} written as {written} and read as {rule.expected}',
                          f'{entry_name(part, entry, position)}, {found!r}')
            converted.append(entry if value is found else {**entry, key: value})
        return converted

    def _boxes(self, annotations: list[Entry], start: int) -> list[Entry]:
        """Make boxes and areas numbers; an invalid box becomes None."""
        areas = plain_numbers([entry.get('area', 1) for entry in annotations])
        if areas is None or not plain_boxes([entry.get('bbox') for entry in annotations]):
            return [self._box(entry, position) for position, entry in enumerate(annotations, start)]
        found = list(annotations)
        for position in np.flatnonzero(areas <= 0).tolist():
            found[position] = self._box(found[position], start + position)
        return found

    def _box(self, entry: Entry, position: int) -> Entry:
        box, where = box_of(entry.get('bbox')), entry_name('annotations', entry, position)
        if box is not None and box != entry['bbox'] and not isinstance(entry['bbox'], tuple):
            self.note('annotations have a bbox written as text and read as numbers',
                      f'{where}, {entry["bbox"]!r}')
        changes: Entry = dict(bbox=box)
        if box is not None and 'area' in entry and box[2] > 0 and box[3] > 0:
            found = entry['area']
            area = number(found)
            if area is None or area <= 0:
                changes['area'] = box[2] * box[3]
                self.note('annotations have an area that is not a positive number, width * '
                          'height of the box is used', f'{where}, area {found!r}')
            elif area is not found:
                changes['area'] = area
                self.note('annotations have area written as text and read as a number',
                          f'{where}, {found!r}')
        if all(entry.get(key) == value for key, value in changes.items()):
            return entry
        return {**entry, **changes}

    def note(self, what: str, first: str) -> None:
        """Count a value that is not used as it is written."""
        count, shown = self.notes.get(what, (0, first))
        self.notes[what] = count + 1, shown

    def warn(self) -> None:
        """Warn once for each kind of note, with counts."""
        for what, (count, first) in self.notes.items():
            warnings.warn(f'{self.path}: {count} {what} (the first one: {first})', stacklevel=4)
        self.notes.clear()


def entry_name(part: str, entry: Entry, position: int) -> str:
    """Name of an entry for messages: its id, or its position where it has none."""
    one = {'categories': 'category'}.get(part, part.removesuffix('s'))
    return f'{one} {entry["id"]}' if 'id' in entry else f'entry {position} of {part}'


def plain_boxes(boxes: list[Any]) -> bool:
    """Whether all boxes are lists of four numbers in bounds, which need no conversion."""
    if set(map(type, boxes)) - {list} or set(map(len, boxes)) - {4}:
        return False
    sides = plain_numbers(list(chain.from_iterable(boxes)))
    return sides is not None and bool((np.abs(sides) <= LARGEST_SIDE).all())


def plain_numbers(values: list[Any]) -> np.ndarray | None:
    """Values as float64, None if one of them is not a finite number."""
    if set(map(type, values)) - {int, float}:
        return None
    try:
        found = np.fromiter(values, np.float64, len(values))
    except OverflowError:
        return None
    return found if np.isfinite(found).all() else None
