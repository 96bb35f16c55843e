"""MST: proposal and instance level of feature aggregation (Xu et al., TCSVT 2022)."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, Literal, get_args

import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.logging import print_log
from torch import Tensor, nn

from mmvod_plugins.models.layers import SizeRelation
from mmvod_plugins.models.memories.kept_projections import (
    KeptProjections,
    projections,
    step_of,
)
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures

from .base import Aggregated, ObjectsByRole, RelationStage
from .projecting import ProjectingAggregator
from .relation_steps import best, make_transforms, relate, transform

#: What the instance level does in training where the data do not say which instance a box shows.
WithoutIds = Literal['iou', 'off']


@MODELS.register_module()
class MSTProposalAggregator(ProjectingAggregator):
    """Proposal level: stacked relations of the key objects to the support proposals (eqs. 7 to 11).

    Only the key objects change; every layer sees the support proposals as they are.

    Role: ``local``, the window with the key frame included. Keys and values of references that
    stay as they are are kept while they stand in the window.

    Args:
        channels: Width of the embeddings.
        num_heads: Heads of every relation; the paper follows RDN, which has 16.
        num_stages: Stacked layers.
        reference_topk: K, support proposals of a frame, the best ones.
        fc: Whether a fully connected layer and ReLU stand before every layer but the first, as in
            RDN. They start as the second, third, ... shared layer of a single-frame box head. The
            paper does not name any.
        relation: Further arguments of :class:`SizeRelation`: ``scaled``, ``aspect``, ``psi``.
        init_cfg: Initial weights.

    Raises:
        ValueError: If ``num_stages`` is below 1.
    """

    method = 'MST proposal level'

    def __init__(self,
                 channels: int = 1024,
                 num_heads: int = 16,
                 *,
                 num_stages: int = 2,
                 reference_topk: int = 75,
                 fc: bool = False,
                 relation: dict[str, Any] | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_stages < 1:
            raise ValueError(f'num_stages must be at least 1, got {num_stages}')
        self.needs = Needs(topk=reference_topk)
        self.fcs = make_transforms(num_stages - 1 if fc else 0, channels)
        self.relations = nn.ModuleList(
            SizeRelation(channels, num_heads, **(relation or {})) for _ in range(num_stages))

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: KeptProjections | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`."""
        window = best(references['local'], self.needs.topk)
        first = RelationStage(self.relations[0], key, window)
        support, step = ObjectFeatures.cat(window), step_of(memory)
        for index, relation in enumerate(self.relations):
            if index and self.fcs:
                key = transform(self.fcs[index - 1], key)
            key = relate(relation, key, support, projections(step, relation, window))
        return Aggregated(key.feats, to_memory=step, details={'relations': first.weights_to})


@MODELS.register_module()
class MSTInstanceAggregator(ProjectingAggregator):
    """Instance level: objects are enhanced by support proposals of the same instance (eq. 12).

    In training a key object looks at the support proposals that have its instance id
    (:attr:`~mmvod_plugins.structures.ObjectFeatures.ids`); background, and objects whose instance
    no support frame shows, are copied. In testing, where nobody knows instances, the
    ``num_candidates`` key objects of the highest objectness look at the most similar
    ``ratio`` of all support proposals; the others are copied. The paper's "from R^s" names the
    support proposals as candidates; but only key objects are classified.

    **Training by ids alone does not fit testing.** Whether anything was added tells the classifier
    in training what is an object, and the similarity, which there weighs proposals of one instance
    alone, never learns to tell instances apart, as testing asks of it (``docs/methods/mst.md`` has
    a measurement). ``similarity_share`` is the share of the training frames that are enhanced as in
    testing instead.

    Where the data have no instance ids, a key object looks in training at the support proposals
    whose boxes overlap with its own.

    Role: ``local``, the window with the key frame included. Keys and values of references that
    stay as they are are kept while they stand in the window.

    Args:
        channels: Width of the embeddings.
        num_heads: Heads of the relation.
        num_candidates: K, key objects that are enhanced in testing.
        ratio: r, share of the support proposals, rounded down, that each of them looks at.
        similarity_share: Share of the training frames, drawn at random, that are enhanced by
            similarity; 0 for the paper's.
        iou: IoU with a true box from which a proposal has its id.
        without_ids: Training without instance ids: ``'iou'`` as said above, from the same IoU on;
            ``'off'``: objects are copied.
        reference_topk: Support proposals of a frame: R^s are all 300.
        relation: Further arguments of :class:`SizeRelation`: ``scaled``, ``aspect``, ``psi``.
        init_cfg: Initial weights.

    Raises:
        ValueError: If a number is outside its range or ``without_ids`` is not known.
    """

    method = 'MST instance level'

    def __init__(self,  # noqa: PLR0913 - the paper's table of settings
                 channels: int = 1024,
                 num_heads: int = 16,
                 *,
                 num_candidates: int = 20,
                 ratio: float = 0.2,
                 similarity_share: float = 0.0,
                 iou: float = 0.5,
                 without_ids: WithoutIds = 'iou',
                 reference_topk: int = 300,
                 relation: dict[str, Any] | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_candidates < 0 or not 0 < iou <= 1:
            raise ValueError('num_candidates must not be negative and iou lie in (0, 1], got '
                             f'{num_candidates} and {iou}')
        if not (0 <= ratio <= 1 and 0 <= similarity_share <= 1):
            raise ValueError('ratio and similarity_share must lie in [0, 1], got '
                             f'{ratio} and {similarity_share}')
        if without_ids not in get_args(WithoutIds):
            raise ValueError(f'without_ids must be one of {get_args(WithoutIds)}, got '
                             f'{without_ids!r}')
        self.needs = Needs(topk=reference_topk)
        self.num_candidates = num_candidates
        self.ratio = ratio
        self.similarity_share = similarity_share
        self.instance_iou = iou
        self.without_ids = without_ids
        self.relation = SizeRelation(channels, num_heads, **(relation or {}))

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: KeptProjections | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`."""
        window = best(references['local'], self.needs.topk)
        support, step = ObjectFeatures.cat(window), step_of(memory)
        keys, values = projections(step, self.relation, window)
        if self.training and torch.rand(()) >= self.similarity_share:
            pairs = self.same_instance(key, window)
            rows = pairs.any(dim=1).nonzero()[:, 0]
            pairs, logits = pairs[rows], self._logits(key[rows], support, keys)
        else:
            rows = self.candidates(key, len(support))
            logits = self._logits(key[rows], support, keys)
            pairs = self.most_similar(logits)
        weights = logits.masked_fill(~pairs, -torch.inf).softmax(-1)
        added = self.relation.gather(weights, values)
        return Aggregated(key.feats.index_add(0, rows, added.to(key.feats.dtype)),
                          to_memory=step)

    def candidates(self, key: ObjectFeatures, num_support: int) -> Tensor:
        """Rows of the key objects that are enhanced in testing, the highest objectness first."""
        count = min(self.num_candidates, len(key)) if self._share(num_support) else 0
        if key.scores is None:  # the best come first
            return torch.arange(count, device=key.boxes.device)
        return key.scores.topk(count).indices

    def most_similar(self, logits: Tensor) -> Tensor:
        """The share of the support proposals that each candidate looks at, by eq. 7 over all.

        Args:
            logits: (heads, N, M); similarity is the mean of the heads' weights.

        Returns:
            (N, M), bool.
        """
        similarity = logits.softmax(-1).mean(0)
        chosen = similarity.topk(self._share(logits.shape[-1])).indices
        return torch.zeros_like(similarity, dtype=torch.bool).scatter_(1, chosen, True)

    def same_instance(self, key: ObjectFeatures, window: list[ObjectFeatures]) -> Tensor:
        """Whether a key object and a support proposal show the same instance, (N, M), bool.

        Where the ids of a frame are not known, overlap with the key object decides instead
        (``without_ids``), and background stays background if the ids of the key frame are known.
        """
        support = [frame.boxes for frame in window]
        found = torch.ones(len(key), sum(map(len, support)), dtype=torch.bool,
                           device=key.boxes.device)
        if key.ids is not None:
            found &= (key.ids >= 0)[:, None]
        ids = [frame.ids for frame in window]
        if key.ids is not None and all(part is not None for part in ids):
            return found & (key.ids[:, None] == torch.cat(ids))
        warn_without_ids(self.without_ids)
        if self.without_ids == 'off':
            return found & False
        return found & (bbox_overlaps(key.boxes, torch.cat(support)) >= self.instance_iou)

    def _share(self, num_support: int) -> int:
        """How many of the support proposals a candidate looks at; 0.29 * 100 is 29."""
        return int(self.ratio * num_support + 1e-9)

    def _logits(self, objects: ObjectFeatures, support: ObjectFeatures, keys: Tensor) -> Tensor:
        return self.relation.logits(objects.feats, support.feats, objects.boxes, support.boxes,
                                    keys)


@cache
def warn_without_ids(what: WithoutIds) -> None:
    """Log, once per process, that the data do not name instances."""
    done = dict(iou='works by the overlap of boxes', off='is off')[what]
    print_log('Training frames without instance ids: the instance level of MST '
              f"{done}. Annotate 'instance_id' for every box of the COCO-VID json, or set "
              "without_ids='iou' or 'off' in the aggregator.", logger='current',
              level=logging.WARNING)
