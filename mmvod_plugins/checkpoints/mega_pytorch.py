"""Checkpoints of mega.pytorch: single frame, FGFA, DFF, RDN-base, RDN and MEGA."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .conversion import Conversion
from .flownet import flownet_name

#: Name of the method by keys that only its files have, first match first.
SIGNATURES = (('FGFA', r'embednet\.'), ('DFF', r'flownet\.'), ('MEGA', r'\.l_fcs\.'),
              ('RDN', r'\.Wgs\.2\.'), ('RDN-base', r'\.Wgs\.'), ('single frame', r'\.fc6\.'))
#: Those that can be translated.
METHODS = ('MEGA', 'RDN', 'RDN-base', 'FGFA', 'DFF', 'single frame')
#: Relation modules of RDN's basic stage in every published model.
RDN_BASE_STAGES = 2

_BOX = r'roi_heads\.box\.feature_extractor\.'
_HEAD = 'detector.roi_head.'
_PARTS = {'Wgs': 'location', 'Wqs': 'query', 'Wks': 'key', 'Wvs': 'value'}


def _background_last(rows: Tensor) -> Tensor:
    """Their first class is the background, mmdet's last one is."""
    return torch.cat([rows[1:], rows[:1]])


def _without_background(rows: Tensor) -> Tensor:
    """Mmdet regresses no box for the background."""
    return rows[4:]


def _global_relation(match: re.Match) -> str:
    """Their first global module stands before the local stage, further ones after it."""
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


#: (pattern of their key, our key)
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
    """Whether a state dict has mega.pytorch's names."""
    return any(re.match(_BOX + '|backbone\\.body\\.', key) for key in state_dict)


def convert_mega_pytorch(state_dict: Mapping[str, Tensor]) -> Conversion:
    """Translate a state dict of mega.pytorch.

    Names change, the background class moves from first to last, its box rows go, and the grouped
    1 x 1 convolutions of the relation modules become linear layers.

    Raises:
        ValueError: If the file is of no known method, or has a key that is not known.
    """
    method = next((name for name, pattern in SIGNATURES
                   if any(re.search(pattern, key) for key in state_dict)), None)
    if method not in METHODS:
        raise ValueError(f'a checkpoint of mega.pytorch with {method or "no known method"}: only '
                         f'those of {", ".join(METHODS)} can be loaded so far')
    conversion = Conversion(method)
    for key, value in state_dict.items():
        reason = next((why for pattern, why in DROPPED if re.fullmatch(pattern, key)), None)
        if reason is not None:
            conversion.dropped[key] = reason
            continue
        name = _translate(key)
        conversion.mapped[key] = name
        conversion.state_dict[name] = _reshape(name, value)
        if name.endswith('running_var'):
            counter = name.replace('running_var', 'num_batches_tracked')
            conversion.state_dict[counter] = torch.tensor(0)
    return conversion


def _translate(key: str) -> str:
    for pattern, name in NAMES:
        match = re.fullmatch(pattern, key)
        found = match and (name(match) if callable(name) else match.expand(name))
        if found:
            return found
    raise ValueError(f'the checkpoint looks like one of mega.pytorch but its key {key!r} is not '
                     'known; is it of a changed version?')


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
