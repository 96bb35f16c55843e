"""Print AP50 on clean and on degraded frames of ToyVID for the detections of any model."""

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


def difficulty(annotations: dict[str, Any], predictions: list[dict[str, Any]]
               ) -> dict[str, tuple[int, int, float]]:
    """Frames, objects and AP50 in percent per group of frames.

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
        found = truth.loadRes([dict(item) for item in predictions])
    return {name: (len(ids), len(truth.getAnnIds(imgIds=ids)) if ids else 0,
                   ap50(truth, found, ids) if ids else float('nan'))
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
    print(f'{"frames":<20}{"number":>8}{"objects":>9}{"AP50":>8}')
    for name, (frames, objects, value) in rows.items():
        print(f'{name:<20}{frames:>8}{objects:>9}{value:>8.1f}')
    gap = rows['clean'][2] - rows['degraded'][2]
    print(f'degraded frames are {gap:.1f} points below clean ones')
    return 0 if args.min_gap is None or gap >= args.min_gap else 1


if __name__ == '__main__':
    sys.exit(main())
