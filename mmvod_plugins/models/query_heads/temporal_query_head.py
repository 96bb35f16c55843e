"""mmdet's heads of detection transformers, whose queries look at the queries of other frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads import DeformableDETRHead, DINOHead
from mmdet.models.detectors import DDQDETR, DINO, DeformableDETR, GroundingDINO
from mmdet.models.layers import inverse_sigmoid
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.aggregating_head import AggregatingHead
from mmvod_plugins.models.aggregators import Aggregated
from mmvod_plugins.models.roi_heads.base import joined_losses
from mmvod_plugins.models.temporal_part import HeadStep
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References, place_of
from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.precision import no_grad_and_uncached


class TemporalQueryHead(AggregatingHead):
    """Queries of the last decoder layer are objects that an aggregator enhances.

    A mixin that stands before one of mmdet's query heads, whose names of weights it keeps. An
    object has the query as its feature, and the box and the class probabilities that the last
    branches predict from it. With the aggregator's output g of a query q::

        q' = q + W g        (``residual``; W is zero at first, or with ``residual=False`` q' = W g)

    and the detector's own last branches predict class and box from q' and the query's reference
    point. In training q' takes the place of q in the losses of the last layer; the other layers,
    the encoder and DINO's denoising queries have their stock losses, and the matching is the
    detector's own. Nothing is suppressed. A key frame without other frames has the detections of
    the stock detector.

    A query has one feature for class and box and no objectness, which aggregators (YOLOV) must not
    refine (``objectness='none'``).

    Args:
        aggregator: Config of an :class:`Aggregator`.
        feat_channels: Width C' of what the aggregator returns.
        embedding: Config of a layer from queries (n, C) to the embeddings of the aggregator,
            :class:`RoIEmbedding` with ``roi_feat_size=1`` and ``in_channels`` C; None for the
            queries themselves.
        num_objects: The best queries of a frame that are objects; None for all. Others have no
            detections. With ``test_cfg.max_per_img`` or more the stock detections of a frame are
            complete.
        residual: Whether the output of the aggregator is added to the query, by a layer with
            initial weights of zero: training starts from the stock detector; or takes its place.
        **kwargs: Of the stock head.

    Attributes:
        detectors: mmdet's detectors that the head fits.
        other_detectors: Subclasses of them that it does not fit.

    Raises:
        ValueError: If the stock head has probabilities by softmax.
    """

    detectors: tuple[type[nn.Module], ...]
    other_detectors: tuple[type[nn.Module], ...]

    def __init__(self,
                 *,
                 aggregator: dict,
                 feat_channels: int,
                 embedding: dict | None = None,
                 num_objects: int | None = None,
                 residual: bool = True,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(**kwargs)
        if not self.loss_cls.use_sigmoid:
            raise ValueError(f'{type(self).__name__} needs a probability of each class by itself: '
                             'use a loss_cls with use_sigmoid=True (FocalLoss)')
        self.aggregator = MODELS.build(aggregator)
        self.embedding = MODELS.build(embedding) if embedding else None
        self.feat_channels = feat_channels
        self.num_objects = num_objects
        self.residual = residual
        self.project = nn.Linear(feat_channels, self.embed_dims)
        self._start_at_stock()

    def init_weights(self) -> None:
        """Initial weights, of the stock head and of the temporal layers."""
        super().init_weights()
        for part in (self.aggregator, self.embedding):
            if part is not None:
                part.init_weights()
        self._start_at_stock()

    def check(self, model: nn.Module) -> None:
        """Refuse detectors whose decoder gives something else.

        Raises:
            ValueError: With the detector, and those that fit.
        """
        detector = model.detector
        if not isinstance(detector, self.detectors) or isinstance(detector, self.other_detectors):
            heads = {kind.__name__: head.__name__ for head in TemporalQueryHead.__subclasses__()
                     for kind in head.detectors}
            raise ValueError(f'{type(self).__name__} is a head of '
                             f'{", ".join(kind.__name__ for kind in self.detectors)} and does not '
                             f'fit {type(detector).__name__}: heads by detector are {heads}')

    def extract(self, maps: Maps, proposals: dict[str, Any],
                records: list[FrameRecord]) -> list[ObjectFeatures]:
        """Queries of frames; see :class:`TemporalHead`."""
        return self._objects([record.sample for record in records], **proposals)[0]

    def loss(self,
             hidden_states: Tensor,
             references: list[Tensor],
             batch_data_samples: SampleList,
             reference_frames: Sequence[References] | None = None,
             **others: Any) -> dict[str, Tensor]:  # noqa: ANN401 - mmdet's
        """Losses of frames, those of the last layer on enhanced queries.

        Args:
            hidden_states: Queries of every decoder layer, (L, B, N, C).
            references: Reference points of every layer and of the result, L + 1 of (B, N, 2 or 4).
            batch_data_samples: The frames with ground truth.
            reference_frames: References of every frame, by role; in the role ``window`` the
                frames of its group, which follow one another.
            **others: Further arguments of the stock head.
        """
        objects, rows = self._objects(batch_data_samples, hidden_states, references, **others)
        feats, own = self._enhance_training(objects, reference_frames)
        last = hidden_states[-1].clone()
        for frame, (part, row, feat) in enumerate(zip(objects, rows, feats, strict=True)):
            last[frame, row] = self._enhanced(part, feat).to(last)
        hidden_states = torch.cat([hidden_states[:-1], last[None]])
        return joined_losses(own, super().loss(
            hidden_states=hidden_states, references=references,
            batch_data_samples=batch_data_samples, **others))

    def _objects(
        self, samples: SampleList, hidden_states: Tensor, references: list[Tensor],
        dn_meta: dict[str, int] | None = None,
        **_: Any  # noqa: ANN401 - further outputs of the decoder
    ) -> tuple[list[ObjectFeatures], list[Tensor]]:
        """Objects of frames, and their rows among the queries of the decoder.

        DINO's denoising queries come first; they are made of the ground truth, and no objects.
        """
        queries, anchors = hidden_states[-1], references[len(hidden_states) - 1]
        with no_grad_and_uncached():
            logits, boxes = self._predict(queries, anchors)
        start = dn_meta['num_denoising_queries'] if dn_meta else 0
        objects, rows = [], []
        for frame, sample in enumerate(samples):
            probs = logits[frame].sigmoid()
            order = probs[start:].amax(1).argsort(descending=True, stable=True)
            row = start + order[:self.num_objects]
            rows.append(row)
            own = queries[frame, row]
            objects.append(ObjectFeatures(
                _in_pixels(boxes[frame, row], sample.metainfo), own, probs[row].amax(1),
                torch.full_like(row, place_of(sample).frame_id), class_probs=probs[row],
                queries=own, anchors=anchors[frame, row].detach()))
        if self.embedding is not None:
            feats = self.embedding(torch.cat([part.feats for part in objects]))
            objects = [part.with_feats(feat) for part, feat in zip(
                objects, feats.split([len(part) for part in objects]), strict=True)]
        return objects, rows

    def _step(self, key: FrameRecord, aggregated: Aggregated, *, alone: bool) -> HeadStep:
        """The step of a frame; one that had no other frames keeps its stock detections."""
        objects = key.objects
        probs, boxes = objects.class_probs, objects.boxes
        if not alone:
            logits, boxes = self._predict(self._enhanced(objects, aggregated.feats),
                                          objects.anchors)
            probs, boxes = logits.sigmoid(), _in_pixels(boxes, key.sample.metainfo)
        count = min(self.test_cfg.get('max_per_img', len(objects)), probs.numel())
        scores, cells = probs.flatten().topk(count)
        rows = torch.div(cells, self.num_classes, rounding_mode='floor')
        raw = InstanceData(bboxes=boxes[rows], scores=scores, labels=cells % self.num_classes,
                           proposal_ids=rows)
        return HeadStep(raw, aggregated, details=aggregated.details)

    def _enhanced(self, objects: ObjectFeatures, feats: Tensor) -> Tensor:
        """Enhanced queries (n, C) of what the aggregator returns, (n, C')."""
        if feats.shape[1:] != (self.feat_channels, ):
            raise ValueError(
                f'{type(self.aggregator).__name__} returns {tuple(feats.shape[1:])} numbers for a '
                f'query, but feat_channels of {type(self).__name__} is {self.feat_channels}: set '
                "it to their width; an aggregator of objectness needs objectness='none', because "
                'queries have none')
        added = self.project(feats)
        return objects.queries + added if self.residual else added

    def _predict(self, queries: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (..., K) and boxes (..., 4), cx, cy, w, h in [0, 1], of the last layer.

        Args:
            queries: (..., C).
            anchors: (..., 2) or (..., 4).
        """
        layer = self.num_pred_layer - (2 if self.as_two_stage else 1)  # the encoder's comes last
        deltas, size = self.reg_branches[layer](queries), anchors.shape[-1]
        centres = deltas[..., :size] + inverse_sigmoid(anchors)
        boxes = torch.cat([centres, deltas[..., size:]], -1).sigmoid()
        return self.cls_branches[layer](queries), boxes

    def _start_at_stock(self) -> None:
        """With ``residual``, let the enhanced queries be the queries."""
        if self.residual:
            nn.init.zeros_(self.project.weight)
            nn.init.zeros_(self.project.bias)


@MODELS.register_module()
class TemporalDeformableDETRHead(TemporalQueryHead, DeformableDETRHead):
    """Of Deformable DETR, with or without box refinement and two stages."""

    detectors = (DeformableDETR, )
    other_detectors = (DINO, )


@MODELS.register_module()
class TemporalDINOHead(TemporalQueryHead, DINOHead):
    """Of DINO; denoising queries stay as they are."""

    detectors = (DINO, )
    other_detectors = (DDQDETR, GroundingDINO)


def _in_pixels(boxes: Tensor, img_meta: dict[str, Any]) -> Tensor:
    """Boxes (n, 4) with corners in pixels of the network input, clipped to the frame."""
    height, width = img_meta['img_shape'][:2]
    limit = constant((width, height) * 2, boxes)
    return torch.minimum((bbox_cxcywh_to_xyxy(boxes) * limit).clamp(min=0), limit)
