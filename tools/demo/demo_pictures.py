"""The demo's pictures: a contact sheet and a video that compare detectors frame by frame."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmvod_plugins.visualization import contact_sheet, draw_detections, write_video

ZOOM = 3
SCORE = 0.4
FPS = 6
GREEN = (0, 200, 0)

#: Boxes (x1, y1, x2, y2), labels and scores of a frame.
Found = list[tuple[list[float], int, float]]


class Comparison:
    """Ground truth and the predictions of several detectors on the ToyVID validation set.

    Args:
        data: Folder of ToyVID.
        predictions: File of COCO results of every detector.
    """

    def __init__(self, data: Path, predictions: dict[str, Path]) -> None:
        content = json.loads((data / 'annotations' / 'toy_vid_val.json').read_text())
        self.root = data / 'Data' / 'VID'
        self.names = [category['name'] for category in content['categories']]
        self.videos: dict[int, list[dict]] = defaultdict(list)
        for image in content['images']:
            self.videos[image['video_id']].append(image)
        self.truth = _by_image(content['annotations'])
        self.found = {
            name: _by_image(json.loads(path.read_text())) for name, path in predictions.items()
        }

    def row(self, image: dict) -> list[np.ndarray]:
        """The frame with its true boxes, then with those of every detector."""
        frame = cv2.imread(str(self.root / image['file_name']))
        frame = cv2.resize(frame, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
        parts = [_titled(self._draw(frame, self.truth[image['id']], colour=GREEN), 'truth')]
        for name, found in self.found.items():
            strong = [box for box in found[image['id']] if box[2] >= SCORE]
            parts.append(_titled(self._draw(frame, strong), name))
        return parts

    def typical(self, count: int) -> list[dict]:
        """The middle degraded frame of each of the first videos, whatever was detected in it."""
        degraded = ([image for image in frames if image['degradations']]
                    for frames in self.videos.values())
        return [frames[len(frames) // 2] for frames in degraded if frames][:count]

    def _draw(self, frame: np.ndarray, boxes: Found, **options: tuple) -> np.ndarray:
        corners = [[ZOOM * value for value in box] for box, _, _ in boxes]
        labels = [label for _, label, _ in boxes]
        scores = None if options else [score for _, _, score in boxes]
        return draw_detections(frame, corners, labels, scores, self.names, **options)


def draw_results(data: Path, predictions: dict[str, Path], out: Path) -> list[Path]:
    """Write a contact sheet of typical frames, an mp4 of their videos, and a small moving picture.

    The frames follow a fixed rule (:meth:`Comparison.typical`), not what the detectors found; the
    moving picture (WebP, for pages) shows the first two videos at half the size.

    Returns:
        The mp4, the contact sheet and the moving picture.
    """
    comparison = Comparison(data, predictions)
    typical = comparison.typical(6)
    rows = [comparison.row(image) for image in typical]
    sheet = out / 'contact_sheet.png'
    cv2.imwrite(str(sheet), contact_sheet([part for row in rows for part in row], len(rows[0])))

    def film(chosen: list[dict]) -> Iterator[np.ndarray]:
        for typical_frame in chosen:
            for image in comparison.videos[typical_frame['video_id']]:
                yield np.hstack(comparison.row(image))

    movie, small = out / 'comparison.mp4', out / 'comparison.webp'
    write_video(movie, film(typical), FPS)
    first, *others = [Image.fromarray(frame[..., ::-1]).reduce(2) for frame in film(typical[:2])]
    first.save(small, save_all=True, append_images=others, duration=1000 // FPS, loop=0, quality=40)
    return [movie, sheet, small]


def _by_image(rows: list[dict]) -> dict[int, Found]:
    """Boxes by image; labels are category ids from 0."""
    found: dict[int, Found] = defaultdict(list)
    for row in rows:
        x, y, w, h = row['bbox']
        found[row['image_id']].append(
            ([x, y, x + w, y + h], row['category_id'] - 1, row.get('score', 1.0)))
    return found


def _titled(image: np.ndarray, title: str) -> np.ndarray:
    """The picture with a line of text above it."""
    bar = np.full((26, image.shape[1], 3), 255, dtype=np.uint8)
    cv2.putText(bar, title, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([bar, image])
