"""Detection transformers: queries that a decoder turns into boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.ops import batched_nms
from mmdet.models.detectors import DetectionTransformer
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.selection import OutputOptions
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References
from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.precision import predict_in_float32

from .base import DetectorAdapter


class QueryAdapter(DetectorAdapter):
    """Steps of ``DetectionTransformer`` (DETR, Deformable DETR, DINO).

    Objects are the decoder's queries. Raw boxes are ``bboxes`` (P, 4), ``scores`` (P,) and
    ``labels`` (P,) of the best queries, and of a temporal head their rows ``proposal_ids`` (P,).
    mmdet suppresses nothing here; the boxes of several windows need ``test_cfg.nms``, without which
    their copies would all be detections.
    """

    def __init__(self, detector: DetectionTransformer) -> None:
        super().__init__(detector)
        predict_in_float32(self.last_head)

    @property
    def num_classes(self) -> int:
        """Those of the head."""
        return self.last_head.num_classes

    def decode(self, maps: Maps, samples: list[DetDataSample]) -> dict[str, Any]:
        """Run encoder and decoder: the arguments of the head, ``hidden_states`` among them."""
        return self.detector.forward_transformer(maps, samples)

    def objects(self, maps: Maps, records: Sequence[FrameRecord],
                topk: int | None = None) -> list[ObjectFeatures]:
        """The queries, as the temporal head describes them."""
        decoded = self.decode(maps, [record.sample for record in records])
        return [part if topk is None else part.top(topk)
                for part in self.head.extract(maps, decoded, list(records))]

    def raw(self, maps: Maps, records: Sequence[FrameRecord],
            options: OutputOptions) -> list[InstanceData]:
        """Boxes of the best queries."""
        samples = [record.sample for record in records]
        return self.last_head.predict(
            **self.decode(maps, samples), batch_data_samples=samples, rescale=False)

    def pool(self, raws: list[InstanceData]) -> InstanceData:
        """The raw boxes; see the base class."""
        if len(raws) > 1 and (self.test_cfg or {}).get('nms') is None:
            raise ValueError(
                'the reference policy pools the boxes of several windows, but '
                f'{type(self.last_head).__name__} suppresses nothing: add '
                "nms=dict(type='nms', iou_threshold=0.7) to detector.test_cfg, or use "
                'CentredWindow, which detects a frame in one window')
        return super().pool(raws)

    def select(self, raw: InstanceData, record: FrameRecord, options: OutputOptions,
               *, rescale: bool) -> InstanceData:
        """The boxes above the threshold, the best first, in the pixels that are wanted."""
        config = self.test_cfg or {}
        order = raw.scores.argsort(descending=True, stable=True)
        if self.suppresses(options):
            order = batched_nms(raw.bboxes, raw.scores, raw.labels, config['nms'])[1]
        found = raw[order]
        if not options.relations:
            found.pop('proposal_ids', None)
        if options.nms:
            found = found[:config.get('max_per_img', len(raw))]
        if options.score_thr is not None:
            found = found[found.scores > options.score_thr]
        if rescale:
            factor = constant(tuple(record.sample.metainfo['scale_factor']) * 2, found.bboxes)
            found.bboxes = found.bboxes / factor
        return found

    def loss(self, maps: Maps, samples: list[DetDataSample],
             references: list[References] | None) -> dict[str, Tensor]:
        """Losses of the head on all decoder layers."""
        return self.last_head.loss(**self.decode(maps, samples), batch_data_samples=samples,
                                   **self.loss_arguments(references))

    def check(self, options: OutputOptions) -> None:
        """Refuse what queries do not have; see the base class."""
        if options.class_scores:
            raise ValueError('model.detections.class_scores needs a detector with a RoI head: '
                             f'{type(self.last_head).__name__} has none; omit it')
        super().check(options)
