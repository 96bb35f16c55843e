"""Draw the sample frames of docs/toyvid.md."""

import argparse
import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'dataset_converters'))

from toy_vid.plan import VideoPlan, plan_video
from toy_vid.render import Frame, render_frame
from toy_vid.spec import DEGRADATIONS, Difficulty, Level

_SIZE, _TILE, _LABEL, _CAPTION = (128, 160), 112, 92, 16
_PALETTE = 256
_FILM = (102, 126)
_COUNT = 6
_TWO = ('dotted', 'striped')
_SEEDS = (5, 15, 7, 8, 9, 10)


def caption(width: int, text: str, height: int = _CAPTION) -> np.ndarray:
    """(height, width, 3) white strip with black text; a line break starts a new line."""
    strip = np.full((height, width, 3), 255, np.uint8)
    for i, line in enumerate(text.split('\n')):
        cv2.putText(strip, line, (3, 12 + 13 * i), cv2.FONT_HERSHEY_SIMPLEX, 0.37, (0, 0, 0), 1,
                    cv2.LINE_AA)
    return strip


def pair_column(name: str, seed: int) -> np.ndarray:
    """One degradation, top down: a class clean, degraded, its twin degraded, and clean."""
    plan = dataclasses.replace(
        plan_video(Difficulty(max_objects=1, fast=0, camera_motion=Level(0, 1, 1),
                              distractors=Level(0, 1, 1)),
                   _SIZE, 1, np.random.default_rng(seed)), degradations=({name: 1.0},))
    tiles = []
    for texture in _TWO:
        item = dataclasses.replace(plan.objects[0], texture=texture,
                                   path=np.array([[_SIZE[1] / 2, _SIZE[0] / 2]]))
        twin = dataclasses.replace(plan, objects=(item,))
        pictures = [render_frame(video, 0).image for video in (twin.without_degradations(), twin)]
        tiles.extend(pictures if texture == _TWO[0] else pictures[::-1])
    y, x = (side // 2 - _TILE // 2 for side in _SIZE)
    tiles = [tile[y:y + _TILE, x:x + _TILE] for tile in tiles]
    return np.vstack([caption(_TILE, name.replace('_', ' ')), *tiles])


def film_frame(plan: VideoPlan, frame_id: int) -> np.ndarray:
    """A frame with its boxes and a caption."""
    frame: Frame = render_frame(plan, frame_id)
    image = frame.image.copy()
    for item in frame.objects:
        cv2.rectangle(image, item.box[:2], item.box[2:], (255, 255, 255), 1)
    text = ', '.join(frame.degradations).replace('_', ' ') or 'clean'
    return np.vstack([caption(image.shape[1], f'{frame_id}: {text}'), image])


def pick_frames(plan: VideoPlan) -> list[int]:
    """The middle frames of the first bursts and of the clean stretches between them."""
    names = [next(iter(item), '') for item in plan.degradations]
    starts = [i for i in range(plan.length) if i == 0 or names[i] != names[i - 1]]
    ends = [*starts[1:], plan.length]
    return [(first + last) // 2 for first, last in zip(starts, ends, strict=True)][:_COUNT]


def draw(seed: int) -> np.ndarray:
    """The whole picture, BGR."""
    rows = ('dotted,\nclean', 'dotted,\ndegraded', 'striped,\ndegraded', 'striped,\nclean')
    labels = np.vstack([caption(_LABEL, ''), *(caption(_LABEL, row, _TILE) for row in rows)])
    columns = map(pair_column, DEGRADATIONS, _SEEDS)
    pairs = np.hstack([labels, *columns])
    plan = plan_video(Difficulty(), _FILM, 30, np.random.default_rng(seed))
    film = np.hstack([film_frame(plan, frame_id) for frame_id in pick_frames(plan)])
    film = np.hstack([film, np.full((len(film), pairs.shape[1] - film.shape[1], 3), 255, np.uint8)])
    title = caption(pairs.shape[1], 'One video (white: annotated boxes). What single frames hide, '
                    'other frames of the same video show.', _CAPTION + 6)
    head = caption(pairs.shape[1], 'Two classes of one shape: degraded frames hide what tells '
                   'them apart.')
    return np.vstack([head, pairs, title, film])


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, help='PNG to write')
    parser.add_argument('--seed', type=int, default=4, help='of the video in the last row')
    args = parser.parse_args(argv)
    picture = Image.fromarray(draw(args.seed)[..., ::-1].copy())
    picture.quantize(_PALETTE, dither=Image.Dither.NONE).save(args.out, optimize=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
