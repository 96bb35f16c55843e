"""A miniature UAVDT tree: vehicles as coloured rectangles, seen from above."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

#: Training and test videos of the official split, with their numbers of frames.
VIDEOS = dict(M0101=4, M0201=3, M0203=3)
COLOURS = {1: (200, 40, 40), 2: (40, 200, 40), 3: (40, 40, 200)}
#: Left, top, width, height of the region that is not annotated; a vehicle stands in it.
REGION = (56, 36, 40, 24)


def make_tiny_uavdt(root: Path, videos: Mapping[str, int] = VIDEOS,
                    size: tuple[int, int] = (64, 96)) -> Path:
    """Write frames, ground truth and attributes in UAVDT's layout; returns ``root``.

    Every video has a car, a truck and a bus that drive to the right; the car is occluded from the
    second frame on, the bus leaves the frame. A fourth vehicle stands in an ignore region and is
    annotated in none of the files.

    Args:
        root: Folder, created where it does not exist.
        videos: Names of videos of the official split, with their numbers of frames.
        size: (height, width) of the frames in pixels.
    """
    truth, images = root / 'UAV-benchmark-MOTD_v1.0/GT', root / 'UAV-benchmark-M'
    truth.mkdir(parents=True)
    for number, (video, length) in enumerate(videos.items()):
        (images / video).mkdir(parents=True)
        whole, tracking, ignored = [], [], []
        for frame in range(1, length + 1):
            image = np.full((*size, 3), 110, np.uint8)
            image[REGION[1] + 4:REGION[1] + 14, REGION[0] + 6:REGION[0] + 26] = 180
            for category, (x, y, w, h) in {1: (4, 6, 16, 10), 2: (30, 24, 22, 12),
                                           3: (size[1] - 28, 4, 24, 14)}.items():
                x += 3 * frame + number
                width = min(w, size[1] - x)
                image[y:y + h, x:x + width] = COLOURS[category]
                out = 1 if width == w else 3
                occlusion = 4 if category == 1 and frame > 1 else 1
                whole.append((frame, category, x, y, width, h, out, occlusion, category))
                tracking.append((frame, category, x, y, width, h, 1, -1, -1))
            ignored.append((frame, -1, *REGION, 1, -1, -1))
            cv2.imwrite(str(images / video / f'img{frame:06d}.jpg'), image)
        for kind, rows in (('_whole', whole), ('', tracking), ('_ignore', ignored)):
            (truth / f'{video}_gt{kind}.txt').write_text(
                ''.join(','.join(map(str, row)) + '\n' for row in rows))
        folder = root / 'M_attr' / ('test' if video == 'M0203' else 'train')
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{video}_attr.txt').write_text('1,0,0,1,0,0,0,0,1,0')
    return root
