"""Print what detectors get wrong on clean and on degraded frames of ToyVID.

    python tools/analysis_tools/toy_vid_errors.py VAL.json control=A.bbox.json mega=B.bbox.json

For every object the strongest box that overlaps it by half decides: its class is right, or only its
shape is, or not even that, or there is none. Boxes above a score that belong to no object of their
class are counted per 100 objects: misplaced ones (they overlap an object of their class, by less
than half), a second class on an object, and boxes elsewhere (distractors, background).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.mask import iou
from toy_vid_difficulty import PredictionError, frame_groups

#: What the strongest box at an object is.
AT_OBJECTS = ('right', 'other texture', 'other shape', 'no box')
#: What strong boxes without an object of their own are.
WITHOUT_OBJECT = ('misplaced', 'second class', 'elsewhere')
#: Overlap from which a box that is off is called misplaced.
NEAR = 0.1


def errors(annotations: dict[str, Any], predictions: Sequence[dict[str, Any]],
           score: float = 0.5) -> dict[str, dict[str, float]]:
    """Shares of objects, and boxes without one, each per 100 objects.

    Args:
        annotations: Content of a ToyVID json.
        predictions: COCO results.
        score: Of the boxes that count as strong.

    Returns:
        Counts per 100 objects by group of frames, ``clean`` and ``degraded``, under the names of
        ``AT_OBJECTS`` and ``WITHOUT_OBJECT``.
    """
    groups = frame_groups(annotations['images'])
    objects, found = _by_image(annotations['annotations']), _by_image(predictions)
    shapes = {item['id']: item['name'].rpartition('_')[2] for item in annotations['categories']}
    rows = {}
    for name in ('clean', 'degraded'):
        counts = dict.fromkeys((*AT_OBJECTS, *WITHOUT_OBJECT), 0)
        for image_id in groups[name]:
            for kind in _frame(objects[image_id], found[image_id], shapes, score):
                counts[kind] += 1
        number = sum(counts[kind] for kind in AT_OBJECTS)
        rows[name] = {kind: 100 * count / number if number else float('nan')
                      for kind, count in counts.items()}
    return rows


def _by_image(items: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    grouped = defaultdict(list)
    for item in items:
        grouped[item['image_id']].append(item)
    return grouped


def _frame(objects: list[dict[str, Any]], found: list[dict[str, Any]], shapes: dict[int, str],
           score: float) -> list[str]:
    """The kind of every object and of every strong box without one in a frame."""
    overlaps = np.zeros((len(found), len(objects)))
    if overlaps.size:
        overlaps = iou([item['bbox'] for item in found], [item['bbox'] for item in objects],
                       [0] * len(objects))
    kinds = []
    for item, column in zip(objects, overlaps.T, strict=True):
        at = [box['category_id'] for box, overlap in
              sorted(zip(found, column, strict=True), key=lambda pair: -pair[0]['score'])
              if overlap >= 0.5]
        if not at:
            kinds.append('no box')
        elif at[0] == item['category_id']:
            kinds.append('right')
        else:
            same = shapes[at[0]] == shapes[item['category_id']]
            kinds.append('other texture' if same else 'other shape')
    for box, row in zip(found, overlaps, strict=True):
        own = max((overlap for item, overlap in zip(objects, row, strict=True)
                   if item['category_id'] == box['category_id']), default=0)
        if box['score'] >= score and own < 0.5:
            kinds.append('misplaced' if own >= NEAR else
                         'second class' if max(row, default=0) >= 0.5 else 'elsewhere')
    return kinds


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('annotations', type=Path, help='toy_vid_val.json')
    parser.add_argument('predictions', nargs='+', metavar='TITLE=FILE', help='COCO results')
    parser.add_argument('--score-thr', type=float, default=0.5, help='of strong boxes')
    args = parser.parse_args(argv)
    kinds = (*AT_OBJECTS, *WITHOUT_OBJECT)
    try:
        annotations = json.loads(args.annotations.read_text(encoding='utf-8'))
        print('| per 100 objects | frames | ' + ' | '.join(kinds) + ' |')
        print('|---|---|' + '---|' * len(kinds))
        for title, _, file in (text.rpartition('=') for text in args.predictions):
            rows = errors(annotations, json.loads(Path(file).read_text(encoding='utf-8')),
                          args.score_thr)
            for group, row in rows.items():
                print(f'| {title} | {group} | '
                      + ' | '.join(f'{row[kind]:.1f}' for kind in kinds) + ' |')
    except (OSError, ValueError, PredictionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
