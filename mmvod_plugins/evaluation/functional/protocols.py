"""The evaluation protocols of video object detection, as data.

Four families of code report an "AP50" on ImageNet VID, and their numbers are not comparable. The
attributes of :class:`Protocol` are their differences; COCO's rules are in ``coco_ap.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .ground_truth import GroundTruth

#: Added to both sides of a box when the ImageNet devkit computes the threshold, in pixels.
PIXEL_TOLERANCE = 10
#: Threshold of the published tables of ImageNet VID.
IOU_THRESHOLD = 0.5


@dataclass(frozen=True)
class Protocol:
    """Rules for matching, false positives and AP.

    Common to all: the detections of a class in a frame choose by descending score, those with equal
    scores in input order. Each takes the free object of its class with the largest IoU that
    reaches the threshold; of equal ones the first, unless it is ignored and a later one is not.

    Attributes:
        name: Key of the result.
        offset: Added to ``x2 - x1`` to get a side, in pixels.
        threshold: ``fixed``, or ``imagenet``: min(iou, wh / ((w + 10)(h + 10))) with
            ``w = x2 - x1 + 1``, so small objects need less.
        iou: The fixed threshold, and the largest one of the ImageNet rule.
        compared: Objects that decide whether an unmatched detection is a false positive when some
            objects are ignored: those of its ``own_class``, or of ``any_class`` in the frame.
        empty_weight: Weight of a false positive in a frame without such objects: the ``share`` of
            objects that are not ignored, or the ``share_below_one``, where 0 and 1 mean weight 1.
        clip_truth: Whether ground truth is clipped to [0, W - 1] x [0, H - 1].
        ap_rule: ``area`` under the monotone envelope, or the mean precision at ``11_points``.
    """

    name: str
    offset: float
    threshold: Literal['fixed', 'imagenet'] = 'fixed'
    compared: Literal['own_class', 'any_class'] = 'own_class'
    empty_weight: Literal['share', 'share_below_one'] = 'share_below_one'
    clip_truth: bool = False
    ap_rule: Literal['area', '11_points'] = 'area'
    iou: float = IOU_THRESHOLD

    def __post_init__(self) -> None:
        for name, allowed in (('threshold', ('fixed', 'imagenet')),
                              ('compared', ('own_class', 'any_class')),
                              ('empty_weight', ('share', 'share_below_one')),
                              ('ap_rule', ('area', '11_points'))):
            if getattr(self, name) not in allowed:
                raise ValueError(f'protocol {self.name!r}: {name} is {getattr(self, name)!r}, '
                                 f'expected one of {allowed}')

    @property
    def metric(self) -> str:
        """Name of the number, ``AP50`` for a threshold of 0.5."""
        return f'AP{round(100 * self.iou)}'

    def boxes(self, truth: GroundTruth) -> np.ndarray:
        """Ground-truth boxes after clipping, (M, 4); ``truth.boxes`` itself if nothing changes."""
        if not self.clip_truth:
            return truth.boxes
        height, width = truth.img_shapes[truth.frame_index].T
        limits = np.column_stack([width, height, width, height]).astype(np.float64) - 1
        clipped = np.clip(truth.boxes, 0, np.where(limits < 0, np.inf, limits))
        return truth.boxes if np.array_equal(clipped, truth.boxes) else clipped

    def thresholds(self, boxes: np.ndarray) -> np.ndarray:
        """IoU that a match needs, for every ground-truth box, (M,)."""
        if self.threshold == 'fixed':
            return np.full(len(boxes), self.iou)
        w, h = (boxes[:, 2:] - boxes[:, :2] + 1).T
        return np.minimum(self.iou, w * h / ((w + PIXEL_TOLERANCE) * (h + PIXEL_TOLERANCE)))

    def empty_frame_weight(self, share: float) -> float:
        """Weight of a false positive in a frame without objects to compare with."""
        if self.empty_weight == 'share_below_one' and share in (0.0, 1.0):
            return 1.0
        return share


@dataclass(frozen=True)
class CocoProtocol:
    """pycocotools' rules, see ``coco_ap.py``.

    Attributes:
        name: Key of the result.
        iou_thresholds: Ascending; AP is their mean.
        max_detections: Best detections that count, per frame and class.
    """

    name: str = 'coco'
    iou_thresholds: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
    max_detections: int = 100

    @property
    def metric(self) -> str:
        """Name of the number at the lowest threshold."""
        return f'AP{round(100 * self.iou_thresholds[0])}'


#: Plain Pascal VOC rules (continuous boxes), with mega.pytorch's rules for motion groups.
VOC = Protocol('voc', offset=0)
#: FGFA's evaluation of ImageNet VID: the devkit's threshold; also SELSA, REPP, YOLOV.
FGFA = Protocol('fgfa', offset=1, threshold='imagenet', compared='any_class', empty_weight='share')
#: mega.pytorch's evaluation; its code adds one pixel twice.
MEGA = Protocol('mega', offset=2, clip_truth=True)
COCO = CocoProtocol()

#: UAVDT's threshold, with VOC's other rules and its ignore regions as crowds.
UAVDT = Protocol('uavdt', offset=0, iou=0.7)

PROTOCOLS: dict[str, Protocol | CocoProtocol] = {
    p.name: p for p in (VOC, FGFA, MEGA, COCO, UAVDT)}
#: Names of those under which results on ImageNet VID are published.
IMAGENET_VID = ('voc', 'fgfa', 'mega', 'coco')


def find_protocols(protocols: Iterable[str | Protocol | CocoProtocol]
                   ) -> list[Protocol | CocoProtocol]:
    """Look up protocols by name; protocols are passed through.

    Raises:
        ValueError: If a name is unknown or occurs twice.
    """
    found = []
    for protocol in protocols:
        if isinstance(protocol, str) and protocol not in PROTOCOLS:
            raise ValueError(f'unknown protocol {protocol!r}; known are {sorted(PROTOCOLS)}')
        found.append(PROTOCOLS[protocol] if isinstance(protocol, str) else protocol)
    names = [protocol.name for protocol in found]
    if len(set(names)) < len(names):
        raise ValueError(f'protocols {names}: a name occurs twice; give each protocol its own')
    return found
