"""Operators that mmcv compiles, with their translation to ONNX.

mmcv's suppression is exported without an error as constants of the example, and its RoIAlign not
at all: here both are operators of torch with fixed sizes, whose results are mmcv's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from mmcv.ops import nms as mmcv_nms
from mmcv.ops import roi_align as mmcv_roi_align
from mmdet.models.dense_heads import RPNHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

if not hasattr(torch.library, 'custom_op'):
    raise ImportError(f'the export to ONNX needs torch 2.6 or later, found {torch.__version__}')

#: Opset of the graphs: the first whose RoiAlign is mmcv's in both of its modes is 16.
OPSET = 18
#: Score of boxes that are never kept; scores are probabilities.
NEVER = -1.0


@torch.library.custom_op('mmvod::kept', mutates_args=())
def kept(boxes: Tensor, scores: Tensor, iou_threshold: float, most: int) -> Tensor:
    """Rows that greedy suppression keeps, best first.

    Args:
        boxes: (N, 4).
        scores: (N,); those that are :data:`NEVER` do not take part.
        iou_threshold: Boxes that overlap a better one by more than this are suppressed.
        most: Rows in the result.

    Returns:
        (most,), int64, filled up with -1.
    """
    rows = (scores > NEVER / 2).nonzero()[:, 0]
    found = rows.new_full((most, ), -1)
    if len(rows):
        rows = rows[mmcv_nms(boxes[rows], scores[rows], iou_threshold)[1][:most]]
        found[:len(rows)] = rows
    return found


@kept.register_fake
def _(boxes: Tensor, scores: Tensor, iou_threshold: float,  # noqa: ARG001 - as above
      most: int) -> Tensor:
    return boxes.new_empty(most, dtype=torch.long)


@torch.library.custom_op('mmvod::pooled', mutates_args=())
def pooled(maps: list[Tensor], rois: Tensor, levels: Tensor, scales: list[float], size: list[int],
           sampling_ratio: int, aligned: bool) -> Tensor:
    """RoIAlign of RoIs, each from its own level of a pyramid.

    Args:
        maps: (B, C, H, W) each.
        rois: (N, 5), batch index and box in pixels.
        levels: (N,), int64.
        scales: Cells per pixel of every map.
        size: Height and width of the result.
        sampling_ratio: As mmcv's.
        aligned: As mmcv's.

    Returns:
        (N, C, h, w).
    """
    out = rois.new_zeros(len(rois), maps[0].shape[1], *size)
    for level, (feat, scale) in enumerate(zip(maps, scales, strict=True)):
        rows = (levels == level).nonzero()[:, 0]
        if len(rows):
            out[rows] = mmcv_roi_align(feat, rois[rows], tuple(size), scale, sampling_ratio, 'avg',
                                       aligned)
    return out


@pooled.register_fake
def _(maps: list[Tensor], rois: Tensor, levels: Tensor,  # noqa: ARG001 - as above
      scales: list[float], size: list[int],  # noqa: ARG001
      sampling_ratio: int, aligned: bool) -> Tensor:  # noqa: ARG001
    return rois.new_empty(len(rois), maps[0].shape[1], *size)


def translations() -> dict[Any, Callable[..., Any]]:
    """For ``torch.onnx.export``: what both operators are in ONNX."""
    from onnxscript import opset18 as op

    def kept_in_onnx(boxes, scores, iou_threshold: float, most: int):  # noqa: ANN001, ANN202
        found = op.NonMaxSuppression(
            op.Unsqueeze(boxes, [0]), op.Unsqueeze(scores, [0, 1]), [most], [iou_threshold],
            [NEVER / 2])
        rows = op.Squeeze(op.Slice(found, [2], [3], [1]), [1])
        return op.Slice(op.Concat(rows, op.ConstantOfShape([most], value=_int64(-1)), axis=0),
                        [0], [most], [0])

    def pooled_in_onnx(maps, rois, levels, scales: Sequence[float],  # noqa: ANN001, ANN202
                       size: Sequence[int], sampling_ratio: int, aligned: bool):
        boxes = op.Slice(rois, [1], [5], [1])
        images = op.Cast(op.Squeeze(op.Slice(rois, [0], [1], [1]), [1]), to=7)  # int64
        parts, order = [], []
        for level, (feat, scale) in enumerate(zip(maps, scales, strict=True)):
            rows = op.Squeeze(op.NonZero(op.Equal(levels, [level])), [0])
            parts.append(op.RoiAlign(
                feat, op.Gather(boxes, rows, axis=0), op.Gather(images, rows, axis=0),
                coordinate_transformation_mode='half_pixel' if aligned else 'output_half_pixel',
                mode='avg', output_height=size[0], output_width=size[1],
                sampling_ratio=max(sampling_ratio, 0), spatial_scale=scale))
            order.append(rows)
        if len(parts) == 1:
            return parts[0]
        joined = op.Concat(*parts, axis=0)
        return op.ScatterND(joined, op.Unsqueeze(op.Concat(*order, axis=0), [1]), joined)

    return {torch.ops.mmvod.kept.default: kept_in_onnx,
            torch.ops.mmvod.pooled.default: pooled_in_onnx}


def _int64(value: int) -> object:
    from onnx import TensorProto, helper
    return helper.make_tensor('value', TensorProto.INT64, [1], [value])


@contextmanager
def exportable_detectors() -> Iterator[None]:
    """Let mmdet's RPN and RoI extractor use these operators; both have fixed sizes then.

    Proposals of an image are ``max_per_img`` rows with ``valid``; the others are zeros.
    """
    with mock.patch.object(RPNHead, '_bbox_post_process', _best_proposals), \
            mock.patch.object(SingleRoIExtractor, 'forward', _pool):
        yield


def _best_proposals(_rpn: RPNHead, results: InstanceData, cfg: ConfigDict,
                    **_: object) -> InstanceData:
    """In place of ``RPNHead._bbox_post_process``: the same proposals, padded."""
    boxes, scores = results.bboxes, results.scores
    if cfg.get('min_bbox_size', -1) >= 0:
        sides = boxes[:, 2:] - boxes[:, :2]
        scores = scores.where((sides > cfg.min_bbox_size).all(1), scores.new_full((), NEVER))
    shifted = boxes
    if not cfg.nms.get('class_agnostic'):  # boxes of different levels are moved apart
        shifted = boxes + (results.level_ids.to(boxes) * (boxes.max() + 1))[:, None]
    # mmcv's offset counts the pixel of the last corner, as if the box were larger by it
    shifted = shifted + shifted.new_tensor([0, 0, *[cfg.nms.get('offset', 0)] * 2])
    rows = kept(shifted, scores, float(cfg.nms.iou_threshold), cfg.max_per_img)
    valid, rows = rows >= 0, rows.clamp(min=0)
    return InstanceData(bboxes=boxes[rows] * valid[:, None], scores=scores[rows] * valid,
                        valid=valid)


def _pool(self: SingleRoIExtractor, feats: Sequence[Tensor], rois: Tensor,
          roi_scale_factor: float | None = None) -> Tensor:
    """In place of ``SingleRoIExtractor.forward``."""
    levels = self.map_roi_levels(rois, len(feats))
    if roi_scale_factor is not None:
        rois = self.roi_rescale(rois, roi_scale_factor)
    layer = self.roi_layers[0]
    return pooled(list(feats), rois, levels, [part.spatial_scale for part in self.roi_layers],
                  list(layer.output_size), layer.sampling_ratio, layer.aligned)
