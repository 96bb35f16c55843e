"""Print how much of OGEMN's pixel memory reaches the objects of ToyVID, and AP50 with it.

    python tools/analysis_tools/toy_vid_ogemn.py CONFIG CHECKPOINT --data data/toy_vid
    python tools/analysis_tools/toy_vid_ogemn.py CONFIG CHECKPOINT --data data/toy_vid --truth

For objects whose class is remembered, by the degradation of their frame: which share of the
attention of its rows falls into the object's box, which share of the features there comes from the
memory (at most a half), the same over the whole map, and the box's share of the map, which the
first number would be for attention without aim. `--truth` remembers the true boxes of clean frames
in place of the detections: what a memory without faults would give.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.structures import InstanceData
from report_ogemn import neck_of
from torch import Tensor
from toy_vid_difficulty import PredictionError, difficulty
from tqdm import tqdm

from mmvod_plugins.apis import TracedFrame, init_video_detector, trace_frames
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.memories import box_cells
from mmvod_plugins.structures import FrameRecord

COLUMNS = ('own rows in the box', 'memory in the box', 'memory everywhere', 'box of the map')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--data', type=Path, required=True, help='folder of ToyVID')
    parser.add_argument('--truth', action='store_true', help='remember true boxes of clean frames')
    parser.add_argument('--temperature', type=float, help='of the read, in place of the learnt one')
    parser.add_argument('--videos', type=int, help='only that many')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args(argv)


class Videos:
    """The validation videos of ToyVID.

    Args:
        data: Its folder.
        number: How many of them; None for all.
    """

    def __init__(self, data: Path, number: int | None) -> None:
        self.folder = data / 'Data/VID'
        content = json.loads((data / 'annotations/toy_vid_val.json').read_text(encoding='utf-8'))
        chosen = {video['id'] for video in content['videos'][:number]}
        images = [image for image in content['images'] if image['video_id'] in chosen]
        ids = {image['id'] for image in images}
        objects = [item for item in content['annotations'] if item['image_id'] in ids]
        #: The json of these videos.
        self.content: dict[str, Any] = dict(content, images=images, annotations=objects)
        self.categories = [item['id'] for item in content['categories']]
        self._images, self._objects = defaultdict(list), defaultdict(list)
        for image in sorted(images, key=lambda image: image['frame_id']):
            self._images[image['video_id']].append(image)
        for item in objects:
            self._objects[item['image_id']].append(item)

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """The images of each video, in order."""
        yield from self._images.values()

    def frames(self, images: Iterable[Mapping[str, Any]]) -> Iterator[np.ndarray]:
        """The frames, BGR.

        Raises:
            FileNotFoundError: If one is missing or unreadable.
        """
        for image in images:
            path = self.folder / image['file_name']
            frame = cv2.imread(str(path))
            if frame is None:
                raise FileNotFoundError(f'{path} is not there or is no image: render ToyVID again')
            yield frame

    def truth(self, image: Mapping[str, Any], record: FrameRecord) -> InstanceData:
        """The objects of a frame in pixels of the network input, as sure detections."""
        items = self._objects[image['id']]
        boxes = torch.tensor([item['bbox'] for item in items]).reshape(-1, 4).float()
        boxes[:, 2:] += boxes[:, :2]
        boxes *= boxes.new_tensor(record.sample.scale_factor).repeat(2)
        labels = torch.tensor([self.categories.index(item['category_id']) for item in items],
                              dtype=torch.long)
        return InstanceData(bboxes=boxes, labels=labels, scores=torch.ones(len(items)))


@torch.no_grad()
def reach(model: VideoDetector, traced: TracedFrame,
          truth: InstanceData) -> Iterator[tuple[float, ...]]:
    """The numbers of :data:`COLUMNS` for every object of a frame whose class is remembered."""
    neck, [held] = model.temporal_neck, traced.memory.neck
    if not held.objects or not len(truth):
        return
    feats, grid = neck.cells(traced.key, 0)
    read = neck.reads[0](feats, held.read(), held.sizes)
    cells = box_cells(truth.bboxes, grid, neck.strides[0], neck.rule.cells).flatten(1)
    memory = 1 - read.beta
    rows = torch.tensor(held.sizes)
    for label, inside in zip(truth.labels.tolist(), cells, strict=True):
        own = torch.tensor([part.label == label for part in held.objects])
        if own.any():
            share: Tensor = read.attention[own][:, inside].sum() / rows[own].sum()
            yield (float(share), float(memory[inside].mean()), float(memory.mean()),
                   float(inside.float().mean()))


def run(model: VideoDetector, videos: Videos, *, remember_truth: bool,
        ) -> tuple[dict[str, list[tuple[float, ...]]], list[dict[str, Any]]]:
    """Detect in all videos.

    Returns:
        Numbers of the objects by degradation; COCO results.
    """
    found, results = defaultdict(list), []
    neck = model.temporal_neck
    write = neck.write
    for images in tqdm(list(videos), unit='video'):
        for image, traced in zip(images, trace_frames(
                model, videos.frames(images), len(images)), strict=True):
            truth = videos.truth(image, traced.key)
            group = next(iter(image['degradations']), 'clean')
            found[group] += reach(model, traced, truth)
            if remember_truth:  # trace_frames remembers a frame when it is asked for the next one
                clean = group == 'clean' and len(truth)
                neck.write = (lambda memory, step, _, truth=truth: write(memory, step, truth)) \
                    if clean else (lambda *_: None)
            instances = traced.found.pred_instances
            for box, score, label in zip(instances.bboxes.tolist(), instances.scores.tolist(),
                                         instances.labels.tolist(), strict=True):
                results.append(dict(
                    image_id=image['id'], category_id=videos.categories[label], score=score,
                    bbox=[box[0], box[1], box[2] - box[0], box[3] - box[1]]))
    neck.write = write
    return found, results


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    try:
        config = Config.fromfile(args.config)
        config.merge_from_dict(args.cfg_options)
        model = init_video_detector(config, args.checkpoint)
        neck = neck_of(model, 0)
        if len(neck.groups) != 1:
            raise ValueError(f'the neck has memories of {len(neck.groups)} levels, expected one')
        videos = Videos(args.data, args.videos)
        if args.temperature is not None:
            neck.reads[0].temperature.data.fill_(args.temperature)
        names = [item['name'] for item in videos.content['categories']]
        if (classes := list(model.dataset_meta.get('classes') or names)) != names:
            raise ValueError(f'the model has the classes {classes}, the data {names}')
        found, results = run(model, videos, remember_truth=args.truth)
    except (OSError, ValueError, PredictionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print('| frames | objects | ' + ' | '.join(COLUMNS) + ' |\n|' + '---|' * (2 + len(COLUMNS)))
    for group, rows in sorted(found.items()):
        if rows:
            print(f'| {group} | {len(rows)} | '
                  + ' | '.join(f'{value:.2f}' for value in np.mean(rows, axis=0)) + ' |')
    print('AP50: ' + ', '.join(f'{name} {value:.1f}' for name, (_, _, value, _) in difficulty(
        videos.content, results).items() if name in ('all', 'clean', 'degraded')))
    return 0


if __name__ == '__main__':
    sys.exit(main())
