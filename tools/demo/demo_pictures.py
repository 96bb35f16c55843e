"""The demo's pictures: a contact sheet and a video that compare detectors frame by frame."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mmvod_plugins.visualization import contact_sheet, draw_detections, write_video

ZOOM = 3
SCORE = 0.4
GREEN = (0, 200, 0)

#: Boxes (x1, y1, x2, y2), labels and scores of a frame.
Found = list[tuple[list[float], int, float]]


class Comparison:
    """Ground truth and the predictions of several detectors on the ToyVID validation set.

    Args:
        data: Folder of ToyVID.
        predictions: Folder with ``predictions.bbox.json`` for every detector.
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
            name: _by_image(json.loads((folder / 'predictions.bbox.json').read_text()))
            for name, folder in predictions.items()
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

    def gain(self, image: dict) -> float:
        """How many more boxes the last detector has right in a frame than the others on average."""
        *others, last = (self._right(found, image['id']) for found in self.found.values())
        return last - sum(others) / len(others)

    def _right(self, found: dict[int, Found], image_id: int) -> float:
        """True boxes found less half of the strong boxes that are wrong."""
        strong = [box for box in found[image_id] if box[2] >= SCORE]
        hits = _hits(self.truth[image_id], strong)
        return hits - 0.5 * (len(strong) - hits)

    def _draw(self, frame: np.ndarray, boxes: Found, **options: tuple) -> np.ndarray:
        corners = [[ZOOM * value for value in box] for box, _, _ in boxes]
        labels = [label for _, label, _ in boxes]
        scores = None if options else [score for _, _, score in boxes]
        return draw_detections(frame, corners, labels, scores, self.names, **options)


def draw_results(data: Path, predictions: dict[str, Path], out: Path) -> list[Path]:
    """Write a contact sheet of the frames with the largest gain, and an mp4 of their videos.

    Returns:
        The mp4 and the contact sheet.
    """
    comparison = Comparison(data, predictions)
    best = [max(frames, key=comparison.gain) for frames in comparison.videos.values()]
    best = sorted(best, key=comparison.gain, reverse=True)[:6]
    rows = [comparison.row(image) for image in best]
    sheet = out / 'contact_sheet.png'
    cv2.imwrite(str(sheet), contact_sheet([part for row in rows for part in row], len(rows[0])))

    def film() -> Iterator[np.ndarray]:
        for chosen in best:
            for image in comparison.videos[chosen['video_id']]:
                yield np.hstack(comparison.row(image))

    movie = out / 'comparison.mp4'
    write_video(movie, film(), fps=6)
    return [movie, sheet]


def _by_image(rows: list[dict]) -> dict[int, Found]:
    """Boxes by image; labels are category ids from 0."""
    found: dict[int, Found] = defaultdict(list)
    for row in rows:
        x, y, w, h = row['bbox']
        found[row['image_id']].append(
            ([x, y, x + w, y + h], row['category_id'] - 1, row.get('score', 1.0)))
    return found


def _hits(truth: Found, found: Found) -> int:
    """True boxes that a box of the same class overlaps by half."""
    return sum(
        any(label == other and _iou(box, corners) >= 0.5 for corners, other, _ in found)
        for box, label, _ in truth)


def _iou(a: list[float], b: list[float]) -> float:
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return w * h / max(area - w * h, 1e-9)


def _titled(image: np.ndarray, title: str) -> np.ndarray:
    """The picture with a line of text above it."""
    bar = np.full((26, image.shape[1], 3), 255, dtype=np.uint8)
    cv2.putText(bar, title, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([bar, image])
