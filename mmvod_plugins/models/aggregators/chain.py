"""Aggregators one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import nn

from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures

from .base import Aggregated, Aggregator, ObjectsByRole


@MODELS.register_module()
class ChainedAggregator(Aggregator):
    """Every aggregator enhances the key objects that the one before it returned.

    The references are the same for all: objects as their frames have them. So a level of MST
    follows another one, or MEGA.

    Args:
        aggregators: Configs of aggregators of the same width, by names of your choice, so that a
            child config changes one number.
        order: Their names in the order in which they work; those that it does not name are left
            out. It is no default of the dict's own order, which mmengine sorts when it dumps.
        init_cfg: Initial weights.

    Raises:
        ValueError: If ``order`` is empty, or has a name that ``aggregators`` lacks or twice; if
            two aggregators have different ``instance_iou``, or a loss of the same name.
    """

    def __init__(self, aggregators: dict[str, dict[str, Any]], order: Sequence[str],
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not order or len(set(order)) < len(order) or set(order) - set(aggregators):
            raise ValueError(f'order is {list(order)}, expected names of aggregators, each once: '
                             f'{sorted(aggregators)}')
        self.aggregators = nn.ModuleDict({name: MODELS.build(aggregators[name])
                                          for name in order})
        parts = list(self.aggregators.values())
        self.method = ' + '.join(part.method or type(part).__name__ for part in parts)
        needs = [part.needs for part in parts]
        roles = frozenset().union(*(part.roles for part in needs))
        attached = frozenset().union(*(part.roles - part.detached_roles for part in needs))
        topk = [part.topk for part in needs]
        self.needs = Needs(
            roles=roles, detached_roles=roles - attached,
            of_key=frozenset().union(*(part.of_key for part in needs)),
            topk=None if None in topk else max(topk))
        ious = {part.instance_iou for part in parts} - {None}
        if len(ious) > 1:
            raise ValueError(f'the aggregators have different IoU {sorted(ious)} for instance '
                             'ids: give them one')
        self.instance_iou = next(iter(ious), None)

    @property
    def shared_layers(self) -> list[str]:
        """Those of every aggregator, in order."""
        return [f'aggregators.{name}.{layer}' for name, part in self.aggregators.items()
                for layer in part.shared_layers]

    def init_memory(self) -> list[object] | None:
        """The memory of a new video, one for every aggregator; None if they remember nothing."""
        memories = [part.init_memory() for part in self.aggregators.values()]
        return None if all(part is None for part in memories) else memories

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: list[object] | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`."""
        memory = memory or [None] * len(self.aggregators)
        steps: list[Aggregated] = []
        result = Aggregated(key.feats)
        for part, own in zip(self.aggregators.values(), memory, strict=True):
            known = part.needs.select_roles(references) or part.needs.alone(key)
            step = part(key, known, own)
            key = key.with_feats(step.feats)
            twice = result.losses.keys() & step.losses.keys()
            if twice:
                raise ValueError(f'two of the chained aggregators have the losses {sorted(twice)}')
            steps.append(step)
            result = Aggregated(step.feats, steps, {**result.losses, **step.losses},
                                {**step.details, **result.details})
        return result

    def write(self, memory: list[object], aggregated: Aggregated,
              found: InstanceData | None) -> None:
        """Remember a key frame after its detection, aggregator by aggregator."""
        for part, own, step in zip(self.aggregators.values(), memory, aggregated.to_memory,
                                   strict=True):
            if own is not None:
                part.write(own, step, found)
