"""Parts of a json that is too large to be held: blocks of entries, and groups of them in bytes."""

from __future__ import annotations

import json
import pickle
import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

#: Characters of the file that are read at once.
WINDOW = 2**21
#: Ends of objects that are tried as the end of an entry before more is read.
TRIES = 3
_SPACE = re.compile(r'[ \t\n\r]*')
_decode = json.JSONDecoder().raw_decode


def json_blocks(path: str | Path) -> Iterator[tuple[str, Any]]:
    """Keys and values of the object in a json file; arrays come in blocks, each with its key.

    Raises:
        ValueError: If it is another json or none, or names a key twice.
        OSError: If the file cannot be read.
    """
    with open(path, encoding='utf-8') as stream:
        text, keys = _Windows(stream), set()
        last = text.take('{')
        while last != '}':
            text.expect('"')
            key = text.value()
            if key in keys:
                raise ValueError(f'{key} twice')
            keys.add(key)
            text.take(':')
            for value in text.blocks() if text.peek() == '[' else [text.value()]:
                yield key, value
            last = text.take(',}')
        text.expect('')


class _Windows:
    """The text of a json of which a window is held."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.text, self.start = stream, '', 0

    def _more(self) -> bool:
        """Read as much again as is left, at least a window; False at the end of the file."""
        rest = self.text[self.start:]
        found = self.stream.read(max(WINDOW, len(rest)))
        self.text, self.start = rest + found, 0
        return bool(found)

    def peek(self) -> str:
        """The next character that is no space, '' at the end."""
        self.start = _SPACE.match(self.text, self.start).end()
        while self.start == len(self.text) and self._more():
            self.start = _SPACE.match(self.text).end()
        return self.text[self.start:self.start + 1]

    def expect(self, characters: str) -> None:
        """Raise ValueError if the next character is not one of these; '' is the end."""
        found = self.peek()
        if found not in characters or bool(found) is not bool(characters):
            raise ValueError(f'{found!r} instead of {characters!r}')

    def take(self, characters: str) -> str:
        """Pass the next character, one of these."""
        self.expect(characters)
        self.start += 1
        return self.text[self.start - 1]

    def value(self) -> Any:  # noqa: ANN401 - any json
        """Pass a value that begins here."""
        while True:
            with suppress(json.JSONDecodeError):
                value, end = _decode(self.text, self.start)
                if end < len(self.text):  # else a number may go on
                    self.start = end
                    return value
            if not self._more():
                raise ValueError('a value without end')

    def blocks(self) -> Iterator[list[Any]]:
        """Pass an array that begins here, in blocks of entries."""
        last = self.take('[')
        if self.peek() == ']':
            last = self.take(']')
            yield []
        while last != ']':
            block = self._block()
            if not block:
                raise ValueError('a comma before the end of an array')
            yield block
            last = self.take(',]')

    def _block(self) -> list[Any]:
        # A window that is cut behind an entry and closed is an array. Cut elsewhere it is none: an
        # object or a text is open. An array that ends before leaves the rest of the window.
        while True:
            cut = len(self.text)
            for _ in range(TRIES):
                cut = self.text.rfind('}', self.start, cut)
                if cut < 0:
                    break
                with suppress(json.JSONDecodeError):
                    block, end = _decode(f'[{self.text[self.start:cut + 1]}]')
                    self.start += end - 2  # without the two brackets
                    return block
            if not self._more():
                raise ValueError('an array without end')


class PackedGroups(Mapping):
    """Lists of entries by key, as a dictionary has them, held as bytes in groups of keys.

    The group asked for last is unpacked, so keys of a group should be asked for in a row.

    Args:
        groups: Group of every key that may have entries.
    """

    def __init__(self, groups: Mapping[Hashable, int]) -> None:
        self.groups = groups
        self._packed: dict[int, list[bytes]] = {}
        self._open: tuple[int, dict[Hashable, list]] = (-1, {})

    def add(self, lists: Mapping[Hashable, list]) -> None:
        """Append entries to the lists of their keys."""
        parts: dict[int, dict] = defaultdict(dict)
        for key, entries in lists.items():
            parts[self.groups[key]][key] = entries
        for group, part in parts.items():
            self._packed.setdefault(group, []).append(pickle.dumps(part, protocol=4))

    def pop(self, key: Hashable, default: list | None = None) -> list | None:
        """Give and forget the list of a key, in earnest once all keys of its group were popped."""
        group = self.groups.get(key, -1)
        lists = self._unpacked(group)
        found = lists.pop(key, default)
        if not lists:
            self._packed.pop(group, None)
        return found

    def _unpacked(self, group: int) -> dict[Hashable, list]:
        if self._open[0] != group:
            lists: dict[Hashable, list] = defaultdict(list)
            for part in self._packed.get(group, []):
                for key, entries in pickle.loads(part).items():
                    lists[key] += entries
            self._open = group, dict(lists)
        return self._open[1]

    def __getitem__(self, key: Hashable) -> list:
        return self._unpacked(self.groups[key])[key]

    def __iter__(self) -> Iterator[Hashable]:
        for group in self._packed:
            yield from self._unpacked(group)

    def __len__(self) -> int:
        return sum(1 for _ in self)
