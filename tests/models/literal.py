"""The papers' formulas written out plainly: slow, and without any rewriting."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from mmvod_plugins.models.aggregators import MEGAAggregator, RDNAggregator
from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.structures import ObjectFeatures


def tool(name: str) -> ModuleType:
    """A file of tools/analysis_tools, where the benchmarks keep their plain transcriptions."""
    path = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain_relation = tool('plain_relation')
#: Equation 1: average the full features, project them last.
relation = plain_relation.plain_relation


def embed_pair(box: Sequence[float], reference: Sequence[float]) -> list[float]:
    """64 sines and cosines of how one reference box lies relative to one box."""
    x1, y1, x2, y2 = box
    u1, v1, u2, v2 = reference
    w, h, rw, rh = x2 - x1 + 1, y2 - y1 + 1, u2 - u1 + 1, v2 - v1 + 1
    terms = (math.log(abs((x1 + x2) / 2 - (u1 + u2) / 2) / w + 1e-3),
             math.log(abs((y1 + y2) / 2 - (v1 + v2) / 2) / h + 1e-3), math.log(w / rw),
             math.log(h / rh))
    embedding = []
    for term in terms:
        angles = [100 * term / 1000**(k / 8) for k in range(8)]
        embedding += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    return embedding


def enhance(module: RelationModule, objects: ObjectFeatures,
            references: ObjectFeatures) -> ObjectFeatures:
    """Equation 2: the objects plus what the references say."""
    added = relation(module, objects.feats, references.feats, objects.boxes, references.boxes)
    return objects.with_feats(objects.feats + added)


def fc_relu(linear: torch.nn.Linear, objects: ObjectFeatures) -> ObjectFeatures:
    """The paper's h."""
    return objects.with_feats(torch.clamp(objects.feats @ linear.weight.T + linear.bias, min=0))


def global_stage(mega: MEGAAggregator, objects: ObjectFeatures,
                 pool: list[ObjectFeatures]) -> ObjectFeatures:
    """Equations 3 and 4 for any set of objects."""
    for k, module in enumerate(mega.global_relations):
        if pool:
            objects = fc_relu(mega.global_transforms[k - 1], objects) if k else objects
            objects = enhance(module, objects, ObjectFeatures.cat(pool))
    return objects


def base_model(mega: MEGAAggregator, frames: list[ObjectFeatures],
               pool: list[ObjectFeatures]) -> list[list[ObjectFeatures]]:
    """The base model on frames without a key: its intermediate objects, ``[level][frame]``."""
    local = [global_stage(mega, frame, pool) for frame in frames]
    distilled = [frame.top(mega.distilled_topk) for frame in local]
    levels = [local]
    for k in range(len(mega.local_relations) - 1):
        reference = ObjectFeatures.cat(levels[k])
        distilled = [
            fc_relu(mega.local_transforms[k], enhance(mega.local_relations[k], frame, reference))
            for frame in distilled
        ]
        levels.append(distilled)
    return levels


def full_model(
    mega: MEGAAggregator, key: ObjectFeatures, frames: list[ObjectFeatures],
    pool: list[ObjectFeatures], memory: list[list[ObjectFeatures]]
) -> tuple[ObjectFeatures, list[list[ObjectFeatures]]]:
    """Equation 8 with a memory ``[level][frame]``: the key objects, and ``[level][frame]``."""
    key = global_stage(mega, key, pool)
    local = [global_stage(mega, frame, pool) for frame in frames]
    distilled = [frame.top(mega.distilled_topk) for frame in local]
    levels = []
    for k, module in enumerate(mega.local_relations):
        levels.append(local)
        reference = ObjectFeatures.cat([*local, *(memory[k] if memory else [])])
        key = enhance(module, key, reference)
        if k + 1 < len(mega.local_relations):
            linear = mega.local_transforms[k]
            key = fc_relu(linear, key)
            local = distilled = [
                fc_relu(linear, enhance(module, frame, reference)) for frame in distilled
            ]
    for module in mega.result_relations:
        key = enhance(module, key, ObjectFeatures.cat(pool)) if pool else key
    return key, levels


def training_step(mega: MEGAAggregator, key: ObjectFeatures,
                  roles: dict[str, list[ObjectFeatures]]) -> Tensor:
    """Section 4.3: the base model on the memory frames, then the full model on the clip."""
    best = {role: [frame.top(mega.needs.topk) for frame in frames]
            for role, frames in roles.items()}
    pool, memory = best.get('global', []), []
    if best.get('memory') and mega.memory_size and len(mega.local_relations):
        with torch.no_grad():
            memory = base_model(mega, best['memory'], pool)
            # A memory of T_m frames holds no more while training either.
            memory = [[frame.detach() for frame in level][-mega.memory_size:] for level in memory]
    local = best.get('local') or [key.top(mega.needs.topk)]
    return full_model(mega, key, local, pool, memory)[0].feats


class InferenceSteps:
    """Algorithm 1: detect, then remember the first frame of the window at every level."""

    def __init__(self, mega: MEGAAggregator) -> None:
        self.mega = mega
        self.memory: list[list[ObjectFeatures]] = [[] for _ in mega.local_relations]

    def __call__(self, key: ObjectFeatures, roles: dict[str, list[ObjectFeatures]]) -> Tensor:
        topk = self.mega.needs.topk
        local, pool = ([frame.top(topk) for frame in roles.get(role, [])]
                       for role in ('local', 'global'))
        out, levels = full_model(self.mega, key, local, pool, self.memory)
        for k, frames in enumerate(levels):
            kept = [*self.memory[k], frames[0].detach()]
            self.memory[k] = kept[-self.mega.memory_size:] if self.mega.memory_size else []
        return out.feats


def rdn(module: RDNAggregator, key: ObjectFeatures, window: list[ObjectFeatures]) -> Tensor:
    """RDN's basic and advanced stage; the window's objects stay as they are."""
    frames = [frame.top(module.needs.topk) for frame in window or [key]]
    support = ObjectFeatures.cat(frames)
    for i, relation_module in enumerate(module.base_relations):
        key = fc_relu(module.base_transforms[i - 1], key) if i else key
        key = enhance(relation_module, key, support)
    if not module.num_advanced_stages:
        return key.feats
    best = ObjectFeatures.cat([frame.top(module.distilled_topk) for frame in frames])
    for i in range(module.num_advanced_stages):
        best = fc_relu(module.advanced_transforms[i],
                       enhance(module.advanced_relations[i], best, support))
    return enhance(module.advanced_relations[module.num_advanced_stages], key, best).feats
