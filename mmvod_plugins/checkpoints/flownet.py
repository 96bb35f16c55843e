"""The names of FlowNetS in mega.pytorch's files, and ours, which are MMTracking's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar('Value')

#: Predictions from coarse to fine.
_FLOWS = ('predict_flow6', 'predict_flow5', 'predict_flow4', 'predict_flow3', 'predict_flow')


def flownet_name(name: str) -> str | None:
    """Our name of a weight of mega.pytorch's FlowNetS, without prefix; None if it is none."""
    layer, _, leaf = name.partition('.')
    if match := re.fullmatch(r'(?:flow_)?conv(\d)(?:_(\d))?', layer):
        return f'conv{match[1]}.{match[2] or 0}.conv.{leaf}'
    if match := re.fullmatch(r'Convolution(\d)', layer):
        return f'{_FLOWS[int(match[1]) - 1]}.conv.{leaf}'
    if match := re.fullmatch(r'upsample_flow\dto(\d)', layer):
        return f'upsample_flow{match[1]}.conv.{leaf}'
    if re.fullmatch(r'deconv\d', layer):
        return f'{layer}.conv.{leaf}'
    return f'predict_scale.{leaf}' if layer == 'Convolution5_scale' else None


def rename_flownet(weights: Mapping[str, Value]) -> dict[str, Value]:
    """Weights under our names if they are mega.pytorch's, else as they are."""
    if not any(re.search(r'(^|\.)flow_conv1\.', key) for key in weights):
        return dict(weights)
    bare = {re.sub(r'^(module\.)?(flownet\.)?', '', key): value for key, value in weights.items()}
    return {flownet_name(key) or key: value for key, value in bare.items()}
