"""Choice of the adapter for a detector."""

from __future__ import annotations

from typing import Any

from mmdet.models.detectors import (
    BaseDetector,
    DetectionTransformer,
    SingleStageDetector,
    TwoStageDetector,
)
from mmdet.registry import MODELS

from .base import DetectorAdapter
from .dense import DenseAdapter
from .query import QueryAdapter
from .two_stage import TwoStageAdapter

#: Adapter of every family.
FAMILIES: tuple[tuple[type[BaseDetector], type[DetectorAdapter]], ...] = (
    (TwoStageDetector, TwoStageAdapter),
    (DetectionTransformer, QueryAdapter),
    (SingleStageDetector, DenseAdapter),
)

#: The head without which a detector of a family (MaskFormer) finds no boxes.
HEADS = {TwoStageAdapter: 'roi_head', QueryAdapter: 'bbox_head', DenseAdapter: 'bbox_head'}


def build_detector(config: dict[str, Any]) -> BaseDetector:
    """Build a stock detector.

    Raises:
        ValueError: If a detector without a RoI head is given one.
    """
    try:
        return MODELS.build(config)
    except TypeError as error:
        if "unexpected keyword argument 'roi_head'" not in str(error):
            raise
        raise ValueError(
            f'detector.type is {config["type"]}, which has no RoI head, but detector.roi_head is '
            'given: aggregators of proposals need a two-stage detector (FasterRCNN, CascadeRCNN); '
            'in this one use a temporal neck (FGFANeck, STMMNeck)') from error


def adapt(detector: BaseDetector) -> DetectorAdapter:
    """The adapter of a detector's family.

    Raises:
        TypeError: If the detector is of no known family, with its name.
    """
    for family, adapter in FAMILIES:
        if isinstance(detector, family) and hasattr(detector, HEADS[adapter]):
            return adapter(detector)
    known = ', '.join(family.__name__ for family, _ in FAMILIES)
    raise TypeError(f'{type(detector).__name__} is of no family of detectors that is known: '
                    f'expected a subclass of one of {known}')
