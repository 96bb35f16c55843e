"""What is behind the points of mmdet's dense heads: tower features, boxes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.models.dense_heads import (
    ATSSHead,
    FCOSHead,
    PAAHead,
    RetinaHead,
    RTMDetHead,
    RTMDetInsHead,
    YOLOXHead,
)
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor, nn

from mmvod_plugins.models.task_modules.point_selection import DensePoints
from mmvod_plugins.structures import Maps

#: The layers that predict classes and boxes; their inputs are the features of the two towers. A
#: subclass stands before its base.
PREDICTORS: dict[type[nn.Module], tuple[str, str]] = {
    YOLOXHead: ('multi_level_conv_cls', 'multi_level_conv_reg'),
    RTMDetHead: ('rtm_cls', 'rtm_reg'),
    RetinaHead: ('retina_cls', 'retina_reg'),
    FCOSHead: ('conv_cls', 'conv_reg'),
    ATSSHead: ('atss_cls', 'atss_reg'),
}
#: Subclasses whose scores are more than a product of these.
REFUSED = (PAAHead, RTMDetInsHead)


@dataclass
class TowerOutputs:
    """The result of one pass of a dense head over N frames.

    Attributes:
        outputs: What the head's ``forward`` returns.
        cls_feats: Features of the classification tower, (N, C, H, W) of every level.
        reg_feats: Features of the regression tower, alike.
    """

    outputs: tuple[Any, ...]
    cls_feats: list[Tensor]
    reg_feats: list[Tensor]


def predictors_of(head: nn.Module) -> tuple[str, str]:
    """Names of the layers that predict classes and boxes.

    Raises:
        ValueError: If the head has no towers that are known, with those that fit.
    """
    known = [names for kind, names in PREDICTORS.items() if isinstance(head, kind)]
    if not known or isinstance(head, REFUSED):
        fit = ', '.join(kind.__name__ for kind in PREDICTORS)
        raise ValueError(f'a temporal dense head needs a head with a tower for classes and one for '
                         f'boxes, and {type(head).__name__} is none that is known: use one of '
                         f'{fit}, or a subclass')
    return known[0]


def run_towers(head: nn.Module, maps: Maps) -> TowerOutputs:
    """Run a head once and keep the inputs of its last layers.

    Args:
        head: One of :data:`PREDICTORS`.
        maps: Maps of N frames, (N, C, H, W) each.
    """
    feats: dict[str, list[Tensor]] = {}
    handles = []
    for name in predictors_of(head):
        feats[name] = []
        layer = getattr(head, name)
        for part in layer if isinstance(layer, nn.ModuleList) else [layer]:
            handles.append(part.register_forward_pre_hook(
                lambda _, inputs, into=feats[name]: into.append(inputs[0])))
    try:
        outputs = head(maps)
    finally:
        for handle in handles:
            handle.remove()
    return TowerOutputs(outputs, *feats.values())


def decode_points(head: nn.Module, outputs: Sequence[Sequence[Tensor]],
                  img_metas: Sequence[dict]) -> list[DensePoints]:
    """All points of N frames with boxes and probabilities, level by level, row by row.

    Boxes are clipped to the frame where the head itself clips them (not by YOLOX).

    Args:
        head: One of :data:`PREDICTORS`.
        outputs: What its ``forward`` returns, for N frames.
        img_metas: Metainfo of the frames.
    """
    is_yolox = isinstance(head, YOLOXHead)
    with_objectness = len(outputs) == 3
    scores, deltas, *rest = outputs
    if isinstance(head, FCOSHead) and head.training and head.norm_on_bbox:
        deltas = [delta * stride for delta, stride in zip(deltas, head.strides, strict=True)]
    priors = head.prior_generator.grid_priors(
        [level.shape[-2:] for level in scores], device=scores[0].device,
        dtype=torch.promote_types(scores[0].dtype, torch.float32),
        **dict(with_stride=True) if is_yolox else {})
    priors = torch.cat([get_box_tensor(level) for level in priors])
    logits = _flat(scores, head.cls_out_channels)
    probs = logits.sigmoid() if head.use_sigmoid_cls else logits.softmax(-1)[..., :-1]
    deltas = _flat(deltas, 4)
    objectness = _flat(rest[0], 1)[..., 0].sigmoid() if with_objectness else [None] * len(probs)
    if is_yolox:
        boxes = head._bbox_decode(priors, deltas)
    else:
        boxes = [get_box_tensor(head.bbox_coder.decode(priors, delta, max_shape=meta['img_shape']))
                 for delta, meta in zip(deltas, img_metas, strict=True)]
    return [DensePoints(*frame, priors) for frame in zip(boxes, probs, objectness, strict=True)]


def features_at(levels: Sequence[Tensor], frame: int, points: Tensor, per_cell: int) -> Tensor:
    """Tower features (n, C) of points of a frame.

    Args:
        levels: (N, C, H, W) each.
        frame: Which of the N.
        points: (n,), indices over all levels, row by row.
        per_cell: Points of a cell (anchors).
    """
    cells = torch.cat([level[frame].flatten(1) for level in levels], 1)
    return cells[:, points // per_cell].T


def _flat(levels: Sequence[Tensor], channels: int) -> Tensor:
    """(N, A, channels) of levels (N, a * channels, H, W), in single precision at least."""
    return torch.cat([
        level.permute(0, 2, 3, 1).reshape(len(level), -1, channels) for level in levels],
        1).to(torch.promote_types(levels[0].dtype, torch.float32))
