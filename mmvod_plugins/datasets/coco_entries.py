"""Entries of a COCO-VID json read by value, of the whole file or block by block."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .coco_values import ValueReader, entry_name, without_collection
from .large_json import PackedGroups, json_blocks

#: Lists of the file, in the order of their messages.
LISTS = ('categories', 'images', 'videos')
#: Single images whose annotations are unpacked together.
PACKED_STILLS = 256


@dataclass
class CocoEntries:
    """Lists of a file, its annotations by image, and what is asked of all annotations together.

    Attributes:
        reader: Has read the values.
        lists: Categories, images and videos.
        annotations: Annotations of the images in the file, by image id.
        count: Number of all annotations.
        categories: Number of annotations of every category id, in the order of the first ones.
        first: Name of the first annotation of every category id.
        instance_ids: All different ones, in the order of the file, None for none.
        orphans: Number of annotations of images that are not in the file.
        first_orphan: The first of them.
    """

    reader: ValueReader
    lists: dict[str, list[dict]] = field(default_factory=lambda: {part: [] for part in LISTS})
    annotations: Mapping[Hashable, list[dict]] = field(default_factory=dict)
    count: int = 0
    categories: Counter[Hashable] = field(default_factory=Counter)
    first: dict[Hashable, str] = field(default_factory=dict)
    instance_ids: dict[Hashable, None] = field(default_factory=dict)
    orphans: int = 0
    first_orphan: dict | None = None

    @staticmethod
    def from_content(content: dict[str, Any], path: str) -> CocoEntries:
        """Entries of a file that is in memory; ``path`` is its name for messages.

        Raises:
            ValueError: If a value is invalid.
        """
        found = CocoEntries(ValueReader(path))
        for part in LISTS:
            found.lists[part] = found.reader.entries(content, part)
        annotations = found.reader.entries(content, 'annotations')
        found.annotations = found._by_image(annotations, {i['id'] for i in found.lists['images']})
        return found

    @staticmethod
    def from_blocks(path: str) -> CocoEntries | None:
        """Entries of a file of which a window is held at a time, annotations as bytes by video.

        None where a file cannot be read in this way: it lists annotations before images, or
        something is wrong, which reading it as a whole says.
        """
        found = CocoEntries(ValueReader(path))
        try:
            with without_collection():
                for part, block in json_blocks(path):
                    found._add(part, block)
        except (ValueError, RecursionError):
            return None
        return found if found.lists['images'] else None

    def _add(self, part: str, block: object) -> None:
        if part in self.lists:
            entries = self.lists[part]
            entries += self.reader.entries({part: block}, part, len(entries))
        elif part == 'annotations':
            if not self.lists['images']:
                raise ValueError('annotations before images')
            if not isinstance(self.annotations, PackedGroups):
                self.annotations = PackedGroups(packed_groups(self.lists['images']))
            annotations = self.reader.entries({part: block}, part, self.count)
            self.annotations.add(self._by_image(annotations, self.annotations.groups))

    def _by_image(self, annotations: list[dict], images: Container[Hashable]
                  ) -> dict[Hashable, list[dict]]:
        """Count the next annotations, and group those of images that are in the file."""
        grouped: dict[Hashable, list[dict]] = defaultdict(list)
        for position, annotation in enumerate(annotations, self.count):
            category_id, image_id = annotation['category_id'], annotation.get('image_id')
            if category_id not in self.first:
                self.first[category_id] = entry_name('annotations', annotation, position)
            if image_id in images:
                grouped[image_id].append(annotation)
            else:
                self.orphans += 1
                self.first_orphan = self.first_orphan or annotation
        self.count += len(annotations)
        self.categories.update(annotation['category_id'] for annotation in annotations)
        self.instance_ids.update(dict.fromkeys(a.get('instance_id') for a in annotations))
        return grouped


def packed_groups(images: list[dict]) -> dict[Hashable, int]:
    """A number of the video of every image, by image id; single images in a row share some."""
    numbers: dict[Hashable, int] = {}
    groups = {}
    for position, image in enumerate(images):
        video = image.get('video_id')
        key = (position // PACKED_STILLS, ) if video is None else video
        groups[image['id']] = numbers.setdefault(key, len(numbers))
    return groups
