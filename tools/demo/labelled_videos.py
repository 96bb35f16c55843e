"""Write videos of two classes and their labels, as somebody has them who labelled with labelme.

    python tools/demo/labelled_videos.py videos labels

Moving things are ``checked`` or ``striped``; plain ones have no label. They are those of ToyVID
(docs/toyvid.md): about two thirds of the frames hide the pattern. docs/own_data.md starts here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools/dataset_converters'))

from coco_vid import write_json  # noqa: E402 - a script's module
from toy_vid.plan import VideoPlan, plan_video  # noqa: E402
from toy_vid.render import Frame, render_frame  # noqa: E402
from toy_vid.spec import ToyVidSpec  # noqa: E402

from mmvod_plugins.visualization import write_video  # noqa: E402 - slow

#: Pattern of an object, which is its class, by the pattern that ToyVID draws at random.
CLASSES = dict(checked='checked', dotted='checked', ringed='striped', striped='striped')
#: Part of the seeds: none of the videos is one of ToyVID.
SET = 3


def plan(spec: ToyVidSpec, index: int) -> VideoPlan:
    """Plan a video, whose objects have two patterns."""
    rng = np.random.default_rng([spec.seed, SET, index])
    video = plan_video(spec.difficulty, spec.size, spec.frames, rng)
    return replace(video, objects=tuple(
        replace(item, texture=CLASSES[item.texture]) for item in video.objects))


def labels_of(video: VideoPlan, frame: Frame, image: str) -> dict[str, object]:
    """A labelme file: a rectangle for each object, its track in ``group_id``.

    Args:
        video: Plan of the video.
        frame: Rendered frame.
        image: Path of the image, from the folder of the file.
    """
    shapes = [dict(label=video.objects[item.track_id].texture, group_id=item.track_id,
                   shape_type='rectangle', flags={}, points=[item.box[:2], item.box[2:]])
              for item in frame.objects]
    return dict(version='5.5.0', flags={}, shapes=shapes, imagePath=image, imageData=None,
                imageHeight=video.height, imageWidth=video.width)


def write(job: tuple[int, str], spec: ToyVidSpec, videos: Path, labels: Path) -> None:
    """Write a video file and a label file for each of its frames.

    Args:
        job: Number of the video and its name.
        spec: Settings.
        videos: Folder of the video files.
        labels: Folder of the folders of label files.
    """
    cv2.setNumThreads(1)
    index, name = job
    video = plan(spec, index)

    def frames() -> Iterator[np.ndarray]:
        for frame_id in range(video.length):
            frame = render_frame(video, frame_id)
            content = labels_of(video, frame, f'../../frames/{name}/{frame_id:06d}.jpg')
            write_json(labels / name / f'{frame_id:06d}.json', content)
            yield frame.image

    write_video(videos / f'{name}.mp4', frames())


def build_parser() -> argparse.ArgumentParser:
    """Parser of the options."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('videos', type=Path, help='folder of train_1.mp4, ..., val_1.mp4, ...')
    parser.add_argument('labels', type=Path, help='folder of train_1/000000.json and so on')
    for name, default, text in (('train-videos', 60, 'for training'), ('val-videos', 16, 'to test'),
                                ('frames', 40, 'frames of a video'), ('seed', 0, 'of everything'),
                                ('workers', 2, 'processes')):
        parser.add_argument(f'--{name}', type=int, default=default, metavar='N',
                            help=f'{text} (default: {default})')
    parser.add_argument('--size', type=int, nargs=2, default=(256, 320), metavar=('H', 'W'),
                        help='height and width in pixels (default: 256 320)')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Render and write; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        spec = ToyVidSpec(args.train_videos, args.val_videos, 0, args.frames, tuple(args.size),
                          args.seed)
    except ValueError as error:
        parser.error(str(error))
    if args.workers < 1:
        parser.error(f'workers is {args.workers}, expected 1 or more')
    for folder in (args.videos, args.labels):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            print(f'error: {folder} is not empty: choose a new folder or remove it',
                  file=sys.stderr)
            return 1
    names = [f'{part}_{number + 1}' for part, count in (
        ('train', spec.train_videos), ('val', spec.val_videos)) for number in range(count)]
    work = partial(write, spec=spec, videos=args.videos, labels=args.labels)
    with get_context('spawn').Pool(args.workers) if args.workers > 1 else nullcontext() as pool:
        done = (pool.imap_unordered if pool else map)(work, enumerate(names))
        for _ in tqdm(done, total=len(names), desc='labelled videos', unit='video'):
            pass
    print(f'{args.videos}: {len(names)} videos of {spec.frames} frames; {args.labels}: their '
          'labelme files')
    return 0


if __name__ == '__main__':
    sys.exit(main())
