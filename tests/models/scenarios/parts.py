"""Methods of every kind that the package does not have: each is one class outside of it."""

import torch
from mmdet.models.dense_heads import DeformableDETRHead, DINOHead, RetinaHead
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import nn
from torch.nn import functional

from mmvod_plugins.models import Aggregator, HeadStep, NeckStep, Needs, TemporalHead, TemporalNeck
from mmvod_plugins.models.aggregators import Aggregated
from mmvod_plugins.references import FramePlan, ReferencePolicy
from mmvod_plugins.structures import ObjectFeatures

OBJECTS = frozenset({'objects'})


def pool_of(references):
    """Objects of all references together."""
    return ObjectFeatures.cat(
        [record.objects for records in references.values() for record in records])


@MODELS.register_module()
class PullingAggregator(Aggregator):
    """Adds the references' mean, weighted by their scores; a loss pulls the objects to it."""

    method = 'Pulling'
    needs = Needs(topk=4)

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, key, references, memory):
        pool = ObjectFeatures.cat([frame.top(self.needs.topk) for frame in references['local']])
        mean = (pool.scores.softmax(0)[:, None] * pool.feats).sum(0)
        losses = {}
        if self.training:
            losses['loss_pull'] = (key.feats - mean).square().mean()
        return Aggregated(key.feats + self.linear(mean), losses=losses)


@MODELS.register_module()
class RememberingRetinaHead(TemporalHead, RetinaHead):
    """Scores of points that resemble what was found before rise; it looks at references too."""

    method = 'Remembering'
    needs = Needs(of_key=frozenset({'maps', 'objects', 'detections'}), of_references=OBJECTS,
                  topk=5)

    def extract(self, maps, proposals, records):
        metas = [record.sample.metainfo for record in records]
        raws = self.predict_by_feat(*self(maps), batch_img_metas=metas, cfg=self.test_cfg,
                                    rescale=False, with_nms=False)
        found = []
        for i, (raw, record) in enumerate(zip(raws, records, strict=True)):
            raw = raw[raw.scores.argsort(descending=True)]
            found.append(ObjectFeatures(
                raw.bboxes, self.features(maps[0][i:i + 1], raw.bboxes, metas[i]), raw.scores,
                torch.full((len(raw), ), record.frame_id), raw.labels))
        return found

    @staticmethod
    def features(level, boxes, meta):
        """Features (N, C) of a map (1, C, H, W) at the centres of boxes."""
        height, width = meta['img_shape'][:2]
        centres = (boxes[:, :2] + boxes[:, 2:]) / boxes.new_tensor([width, height]) - 1
        return functional.grid_sample(level, centres[None, None], align_corners=False)[0, :, 0].T

    def init_memory(self):
        return []

    def enhance(self, key, references, memory):
        known = [pool_of(references).feats, *(memory or [])]
        mean = torch.cat(known).mean(0, keepdim=True)
        likeness = functional.cosine_similarity(key.objects.feats, mean)
        scores = key.objects.scores * (1 + likeness) / 2
        raw = InstanceData(bboxes=key.objects.boxes, scores=scores, labels=key.objects.labels)
        return HeadStep(raw, to_memory=(key.maps[0], key.sample.metainfo))

    def write(self, memory, step, found):
        level, meta = step.to_memory
        memory.append(self.features(level, found.bboxes, meta)[:3])
        del memory[:-4]

    def loss(self, x, batch_data_samples, reference_frames=None):
        losses = super().loss(x, batch_data_samples)
        means = torch.stack([pool_of(references).feats.mean(0) for references in reference_frames])
        own = torch.stack([level.mean((1, 2)) for level in x[0]])
        return losses | {'loss_likeness': (means - own).square().mean()}


class TemporalQueries(TemporalHead):
    """Queries of the last decoder layer attend to the best queries of other frames."""

    method = 'Queries'
    needs = Needs(of_key=OBJECTS, of_references=OBJECTS, topk=6)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention = nn.MultiheadAttention(self.embed_dims, 2, batch_first=True)

    def extract(self, maps, proposals, records):
        logits, boxes = self.forward(proposals['hidden_states'], proposals['references'])
        found = []
        for i, record in enumerate(records):
            height, width = record.sample.metainfo['img_shape'][:2]
            scores = logits[-1, i].sigmoid().max(1).values
            order = scores.argsort(descending=True)
            corners = bbox_cxcywh_to_xyxy(boxes[-1, i]) * boxes.new_tensor([width, height] * 2)
            found.append(ObjectFeatures(
                corners[order], proposals['hidden_states'][-1, i][order], scores[order],
                torch.full((len(order), ), record.frame_id)))
        return found

    def attend(self, feats, references):
        pool = pool_of(references).feats[None]
        return feats + self.attention(feats[None], pool, pool, need_weights=False)[0][0]

    def enhance(self, key, references, memory):
        layer = self.num_pred_layer - (2 if self.as_two_stage else 1)
        logits = self.cls_branches[layer](self.attend(key.objects.feats, references))
        scores, labels = logits.sigmoid().max(1)
        return HeadStep(InstanceData(bboxes=key.objects.boxes, scores=scores, labels=labels))

    def loss(self, hidden_states, reference_frames=None, **kwargs):
        last = torch.stack([self.attend(feats, references) for feats, references in
                            zip(hidden_states[-1], reference_frames, strict=True)])
        return super().loss(hidden_states=torch.cat([hidden_states[:-1], last[None]]), **kwargs)


@MODELS.register_module()
class AttendingDeformableHead(TemporalQueries, DeformableDETRHead):
    """Of Deformable DETR."""


@MODELS.register_module()
class AttendingDINOHead(TemporalQueries, DINOHead):
    """Of DINO."""


@TASK_UTILS.register_module()
class EveryThird(ReferencePolicy):
    """Every third frame is seen whole and remembered; the others are half as large."""

    lookahead = 0
    draws = {'local': 0}  # noqa: RUF012

    def sample(self, key_id, video_length, rng):
        return {}

    def frames(self, key_id, video_length, video_id=0):
        return {}

    def still_needed(self, frame_id, next_key, video_id=0):
        return frame_id >= next_key

    def plan(self, place):
        whole = place.frame_id % 3 == 0
        return FramePlan(scale=1.0 if whole else 0.5, memorize=whole)


@MODELS.register_module()
class FoundNeck(TemporalNeck):
    """Adds the mean map of frames where something was found."""

    method = 'Found'
    needs = Needs(of_key=frozenset({'maps', 'detections'}))

    def init_memory(self):
        return {}

    def enhance(self, key, references, memory):
        means = [tuple(level.mean((2, 3), keepdim=True) for level in key.maps)]
        mean = [sum(levels) / (1 + len(memory or ())) for levels in zip(
            *means, *((memory or {}) and [part[1] for part in memory.values()]), strict=True)]
        maps = tuple(level + part for level, part in zip(key.maps, mean, strict=True))
        return NeckStep(maps, to_memory=(key.frame_id, means[0]))

    def write(self, memory, step, found):
        frame_id, means = step.to_memory
        memory[frame_id] = (found, means)
