"""One-stage detectors: a dense head on the maps."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.dense_heads import (
    CascadeRPNHead,
    CenterNetHead,
    CornerHead,
    GuidedAnchorHead,
    PAAHead,
    RPNHead,
    RTMDetInsHead,
    SSDHead,
    StageCascadeRPNHead,
    YOLACTHead,
)
from mmdet.models.detectors import SingleStageDetector
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.selection import OutputOptions
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References
from mmvod_plugins.utils.precision import predict_in_float32

from .base import DetectorAdapter

#: See :class:`DetectorAdapter`; instance heads decode masks of suppressed boxes alone.
FINISHED = (CascadeRPNHead, CenterNetHead, CornerHead, GuidedAnchorHead, PAAHead, RPNHead,
            RTMDetInsHead, StageCascadeRPNHead, YOLACTHead)


class DenseAdapter(DetectorAdapter):
    """Steps of ``SingleStageDetector`` (RetinaNet, ATSS, FCOS, YOLOX, RTMDet).

    Objects are those that a temporal head chooses. Raw boxes are ``bboxes`` (P, 4), ``scores``
    (P,) and ``labels`` (P,), above the score threshold and at most ``nms_pre`` of a level; or, of
    a temporal head, ``scores`` (P, K) of all its objects, and ``score_factors`` (P,). Heads with
    finished detections have none.
    """

    finished_heads = FINISHED

    def __init__(self, detector: SingleStageDetector) -> None:
        super().__init__(detector)
        # mmdet's prediction asks every head for its loss, which SSDHead alone does not have
        if isinstance(self.last_head, SSDHead):
            self.last_head.loss_cls = None
        predict_in_float32(self.last_head)

    @property
    def num_classes(self) -> int | None:
        """Those of the dense head; an RPN has none."""
        return None if isinstance(self.last_head, RPNHead) else self.last_head.num_classes

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
        if raw.scores.ndim == 2:
            rows, labels = (raw.scores >= config.score_thr).nonzero(as_tuple=True)
            chosen = raw[rows]
            chosen.labels, chosen.scores = labels, raw.scores[rows, labels]
            raw = chosen
        # the head rescales in place
        raw = InstanceData(**{name: value.clone() for name, value in raw.items()})
        return self.last_head._bbox_post_process(
            raw, config, rescale=rescale, with_nms=True, img_meta=record.sample.metainfo)

    def loss(self, maps: Maps, samples: list[DetDataSample],
             references: list[References] | None) -> dict[str, Tensor]:
        """Losses of the head."""
        return self.last_head.loss(maps, samples, **self.loss_arguments(references))

    def check(self, options: OutputOptions) -> None:
        """Refuse what the head cannot give; see the base class."""
        if options.class_scores:
            raise ValueError(
                'model.detections.class_scores needs a detector with a RoI head. Omit it: with '
                'nms=False the detections of a box in a dense detector have the scores of all '
                'classes')
        super().check(options)
