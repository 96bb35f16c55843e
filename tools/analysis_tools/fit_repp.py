"""Fit REPP's link model, which predicts whether two boxes show the same object.

    python tools/analysis_tools/fit_repp.py ANNOTATIONS.json --out link_model.json

Equal instances in neighbouring frames are matches, all other pairs of these frames are not; both
kinds weigh the same, however many objects share a frame. Every fifth video is held out for the
reported quality. The result is printed as a piece of config and written as json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile, image_size
from mmvod_plugins.postprocessing import LinkModel
from mmvod_plugins.postprocessing.link_model import PAIR_FEATURES, pair_features, sigmoid
from mmvod_plugins.utils.files import check_output, write_text

#: Weight of the squared coefficients: keeps them finite where the kinds are separable.
L2 = 1e-4


class Pairs(NamedTuple):
    """Pairs of boxes: features (P, F) and whether they are one object (P,), bool."""

    features: np.ndarray
    matches: np.ndarray


class Quality(NamedTuple):
    """Quality of a model on pairs; both kinds weigh the same. Shares of nothing are NaN."""

    matches: int
    others: int
    accuracy: float
    log_loss: float
    linked_matches: float
    linked_others: float


def video_pairs(file: CocoVIDFile, images: Sequence[dict], names: Sequence[str], jitter: float,
                rng: np.random.Generator) -> Pairs:
    """Pairs of all neighbouring frames of a video.

    Args:
        file: Annotations.
        images: The video's images in temporal order, all of one size.
        names: Names of the features.
        jitter: Standard deviation of the noise on every side of a box, in widths and heights.
        rng: Source of the noise.
    """
    height, width = image_size(images[0])
    img_shape = None if height is None or width is None else (height, width)
    labels = file.labels(file.classes)
    frames = []
    for image in images:
        objects = [item for item in file.instances(image, labels) if not item['ignore_flag']]
        boxes = np.array([item['bbox'] for item in objects], dtype=float).reshape(-1, 4)
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        noise = jitter * sides * rng.standard_normal(boxes.shape)
        frames.append((boxes + noise, np.array([item['instance_id'] for item in objects])))
    features, matches = [np.zeros((0, len(names)))], [np.zeros(0, dtype=bool)]
    for (boxes, ids), (next_boxes, next_ids) in pairwise(frames):
        if len(ids) and len(next_ids):
            found = pair_features(boxes, next_boxes, names, img_shape)
            features.append(found.reshape(-1, len(names)))
            matches.append((ids[:, None] == next_ids[None]).reshape(-1))
    return Pairs(np.concatenate(features), np.concatenate(matches))


def read_pairs(path: Path, names: Sequence[str], jitter: float, seed: int) -> list[Pairs]:
    """Read the pairs of every video that has any.

    Raises:
        ValueError: If the annotations have no instance ids.
    """
    file = CocoVIDFile(str(path))
    unnamed = sum(item.get('instance_id') is None
                  for items in file.annotations.values() for item in items)
    if unnamed:
        raise ValueError(f'{path}: {unnamed} annotations have no instance_id, which links '
                         'the same object in two frames; convert the data set with instance ids')
    rng = np.random.default_rng(seed)
    videos = [video_pairs(file, video['images'], names, jitter, rng) for video in file.videos()]
    return [pairs for pairs in videos if len(pairs.matches)]


def joined(videos: Sequence[Pairs]) -> Pairs:
    """Concatenate the pairs of several videos."""
    return Pairs(*(np.concatenate(parts) for parts in zip(*videos, strict=True)))


def split(videos: Sequence[Pairs], seed: int) -> tuple[Pairs, Pairs | None]:
    """Pairs to fit with, and those of a fifth of the videos; None if there is one video only.

    Raises:
        ValueError: If the pairs to fit with are not of both kinds.
    """
    order = np.random.default_rng(seed).permutation(len(videos))
    num_held_out = 0 if len(videos) < 2 else max(len(videos) // 5, 1)
    held_out, rest = order[:num_held_out], order[num_held_out:]
    fitted = joined([videos[i] for i in rest]) if len(rest) else Pairs(np.zeros(0), np.zeros(0))
    if not 0 < np.sum(fitted.matches) < len(fitted.matches):
        raise ValueError(f'{int(np.sum(fitted.matches))} of {len(fitted.matches)} pairs of boxes '
                         f'in neighbouring frames (of {len(rest)} videos) are the same object: '
                         'both kinds are needed, so some frames must hold several objects, and '
                         'instance_id must persist from frame to frame')
    return fitted, joined([videos[i] for i in held_out]) if num_held_out else None


def fit(pairs: Pairs, names: Sequence[str]) -> LinkModel:
    """Logistic regression in which matches and other pairs have the same weight.

    The features are standardised within; the model takes them as they are.
    """
    mean, scale = pairs.features.mean(axis=0), pairs.features.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    inputs = np.column_stack([(pairs.features - mean) / scale, np.ones(len(pairs.matches))])
    share = pairs.matches.mean()
    weights = np.where(pairs.matches, 0.5 / share, 0.5 / (1 - share)) / len(pairs.matches)
    signs = np.where(pairs.matches, 1.0, -1.0)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        logits = signs * (inputs @ theta)
        penalty = np.append(theta[:-1], 0)
        value = weights @ np.logaddexp(0, -logits) + 0.5 * L2 * penalty @ penalty
        return value, inputs.T @ (-weights * signs * sigmoid(-logits)) + L2 * penalty

    theta = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method='L-BFGS-B').x
    coefficients = theta[:-1] / scale
    intercept = theta[-1] - coefficients @ mean
    return LinkModel(list(names), [_short(value) for value in coefficients], _short(intercept))


def _short(value: float) -> float:
    return float(f'{value:.6g}')


def quality(model: LinkModel, pairs: Pairs, threshold: float) -> Quality:
    """Measure how well a model separates the two kinds of pairs.

    Args:
        model: Its features are those of the pairs.
        pairs: Pairs to classify.
        threshold: ``match_threshold`` at which the linked shares are counted.
    """
    logits = pairs.features @ np.array(model.coefficients) + model.intercept
    kinds = [logits[pairs.matches], logits[~pairs.matches]]
    losses = [np.logaddexp(0, -kinds[0]), np.logaddexp(0, kinds[1])]
    hits = [kinds[0] > 0, kinds[1] <= 0]
    linked = [_mean(sigmoid(kind) >= threshold) for kind in kinds]
    return Quality(len(kinds[0]), len(kinds[1]), float(np.nanmean([_mean(x) for x in hits])),
                   float(np.nanmean([_mean(x) for x in losses])), *linked)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float('nan')


def describe(title: str, result: Quality, threshold: float) -> str:
    """Describe the quality in one line."""
    return (f'{title}: {result.matches} matches, {result.others} other pairs; accuracy '
            f'{result.accuracy:.4f}, log loss {result.log_loss:.4f}; at match_threshold '
            f'{threshold:g} {result.linked_matches:.2%} of the matches and '
            f'{result.linked_others:.2%} of the others may be linked')


def config_text(model: LinkModel) -> str:
    """Format the model as a piece of config."""
    return (f'link_model = dict(\n    features={model.features},\n'
            f'    coefficients={model.coefficients},\n    intercept={model.intercept})')


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('annotations', type=Path, help='COCO-VID json with instance ids')
    parser.add_argument('--out', type=Path, metavar='JSON', help='where to write the numbers')
    parser.add_argument('--features', nargs='+', choices=list(PAIR_FEATURES),
                        default=list(PAIR_FEATURES), help='default: all')
    parser.add_argument('--jitter', type=float, default=0.0, metavar='SHARE',
                        help="noise on every side of a box, in widths and heights (default: 0): "
                        "a detector's boxes are less exact than annotations")
    parser.add_argument('--threshold', type=float, default=0.8, metavar='P',
                        help='match_threshold to report on (default: 0.8)')
    parser.add_argument('--seed', type=int, default=0, help='of jitter and of the held-out videos')
    args = parser.parse_args(argv)
    try:
        if args.out:
            check_output(args.out, [args.annotations])
        videos = read_pairs(args.annotations, args.features, args.jitter, args.seed)
        fitted, held_out = split(videos, args.seed)
        model = fit(fitted, args.features)
        if args.out:
            write_text(args.out, json.dumps(asdict(model), indent=2) + '\n')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(describe('# fitted', quality(model, fitted, args.threshold), args.threshold))
    if held_out is None:
        print('# held out: nothing, as there is one video only')
    else:
        print(describe('# held out', quality(model, held_out, args.threshold), args.threshold))
    print(config_text(model))
    return 0


if __name__ == '__main__':
    sys.exit(main())
