"""One-stage detectors: a dense head on the maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet.models.dense_heads import (
    CascadeRPNHead,
    CenterNetHead,
    CornerHead,
    GuidedAnchorHead,
    PAAHead,
    RPNHead,
    StageCascadeRPNHead,
    YOLACTHead,
)
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.selection import OutputOptions
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References

from .base import DetectorAdapter

#: Heads that have no boxes before suppression, or no thresholds that a caller could choose.
FINISHED = (CascadeRPNHead, CenterNetHead, CornerHead, GuidedAnchorHead, PAAHead, RPNHead,
            StageCascadeRPNHead, YOLACTHead)


class DenseAdapter(DetectorAdapter):
    """Steps of ``SingleStageDetector`` (RetinaNet, ATSS, FCOS, YOLOX, RTMDet).

    Objects are those that a temporal head chooses. Raw boxes are ``bboxes`` (P, 4), ``scores``
    (P,) and ``labels`` (P,), above the score threshold and at most ``nms_pre`` of a level. Heads
    that give nothing but finished detections have no raw boxes: :meth:`select` runs them whole.
    """

    @property
    def last_head(self) -> nn.Module:
        """The dense head."""
        return self.detector.bbox_head

    @property
    def test_cfg(self) -> ConfigDict | None:
        """``test_cfg``."""
        return self.last_head.test_cfg

    @property
    def num_classes(self) -> int | None:
        """Those of the dense head; an RPN has none."""
        return None if isinstance(self.last_head, RPNHead) else self.last_head.num_classes

    @property
    def finished(self) -> bool:
        """Whether the head gives nothing but finished detections."""
        return self.head is None and isinstance(self.last_head, FINISHED)

    def objects(self, maps: Maps, records: Sequence[FrameRecord],
                topk: int | None = None) -> list[ObjectFeatures]:
        """The objects that the temporal head chooses."""
        return [part if topk is None else part.top(topk)
                for part in self.head.extract(maps, None, list(records))]

    def raw(self, maps: Maps, records: Sequence[FrameRecord],
            options: OutputOptions) -> list[InstanceData]:
        """Boxes above the threshold; nothing of a head that gives finished detections."""
        if self.finished:
            return [InstanceData() for _ in records]
        config = options.change(self.test_cfg)
        config.min_bbox_size = -1  # applies to the pixels that are returned: left to `select`
        return self.last_head.predict_by_feat(
            *self.last_head(maps), batch_img_metas=[record.sample.metainfo for record in records],
            cfg=config, rescale=False, with_nms=False)

    def poolable(self, raw: InstanceData, options: OutputOptions) -> InstanceData:
        """The raw boxes; see the base class."""
        if self.finished:
            raise ValueError(
                'the reference policy pools boxes before their suppression, but '
                f'{type(self.last_head).__name__} has no boxes before it: use CentredWindow, which '
                'detects a frame in one window')
        return raw

    def raw_follows(self, options: OutputOptions) -> bool:
        """Thresholds come before the raw boxes."""
        return not options.default

    def select(self, raw: InstanceData, record: FrameRecord, options: OutputOptions,
               *, rescale: bool) -> InstanceData:
        """Detections by the post-processing of the head itself."""
        if self.finished:
            [found] = self.last_head.predict(record.maps, [record.sample], rescale=rescale)
            return found
        config = options.change(self.test_cfg)
        # the head rescales in place
        raw = InstanceData(**{name: value.clone() for name, value in raw.items()})
        return self.last_head._bbox_post_process(
            raw, config, rescale=rescale, with_nms=True, img_meta=record.sample.metainfo)

    def loss(self, maps: Maps, samples: list[DetDataSample],
             references: list[References] | None) -> dict[str, Tensor]:
        """Losses of the head."""
        temporal: dict[str, Any] = {} if self.head is None else {'reference_frames': references}
        return self.last_head.loss(maps, samples, **temporal)

    def check(self, options: OutputOptions) -> None:
        """Refuse what the head cannot give; see the base class."""
        name = type(self.last_head).__name__
        if options.class_scores:
            raise ValueError(
                'model.detections.class_scores needs a detector with a RoI head. Omit it: with '
                'nms=False the detections of a box in a dense detector have the scores of all '
                'classes')
        if self.finished and not options.default:
            raise ValueError(f'model.detections is not possible with {name}, which gives nothing '
                             'but finished detections: omit it')
        super().check(options)
