"""Translation of mega.pytorch's checkpoints: single frame, FGFA, DFF, RDN-base, RDN, MEGA."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .conversion import Conversion, rename_weights
from .flownet import flownet_name

#: Names of methods and patterns of keys that only their files have; the first match counts.
SIGNATURES = (('FGFA', r'embednet\.'), ('DFF', r'flownet\.'), ('MEGA', r'\.l_fcs\.'),
              ('RDN', r'\.Wgs\.2\.'), ('RDN-base', r'\.Wgs\.'), ('single frame', r'\.fc6\.'))
#: The methods that can be translated.
METHODS = ('MEGA', 'RDN', 'RDN-base', 'FGFA', 'DFF', 'single frame')
#: Relation modules of RDN's basic stage in every published model.
RDN_BASE_STAGES = 2

_BOX = r'roi_heads\.box\.feature_extractor\.'
_HEAD = 'detector.roi_head.'
_PARTS = {'Wgs': 'location', 'Wqs': 'query', 'Wks': 'key', 'Wvs': 'value'}


def _background_last(rows: Tensor) -> Tensor:
    """Move the background from the first class to the last one, as in mmdet."""
    return torch.cat([rows[1:], rows[:1]])


def _without_background(rows: Tensor) -> Tensor:
    """Remove the box of the background, which mmdet does not regress."""
    return rows[4:]


def _global_relation(match: re.Match) -> str:
    """Name a weight of a global module: the first precedes the local stage, others follow it."""
    part, index, leaf = _PARTS[match[1]], int(match[2]), match[3]
    stage = 'global_relations.0' if index == 0 else f'result_relations.{index - 1}'
    return f'{_HEAD}aggregator.{stage}.{part}.{leaf}'


def _global_key_bias(match: re.Match) -> str:
    index = int(match[1])
    stage = 'global_relations.0' if index == 0 else f'result_relations.{index - 1}'
    return f'{_HEAD}aggregator.{stage}.key_bias'


def _local_fc(match: re.Match) -> str:
    index = int(match[1])
    if index == 0:
        return f'{_HEAD}embedding.fc.{match[2]}'
    return f'{_HEAD}aggregator.local_transforms.{index - 1}.{match[2]}'


def _shared_fc(match: re.Match) -> str:
    return f'{_HEAD}bbox_head.shared_fcs.{int(match[1]) - 6}.{match[2]}'


def _local_relation(match: re.Match) -> str:
    return f'{_HEAD}aggregator.local_relations.{match[2]}.{_PARTS[match[1]]}.{match[3]}'


def _rdn_fc(match: re.Match) -> str:
    index = int(match[1])
    if index == 0:
        return f'{_HEAD}embedding.fc.{match[2]}'
    stage = (f'base_transforms.{index - 1}' if index < RDN_BASE_STAGES else
             f'advanced_transforms.{index - RDN_BASE_STAGES}')
    return f'{_HEAD}aggregator.{stage}.{match[2]}'


def _rdn_relation(match: re.Match) -> str:
    part, index, leaf = _PARTS[match[1]], int(match[2]), match[3]
    stage = (f'base_relations.{index}' if index < RDN_BASE_STAGES else
             f'advanced_relations.{index - RDN_BASE_STAGES}')
    return f'{_HEAD}aggregator.{stage}.{part}.{leaf}'


def _flownet(match: re.Match) -> str | None:
    name = flownet_name(match[1])
    return name and f'temporal_neck.motion.{name}'


def _embedding(match: re.Match) -> str:
    return f'temporal_neck.embed_convs.{int(match[1]) - 1}.conv.{match[2]}'


#: Pattern of their key, and our key.
NAMES: tuple[tuple[str, str | Callable[[re.Match], str | None]], ...] = (
    (r'backbone\.body\.stem\.(.*)', r'detector.backbone.\1'),
    (r'backbone\.body\.(layer\d.*)', r'detector.backbone.\1'),
    (r'rpn\.head\.conv\.(.*)', r'detector.rpn_head.rpn_conv.\1'),
    (r'rpn\.head\.cls_logits\.(.*)', r'detector.rpn_head.rpn_cls.\1'),
    (r'rpn\.head\.bbox_pred\.(.*)', r'detector.rpn_head.rpn_reg.\1'),
    (_BOX + r'head\.(layer4.*)', _HEAD + r'bbox_roi_extractor.\1'),
    (_BOX + r'conv\.(.*)', _HEAD + r'bbox_roi_extractor.reduction.\1'),
    (_BOX + r'fc([67])\.(.*)', _shared_fc),
    (_BOX + r'l_fcs\.(\d)\.(.*)', _local_fc),
    (_BOX + r'l_(W[gqkv]s)\.(\d)\.(.*)', _local_relation),
    (_BOX + r'l_us\.(\d)', _HEAD + r'aggregator.local_relations.\1.key_bias'),
    (_BOX + r'g_(W[gqkv]s)\.(\d)\.(.*)', _global_relation),
    (_BOX + r'g_us\.(\d)', _global_key_bias),
    (_BOX + r'fcs\.(\d)\.(.*)', _rdn_fc),
    (_BOX + r'(W[gqkv]s)\.(\d)\.(.*)', _rdn_relation),
    (r'flownet\.(.*)', _flownet),
    (r'embednet\.embed_conv(\d)\.(.*)', _embedding),
    (r'roi_heads\.box\.predictor\.cls_score\.(.*)', _HEAD + r'bbox_head.fc_cls.\1'),
    (r'roi_heads\.box\.predictor\.bbox_pred\.(.*)', _HEAD + r'bbox_head.fc_reg.\1'),
)
DROPPED = ((r'rpn\.anchor_generator\.cell_anchors\.\d+', 'anchors come from the config'), )


def is_mega_pytorch(state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether a state dict has mega.pytorch's names."""
    return any(re.match(_BOX + '|backbone\\.body\\.', key) for key in state_dict)


def convert_mega_pytorch(state_dict: Mapping[str, Tensor]) -> Conversion:
    """Translate a state dict of mega.pytorch.

    Names change, the background class moves from first to last, its boxes are removed, and the
    grouped 1 x 1 convolutions of the relation modules become linear layers.

    Raises:
        ValueError: If the file is of no known method, or has a key that is not known.
    """
    method = next((name for name, pattern in SIGNATURES
                   if any(re.search(pattern, key) for key in state_dict)), None)
    if method not in METHODS:
        raise ValueError('the checkpoint is of mega.pytorch with '
                         f'{method or "no known method"}: only {", ".join(METHODS)} can be loaded')
    conversion = rename_weights(state_dict, 'mega.pytorch', method, _translate, DROPPED)
    weights = conversion.state_dict
    for name in list(weights):
        weights[name] = _reshape(name, weights[name])
        if name.endswith('running_var'):
            weights[name.replace('running_var', 'num_batches_tracked')] = torch.tensor(0)
    return conversion


def _translate(key: str) -> str | None:
    """Return our name for one of their keys; None for an unknown one."""
    for pattern, name in NAMES:
        match = re.fullmatch(pattern, key)
        found = match and (name(match) if callable(name) else match.expand(name))
        if found:
            return found
    return None


def _reshape(name: str, value: Tensor) -> Tensor:
    if '.fc_cls.' in name:
        return _background_last(value)
    if '.fc_reg.' in name:
        return _without_background(value)
    if name.endswith('key_bias'):
        return value.flatten()
    if 'relations.' in name and value.dim() == 4:
        return value.flatten(1)
    return value
