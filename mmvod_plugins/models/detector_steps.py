"""The steps of a stock mmdet detector, from given feature maps on.

mmdet's detectors start from images. A video detector computes feature maps once per frame and
may enhance them, so it needs what comes after ``extract_feat`` as separate steps.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from .detection_options import DetectionOptions, select_detections, suppress

Feats = tuple[Tensor, ...]


def is_two_stage(detector: BaseDetector) -> bool:
    """Whether the detector has a RoI head."""
    return getattr(detector, 'roi_head', None) is not None


def without_padding(feats: Feats, metainfo: dict[str, Any]) -> Feats:
    """The part of a frame's maps that is its own, without what batching with larger ones added.

    Args:
        feats: Maps of one frame, (1, C, H, W) each.
        metainfo: Its ``pad_shape`` and ``batch_input_shape``, (height, width) in pixels; without
            them the maps stay as they are.
    """
    own, whole = (metainfo.get(name) for name in ('pad_shape', 'batch_input_shape'))
    if own is None or whole is None or tuple(own[:2]) == tuple(whole):
        return feats
    return tuple(
        level[..., :math.ceil(own[0] * level.shape[2] / whole[0]),
              :math.ceil(own[1] * level.shape[3] / whole[1])] for level in feats)


def propose(detector: BaseDetector, feats: Feats,
            samples: list[DetDataSample]) -> list[InstanceData]:
    """Proposals of every frame, best first: the samples' own, or the RPN's as in testing."""
    if samples[0].get('proposals') is not None or not detector.with_rpn:
        return given_proposals(samples)
    return detector.rpn_head.predict(feats, samples, rescale=False)


def given_proposals(samples: list[DetDataSample]) -> list[InstanceData]:
    """The proposals that the samples carry, as objects of their own: mmdet's heads change them.

    Raises:
        ValueError: If a frame has none, with its file.
    """
    missing = [sample for sample in samples if sample.get('proposals') is None]
    if missing:
        raise ValueError(
            f'no proposals for {missing[0].metainfo.get("img_path")}: the detector has no RPN, or '
            'other frames have proposals. Give the dataset a proposal_file and its pipeline '
            'LoadFrameProposals, or the detector an rpn_head')
    return [sample.proposals.new() for sample in samples]


def predict(detector: BaseDetector, feats: Feats, samples: list[DetDataSample], rescale: bool,
            options: DetectionOptions) -> list[InstanceData]:
    """Detections of every frame."""
    metas = [sample.metainfo for sample in samples]
    if not is_two_stage(detector):
        head = detector.bbox_head
        if options.default:
            return head.predict(feats, samples, rescale=rescale)
        return head.predict_by_feat(*head(feats), batch_img_metas=metas, rescale=rescale,
                                    cfg=options.change(head.test_cfg))
    proposals = propose(detector, feats, samples)
    head = detector.roi_head
    if options.default:
        return head.predict(feats, proposals, samples, rescale=rescale)
    raw = head.predict_bbox(feats, metas, proposals, rcnn_test_cfg=None, rescale=rescale)
    return [select_detections(frame, detector.test_cfg.rcnn, options) for frame in raw]


def predict_raw(detector: BaseDetector, feats: Feats, samples: list[DetDataSample], rescale: bool,
                options: DetectionOptions,
                proposals: list[InstanceData] | None = None) -> list[InstanceData]:
    """What :func:`select` makes detections of: the boxes of every frame before suppression.

    Args:
        detector: With one or two stages.
        feats: Maps of the N frames, (N, C, H, W) each.
        samples: Their metainfo.
        rescale: Whether boxes are returned in pixels of the original image.
        options: What is asked for.
        proposals: Of every frame, where they are known; None lets the RPN look at ``feats``.

    Returns:
        For every frame ``bboxes`` (P, 4) or (P, 4 K) and ``scores`` (P, K + 1), of one stage
        (P,), of what can become a detection: a score above the threshold.
    """
    metas = [sample.metainfo for sample in samples]
    if is_two_stage(detector):
        proposals = propose(detector, feats, samples) if proposals is None else proposals
        raw = detector.roi_head.predict_bbox(feats, metas, proposals, rcnn_test_cfg=None,
                                             rescale=rescale)
        threshold = options.change(detector.test_cfg.rcnn).score_thr
        return [frame[(frame.scores[:, :-1] > threshold).any(dim=1)] for frame in raw]
    head = detector.bbox_head
    return head.predict_by_feat(*head(feats), batch_img_metas=metas, rescale=rescale,
                                cfg=options.change(head.test_cfg), with_nms=False)


def select(detector: BaseDetector, raw: list[InstanceData],
           options: DetectionOptions) -> InstanceData:
    """Detections of one frame from all that was found in it, suppressed once.

    Args:
        detector: With the thresholds.
        raw: Boxes of one or several passes over the frame, from :func:`predict_raw`.
        options: What is asked for.
    """
    pooled = InstanceData.cat([part for part in raw if len(part)] or raw[:1])
    if is_two_stage(detector):
        return select_detections(pooled, detector.test_cfg.rcnn, options)
    return suppress(pooled, options.change(detector.bbox_head.test_cfg))


def suppresses(detector: BaseDetector, options: DetectionOptions) -> bool:
    """Whether non-maximum suppression takes boxes away."""
    test_cfg = detector.test_cfg.rcnn if is_two_stage(detector) else detector.bbox_head.test_cfg
    nms = (test_cfg or {}).get('nms')
    return options.nms and nms is not None and nms.get('iou_threshold', 0) < 1


def loss(detector: BaseDetector, feats: Feats, samples: list[DetDataSample],
         roi_inputs: dict[str, Any]) -> dict[str, Tensor]:
    """Losses of every frame; ``roi_inputs`` are further arguments of the RoI head."""
    if not is_two_stage(detector):
        return detector.bbox_head.loss(feats, samples)
    losses: dict[str, Tensor] = {}
    if detector.with_rpn:
        losses, proposals = _rpn_loss(detector, feats, samples)
    else:
        proposals = given_proposals(samples)
    losses.update(detector.roi_head.loss(feats, proposals, samples, **roi_inputs))
    return losses


def _rpn_loss(detector: BaseDetector, feats: Feats,
              samples: list[DetDataSample]) -> tuple[dict[str, Tensor], list[InstanceData]]:
    """Losses of the RPN, named as mmdet names them, and its training proposals."""
    samples = copy.deepcopy(samples)
    for sample in samples:
        sample.gt_instances.labels = torch.zeros_like(sample.gt_instances.labels)
    config = detector.train_cfg.get('rpn_proposal', detector.test_cfg.rpn)
    losses, proposals = detector.rpn_head.loss_and_predict(feats, samples, proposal_cfg=config)
    named = {
        name if 'rpn' in name or 'loss' not in name else f'rpn_{name}': value
        for name, value in losses.items()
    }
    return named, proposals
