"""One of mmdet's dense heads, whose best points look at the points of other frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmdet.models.dense_heads import ATSSHead, FCOSHead, YOLOXHead
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import DetDataSample, SampleList
from mmdet.utils import InstanceList
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.aggregating_head import AggregatingHead
from mmvod_plugins.models.aggregators import Aggregated
from mmvod_plugins.models.roi_heads.base import joined_losses
from mmvod_plugins.models.task_modules.point_selection import DensePoints, PointSelection
from mmvod_plugins.models.temporal_part import HeadStep
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References, place_of

from .point_losses import PointLosses
from .towers import TowerOutputs, decode_points, features_at, predictors_of, run_towers

#: Heads whose objectness, a centerness, is a factor on scores *after* their threshold.
CENTERNESS = (ATSSHead, FCOSHead)


@MODELS.register_module()
class TemporalDenseHead(AggregatingHead, BaseModule):
    """A stock dense head whose best points are objects that an aggregator enhances.

    The stock head gives every point a box, class probabilities and, in some heads, an objectness;
    a rule selects the best points of a frame. Their features in the two towers are the
    embeddings; the aggregator enhances them by those of other frames, and new layers classify
    them again. Boxes stay as they are. A key frame without references has the detections of the
    stock head. It fits any detector with a head of
    :data:`~mmvod_plugins.models.dense_heads.towers.PREDICTORS`, whose checkpoints it loads.

    Args:
        base: Config of the stock head.
        selection: Config of a :class:`PointSelection`.
        aggregator: Config of an :class:`Aggregator`.
        embedding: Config of a layer from both features of a point, (n, 2, C), to the embeddings
            of the aggregator, :class:`RoIEmbedding` with ``roi_feat_size=1`` and ``in_channels``
            2 C; None passes both on (YOLOV).
        feat_channels: Width C' of what the aggregator returns.
        video_convs: Layers of 3 x 3 convolutions on the maps whose output takes the place of the
            classification tower in the embeddings (YOLOV: 2); 0 for the tower itself.
        refine_objectness: Whether objectness is predicted again, too; needs a base with one.
        residual: Whether the new layers start at the logits of the stock head, with weights of
            zero: training starts from the stock detector.
        losses: Arguments of :class:`PointLosses`.
        train_cfg: As of the stock head; mmdet's detector sets it.
        test_cfg: As of the stock head.
        init_cfg: Initial weights.
    """

    def __init__(self,  # noqa: PLR0913 - a stock head, and what each step adds to it
                 base: dict,
                 selection: dict,
                 aggregator: dict,
                 *,
                 feat_channels: int,
                 embedding: dict | None = None,
                 video_convs: int = 0,
                 refine_objectness: bool = False,
                 residual: bool = False,
                 losses: dict | None = None,
                 train_cfg: ConfigDict | None = None,
                 test_cfg: ConfigDict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.base = MODELS.build(dict(base, train_cfg=train_cfg, test_cfg=test_cfg))
        predictors_of(self.base)
        self.test_cfg = test_cfg
        self.num_classes = self.base.num_classes
        self.residual = residual
        self.selection: PointSelection = TASK_UTILS.build(selection)
        self.embedding = MODELS.build(embedding) if embedding else None
        self.aggregator = MODELS.build(aggregator)
        self.video_convs = _convolutions(self.base, video_convs)
        self.fc_cls = nn.Linear(feat_channels, self.num_classes)
        self.fc_obj = nn.Linear(feat_channels, 1) if refine_objectness else None
        self.losses = PointLosses(self.base, refined=refine_objectness, **(losses or {}))
        self._register_load_state_dict_pre_hook(
            lambda state_dict, prefix, *_: self.take_stock_names(state_dict, prefix))

    def init_weights(self) -> None:
        """Initial weights; with ``residual`` the new layers add nothing."""
        super().init_weights()
        for layer in (self.fc_cls, self.fc_obj):
            if layer is not None and self.residual:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Maps) -> tuple:
        """Outputs of the stock head."""
        return self.base(x)

    def extract(self, maps: Maps, proposals: None,
                records: list[FrameRecord]) -> list[ObjectFeatures]:
        """Selected points of frames; see :class:`TemporalHead`."""
        return self._objects(maps, [record.sample for record in records])[0]

    def take_stock_names(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Let the head of a stock detector be the base."""
        own = {name.partition('.')[0] for name, _ in self.named_children()}
        for key in [key for key in state_dict if key.startswith(prefix)]:
            name = key.removeprefix(prefix)
            if name.partition('.')[0] not in own:
                state_dict[f'{prefix}base.{name}'] = state_dict.pop(key)

    def loss(self,
             x: Maps,
             batch_data_samples: list[DetDataSample],
             reference_frames: Sequence[References] | None = None) -> dict[str, Tensor]:
        """Losses of frames: those of the stock head, and those of the points.

        Args:
            x: Maps of the frames, (B, C, H, W) each.
            batch_data_samples: The frames with ground truth.
            reference_frames: References of every frame, by role; in the role ``window`` the
                frames of its group, which follow one another.
        """
        objects, chosen, found, points = self._objects(x, batch_data_samples)
        feats, own = self._enhance_training(objects, reference_frames)
        logits = self._logits(ObjectFeatures.cat(objects), torch.cat(feats))
        losses = self.losses(self.base, found.outputs, points, chosen, logits, batch_data_samples)
        return joined_losses(own, losses)

    def predict(self, x: Maps, batch_data_samples: SampleList,
                rescale: bool = False) -> InstanceList:
        """Detections of the stock head, as a plain mmdet detector without references has them."""
        return self.base.predict(x, batch_data_samples, rescale=rescale)

    def _bbox_post_process(self, results: InstanceData, cfg: ConfigDict,
                           **options: Any) -> InstanceData:  # noqa: ANN401 - mmdet's
        """Suppression and limit of the stock head."""
        return self.base._bbox_post_process(results, cfg, **options)

    def _objects(
        self, maps: Maps, samples: Sequence[DetDataSample]
    ) -> tuple[list[ObjectFeatures], list[Tensor], TowerOutputs, list[DensePoints]]:
        """Objects of frames, their points, and the outputs and points of the stock head."""
        found = run_towers(self.base, maps)
        points = decode_points(self.base, found.outputs, [sample.metainfo for sample in samples])
        cls_feats = found.cls_feats
        if len(self.video_convs):
            cls_feats = [convs(level) for convs, level in zip(self.video_convs, maps, strict=True)]
        anchors = self.base.prior_generator.num_base_priors[0]
        objects, chosen = [], []
        for frame, (part, sample) in enumerate(zip(points, samples, strict=True)):
            with torch.no_grad():
                rows = self.selection(
                    replace(part, objectness=None) if isinstance(self.base, CENTERNESS) else part)
            chosen.append(rows)
            feats = torch.stack([features_at(levels, frame, rows, anchors)
                                 for levels in (cls_feats, found.reg_feats)], 1)
            frame_id = place_of(sample).frame_id
            objects.append(ObjectFeatures(
                part.boxes[rows].detach(), feats, part.scores[rows],
                torch.full_like(rows, frame_id), class_probs=part.class_probs[rows],
                objectness=None if part.objectness is None else part.objectness[rows]))
        if self.embedding is not None:
            feats = self.embedding(torch.cat([part.feats for part in objects]))
            objects = [part.with_feats(feat) for part, feat in zip(
                objects, feats.split([len(part) for part in objects]), strict=True)]
        return objects, chosen, found, points

    def _step(self, key: FrameRecord, aggregated: Aggregated, *, alone: bool) -> HeadStep:
        """The step of a frame; one that had no other frames keeps its stock detections."""
        objects = key.objects
        probs, objectness = objects.class_probs, objects.objectness
        if not alone:
            cls_logits, obj_logits = self._logits(objects, aggregated.feats)
            probs = cls_logits.sigmoid()
            objectness = objectness if obj_logits is None else obj_logits.sigmoid()
        elif isinstance(self.base, YOLOXHead):
            probs = best_alone(probs)
        raw = InstanceData(bboxes=objects.boxes, scores=probs)
        if isinstance(self.base, CENTERNESS):
            if objectness is not None:
                raw.score_factors = objectness
        elif objectness is not None:
            raw.scores = probs * objectness[:, None]
        return HeadStep(raw, aggregated, details=aggregated.details)

    def _logits(self, objects: ObjectFeatures,
                feats: Tensor) -> tuple[Tensor, Tensor | None]:
        """Class logits (N, K) and, where objectness is refined, its logits (N,).

        Args:
            objects: N points.
            feats: (N, C') for both, or (N, 2, C'), for classes and for objectness.
        """
        for_cls, for_obj = feats.unbind(1) if feats.ndim == 3 else (feats, feats)
        cls_logits = self.fc_cls(for_cls).to(objects.class_probs.dtype)
        obj_logits = None if self.fc_obj is None else \
            self.fc_obj(for_obj)[:, 0].to(objects.class_probs.dtype)
        if self.residual:
            cls_logits = cls_logits + objects.class_probs.logit(eps=1e-6)
            if obj_logits is not None:
                obj_logits = obj_logits + objects.objectness.logit(eps=1e-6)
        return cls_logits, obj_logits


def best_alone(probs: Tensor) -> Tensor:
    """Probabilities (N, K) of a head that gives a point its best class alone, others below 0."""
    best = torch.zeros_like(probs, dtype=torch.bool).scatter_(1, probs.argmax(1, True), True)
    return probs.where(best, -1)


def _convolutions(base: nn.Module, num: int) -> nn.ModuleList:
    """Layers of convolutions for every level, as the towers of a YOLOX have them."""
    if not num:
        return nn.ModuleList()
    settings = dict(kernel_size=3, padding=1, norm_cfg=base.norm_cfg,
                    act_cfg=getattr(base, 'act_cfg', dict(type='ReLU')))
    return nn.ModuleList(
        nn.Sequential(*[
            ConvModule(base.feat_channels if i else base.in_channels, base.feat_channels,
                       **settings) for i in range(num)])
        for _ in base.prior_generator.strides)
