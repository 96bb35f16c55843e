"""Print AP50 on clean and on degraded frames of ToyVID for the detections of any model.

The last column is the room that the video leaves: AP50 of the same boxes if the texture of every
object were known, which only other frames of its video tell where a frame hides it.
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import iou


class PredictionError(Exception):
    """Error for files that do not belong together; the message has the remedy."""


def frame_groups(images: Iterable[dict[str, Any]]) -> dict[str, list[int]]:
    """Group frames by their degradations.

    Args:
        images: Entries of ``images`` of a ToyVID json.

    Returns:
        Image ids by group: ``all``, ``clean``, ``degraded``, then one group per degradation.
    """
    groups: dict[str, list[int]] = dict(all=[], clean=[], degraded=[])
    kinds: dict[str, list[int]] = {}
    for image in images:
        if 'degradations' not in image:
            raise PredictionError(f'image {image["id"]} has no "degradations": the annotation '
                                  'file is not one that make_toy_vid.py wrote')
        groups['all'].append(image['id'])
        groups['degraded' if image['degradations'] else 'clean'].append(image['id'])
        for name in image['degradations']:
            kinds.setdefault(name, []).append(image['id'])
    return dict(groups, **{name: kinds[name] for name in sorted(kinds)})


def ap50(truth: COCO, found: COCO, image_ids: list[int]) -> float:
    """AP at IoU 0.5 over some images, in percent; NaN without objects."""
    evaluator = COCOeval(truth, found, 'bbox')
    evaluator.params.imgIds = image_ids
    evaluator.params.iouThrs = evaluator.params.iouThrs[:1]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval['precision'][0, :, :, 0, -1]
    known = precision[:, (precision > -1).any(axis=0)]
    return 100 * float(known.mean()) if known.size else float('nan')


def with_known_textures(annotations: dict[str, Any], predictions: list[dict[str, Any]]
                        ) -> list[dict[str, Any]]:
    """Give the detections of an object the object's texture.

    A detection belongs to an object if it has its shape and overlaps its box by half. It gets the
    object's class, which the whole video tells, and keeps its place; its score is the sum of those
    that the frame has for this shape at this place, whatever the texture. Others are unchanged.

    Args:
        annotations: Content of a ToyVID json.
        predictions: COCO results.
    """
    shapes = {item['id']: item['name'].rpartition('_')[2] for item in annotations['categories']}
    objects: dict[int, list[dict[str, Any]]] = {}
    for item in annotations['annotations']:
        objects.setdefault(item['image_id'], []).append(item)
    frames: dict[int, list[dict[str, Any]]] = {}
    for item in sorted(predictions, key=lambda item: item['score'], reverse=True):
        frames.setdefault(item['image_id'], []).append(item)
    found = []
    for image_id, rest in frames.items():
        for truth in objects.get(image_id, ()):
            while (own := _of_object(rest, truth['bbox'], shapes, truth['category_id'])):
                same = _of_object(rest, own[0]['bbox'], shapes, truth['category_id'])
                scores = {item['category_id']: item['score'] for item in reversed(same)}
                found.append(dict(own[0], category_id=truth['category_id'],
                                  score=min(1.0, sum(scores.values()))))
                taken = {id(item) for item in same}
                rest = [item for item in rest if id(item) not in taken]
        found.extend(rest)
    return found


def _of_object(items: list[dict[str, Any]], box: list[float], shapes: dict[int, str],
               category_id: int) -> list[dict[str, Any]]:
    """The detections of a shape that overlap a box (x, y, w, h) by half, in their order."""
    items = [item for item in items if shapes[item['category_id']] == shapes[category_id]]
    if not items:
        return []
    overlaps = iou([item['bbox'] for item in items], [box], [0])[:, 0]
    return [item for item, overlap in zip(items, overlaps, strict=True) if overlap >= 0.5]


def difficulty(annotations: dict[str, Any], predictions: list[dict[str, Any]]
               ) -> dict[str, tuple[int, int, float, float]]:
    """Frames, objects, AP50 and AP50 with known textures, in percent, per group of frames.

    Args:
        annotations: Content of a ToyVID json.
        predictions: COCO results: ``image_id``, ``category_id``, ``bbox``, ``score``.
    """
    groups = frame_groups(annotations['images'])
    unknown = {item['image_id'] for item in predictions} - set(groups['all'])
    if unknown:
        raise PredictionError(f'{len(unknown)} image ids of the predictions are not in the '
                              f'annotations (for instance {min(unknown)}): they belong to '
                              'another file')
    if not predictions:
        raise PredictionError('there are no predictions')
    truth = COCO()
    truth.dataset = annotations
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found, known = (truth.loadRes([dict(item) for item in items]) for items in (
            predictions, with_known_textures(annotations, predictions)))
    return {name: (len(ids), len(truth.getAnnIds(imgIds=ids)) if ids else 0,
                   *(ap50(truth, boxes, ids) if ids else float('nan') for boxes in (found, known)))
            for name, ids in groups.items()}


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('annotations', type=Path, help='toy_vid_val.json')
    parser.add_argument('predictions', type=Path,
                        help='COCO results; ImageNetVIDMetric and CocoMetric write '
                        'PREFIX.bbox.json when outfile_prefix=PREFIX is set')
    parser.add_argument('--min-gap', type=float, metavar='POINTS',
                        help='exit with code 1 if AP50 on clean frames is not this many points '
                        'above AP50 on degraded ones')
    args = parser.parse_args(argv)
    try:
        contents = [json.loads(path.read_text(encoding='utf-8'))
                    for path in (args.annotations, args.predictions)]
        rows = difficulty(*contents)
    except (OSError, ValueError, PredictionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{"frames":<20}{"number":>8}{"objects":>9}{"AP50":>8}{"texture known":>15}')
    for name, (frames, objects, value, known) in rows.items():
        print(f'{name:<20}{frames:>8}{objects:>9}{value:>8.1f}{known:>15.1f}')
    gap = rows['clean'][2] - rows['degraded'][2]
    print(f'degraded frames are {gap:.1f} points below clean ones')
    return 0 if args.min_gap is None or gap >= args.min_gap else 1


if __name__ == '__main__':
    sys.exit(main())
