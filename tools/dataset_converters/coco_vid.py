"""Builder of COCO-VID annotation files, with fields and order as in MMTracking's converters."""

import json
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class VidObject:
    """An object in the xml of ImageNet VID or DET, or of another data set.

    Attributes:
        encode_name: Its wnid, or the ``encode_name`` of its category.
        box: xmin, ymin, xmax, ymax in pixels.
        track_id: Identity within the video; empty for still images and where it is not known.
        occluded: Whether it is partly hidden.
        generated: Whether the box was interpolated.
        crowd: Whether it is a region to pass over, which is no object.
    """

    encode_name: str
    box: tuple[float, float, float, float]
    track_id: str = ''
    occluded: bool = False
    generated: bool = False
    crowd: bool = False


class CocoVidBuilder:
    """Collects videos, images and objects; every id counts from 1 in the order of adding.

    Args:
        categories: Entries of ``categories``; objects of other wnids are skipped and counted.
        other_category: Id for objects of other wnids instead of skipping them.
    """

    def __init__(self, categories: Iterable[dict[str, Any]],
                 other_category: int | None = None) -> None:
        self.categories = [dict(item) for item in categories]
        self.videos: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self._ids = {item['encode_name']: item['id'] for item in self.categories}
        self._other = other_category
        self._instances: dict[tuple[int, str], int] = {}
        self._skipped: Counter[str] = Counter()
        self._untracked = 0

    def add_video(self, name: str, train_frames: Iterable[int] = ()) -> int:
        """Start a video.

        Args:
            name: Path below the image folder.
            train_frames: 0-based key frames for training.

        Returns:
            Its id.
        """
        video_id = len(self.videos) + 1
        self.videos.append(
            dict(id=video_id, name=name, vid_train_frames=list(train_frames)))
        return video_id

    def add_frame(self, file_name: str, size: tuple[int, int], frame_id: int) -> dict[str, Any]:
        """Add a frame to the video that was added last.

        Args:
            file_name: Path below the image folder.
            size: Height and width in pixels.
            frame_id: 0-based position in the video.

        Returns:
            The entry of ``images``.
        """
        video = self.videos[-1]
        image = dict(
            file_name=file_name, height=size[0], width=size[1], id=len(self.images) + 1,
            frame_id=frame_id, video_id=video['id'],
            is_vid_train_frame=frame_id in video['vid_train_frames'])
        self.images.append(image)
        return image

    def add_still(self, file_name: str, size: tuple[int, int], *, train: bool) -> dict[str, Any]:
        """Add a still image; ``train``: whether it is used in training."""
        image = dict(
            file_name=file_name, height=size[0], width=size[1], id=len(self.images) + 1,
            is_vid_train_frame=train)
        self.images.append(image)
        return image

    def add_object(self, item: VidObject, **fields: Any) -> None:  # noqa: ANN401 json values
        """Add an object to the image that was added last; ``fields``: further ones of its entry."""
        category_id = self._ids.get(item.encode_name, self._other)
        if category_id is None:
            self._skipped[item.encode_name] += 1
            return
        image = self.images[-1]
        x1, y1, x2, y2 = item.box
        width, height = x2 - x1, y2 - y1
        entry: dict[str, Any] = dict(id=len(self.annotations) + 1)
        if 'video_id' in image:
            entry['video_id'] = image['video_id']
        entry.update(
            image_id=image['id'], category_id=category_id, bbox=[x1, y1, width, height],
            area=width * height, iscrowd=item.crowd)
        if 'video_id' in image and not item.crowd:
            if item.track_id:
                key = (image['video_id'], item.track_id)
                entry['instance_id'] = self._instances.setdefault(key, len(self._instances) + 1)
            else:
                self._untracked += 1
            entry.update(occluded=item.occluded, generated=item.generated)
        self.annotations.append({**entry, **fields})

    def to_dict(self) -> dict[str, Any]:
        """The content of the json file; still images have no ``videos``.

        Warns of skipped objects and of objects without track.

        Raises:
            ValueError: If there were objects, but all of them were skipped.
        """
        names = ', '.join(f'{count} of {name!r}' for name, count in self._skipped.most_common(5))
        known = ', '.join(list(self._ids)[:3])
        skipped = (f'{self._skipped.total()} objects are of {len(self._skipped)} names that no '
                   f'category has ({names}; known are {known}, ...)')
        if self._skipped and not self.annotations:
            raise ValueError(f'{skipped}, and there are no others: give --categories with the '
                             'names of the xml as encode_name')
        if self._skipped:
            warnings.warn(f'{skipped}: they are skipped', stacklevel=3)
        if self._untracked:
            warnings.warn(f'{self._untracked} of {len(self.annotations)} objects of videos have no '
                          'trackid: they get no instance_id, so that these objects cannot be '
                          'followed', stacklevel=3)
        record: dict[str, Any] = dict(categories=self.categories)
        if self.videos:
            record['videos'] = self.videos
        record.update(images=self.images, annotations=self.annotations)
        return record


def write_text(path: Path, text: str) -> None:
    """Write a file atomically; missing folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401
    """Write json without indentation, atomically."""
    write_text(path, json.dumps(content))
