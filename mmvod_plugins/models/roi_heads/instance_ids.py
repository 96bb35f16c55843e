"""Which instance of a video a box shows, by the ground truth of its frame."""

from __future__ import annotations

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from torch import Tensor


def matched(boxes: Tensor, true_boxes: Tensor, iou: float) -> Tensor:
    """Rows (N,) of the true boxes (G, 4) of the highest IoU with boxes (N, 4); -1 below ``iou``."""
    boxes, true_boxes = get_box_tensor(boxes), get_box_tensor(true_boxes)
    if not len(true_boxes):
        return torch.full((len(boxes), ), -1, device=boxes.device)
    overlap, rows = bbox_overlaps(boxes, true_boxes.to(boxes)).max(dim=1)
    return torch.where(overlap >= iou, rows, -1)


def instance_ids(boxes: Tensor, sample: DetDataSample, iou: float) -> Tensor | None:
    """Instance ids of boxes (MST, section IV-C).

    Args:
        boxes: (N, 4) in pixels of the network input.
        sample: Their frame, with ground truth.
        iou: IoU with a true box from which a box shows the same instance.

    Returns:
        (N,), -1 for boxes without a true one; None if the data do not name the instances of the
        frame.
    """
    truth = sample.gt_instances
    if 'instances_ids' not in truth or not sample.metainfo.get('has_instance_ids', True):
        return None
    rows = matched(boxes, truth.bboxes, iou)
    ids = torch.as_tensor(truth.instances_ids, dtype=torch.long, device=rows.device)
    return torch.where(rows >= 0, torch.cat([ids, ids.new_full((1, ), -1)])[rows], -1)
