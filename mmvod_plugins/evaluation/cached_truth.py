"""Ground truth of an annotation file, kept in compact form beside large ones."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmvod_plugins.datasets.annotation_cache import LARGE, AnnotationCache

from .functional.ground_truth import BOX_FIELDS, FRAME_FIELDS, GroundTruth


def read_truth(source: str | dict[str, Any], classes: Sequence[str], *,
               degraded: str | None = None, cache_above: int | None = LARGE) -> GroundTruth:
    """:meth:`GroundTruth.from_coco_vid`, from the compact form of the file where there is one.

    Args:
        source: Path of the json, or its content.
        classes: Names of the classes, in the order of the labels.
        degraded: Key of the images that marks degraded frames.
        cache_above: Size in bytes of a file, on a disk, from which on its ground truth is kept
            beside it (:class:`AnnotationCache`); None: never.
    """
    path = None if isinstance(source, dict) or cache_above is None else Path(source)
    if path is None or not path.is_file() or path.stat().st_size < cache_above:
        return GroundTruth.from_coco_vid(source, classes, degraded=degraded)
    cache = AnnotationCache(path, ['GroundTruth', tuple(classes), degraded])
    kept = cache.read_arrays()
    if kept is not None:
        facts, arrays = kept
        truth = GroundTruth(classes=tuple(classes), **facts['truth'],
                            **{name: np.array(part) for name, part in arrays.items()})
        texts = facts['warnings']
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            truth = GroundTruth.from_coco_vid(source, classes, degraded=degraded)
        texts = [str(warning.message) for warning in caught]
        values = {name: getattr(truth, name) for name in (*BOX_FIELDS, *FRAME_FIELDS)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        facts = {name: value for name, value in values.items() if name not in arrays}
        cache.write_arrays(dict(truth=facts, warnings=texts), arrays)
    for text in texts:
        warnings.warn(text, stacklevel=2)
    return truth
