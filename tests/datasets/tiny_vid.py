"""A tiny COCO-VID data set: coloured rectangles that move over a plain background."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mmvod_plugins.datasets import save_proposals


def make_tiny_vid(root: Path,
                  lengths: Sequence[int] = (4, 3),
                  size: tuple[int, int] = (48, 64),
                  num_classes: int = 3,
                  seed: int = 0) -> Path:
    """Write videos as ``<root>/video_<i>/<frame %06d>.jpg`` and ``<root>/tiny_vid.json``.

    Args:
        root: Folder, created where it does not exist.
        lengths: Frames of each video.
        size: (height, width) of the frames in pixels.
        num_classes: The classes are ``class_0``, ...; each has its colour.
        seed: Seed of positions and speeds.

    Returns:
        The json file. Every frame has two objects.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    colours = rng.integers(0, 256, (num_classes, 3))
    images, annotations = [], []
    for video, length in enumerate(lengths):
        (Path(root) / f'video_{video}').mkdir(parents=True, exist_ok=True)
        labels = rng.integers(0, num_classes, 2)
        starts, steps = rng.uniform(0, 0.5, (2, 2)), rng.uniform(-0.05, 0.05, (2, 2))
        for frame in range(length):
            name = f'video_{video}/{frame:06d}.jpg'
            image = np.full((height, width, 3), 90, np.uint8)
            images.append(dict(id=len(images) + 1, file_name=name, height=height, width=width,
                               video_id=video + 1, frame_id=frame))
            for track in range(2):
                y, x = np.clip(starts[track] + frame * steps[track], 0, 0.6)
                box = [int(x * width), int(y * height), width // 3, height // 3]
                image[box[1]:box[1] + box[3], box[0]:box[0] + box[2]] = colours[labels[track]]
                annotations.append(
                    dict(id=len(annotations) + 1, image_id=len(images), video_id=video + 1,
                         category_id=int(labels[track]) + 1, instance_id=2 * video + track,
                         bbox=box, area=box[2] * box[3], iscrowd=False))
            cv2.imwrite(str(Path(root) / name), image)
    content = dict(
        categories=[dict(id=i + 1, name=f'class_{i}') for i in range(num_classes)],
        videos=[dict(id=i + 1, name=f'video_{i}') for i in range(len(lengths))],
        images=images, annotations=annotations)
    path = Path(root) / 'tiny_vid.json'
    path.write_text(json.dumps(content))
    return path


def make_tiny_proposals(ann_file: Path, num_random: int = 6, seed: int = 0) -> Path:
    """Write ``tiny_proposals.npz`` beside a tiny json: shifted true boxes and random ones."""
    content = json.loads(Path(ann_file).read_text())
    rng = np.random.default_rng(seed)
    frames = {}
    for image in content['images']:
        size = image['width'], image['height']
        boxes = [[x + 1, y - 1, x + w + 1, y + h - 1]
                 for x, y, w, h in (annotation['bbox'] for annotation in content['annotations']
                                    if annotation['image_id'] == image['id'])]
        corners = np.sort(rng.uniform(0, 1, (num_random, 2, 2)), 1) * size
        boxes = np.concatenate([np.reshape(boxes, (-1, 4)), corners.reshape(-1, 4)])
        frames[image['file_name']] = boxes, np.linspace(1, 0.1, len(boxes))
    path = Path(ann_file).with_name('tiny_proposals.npz')
    save_proposals(path, frames)
    return path
