"""Translation of FlowNetS in mega.pytorch's files to our names, which are MMTracking's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .conversion import unwrap

#: Our names.
_OWN = re.compile(r'(conv\d\.\d\.conv|(predict|upsample)_flow\d?\.conv|deconv\d\.conv|'
                  r'predict_scale)\.(weight|bias)$')
#: Predictions from coarse to fine.
_FLOWS = ('predict_flow6', 'predict_flow5', 'predict_flow4', 'predict_flow3', 'predict_flow')


def flownet_name(name: str) -> str | None:
    """Translate a name of mega.pytorch's FlowNetS, without prefix; None for other names."""
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


def rename_flownet(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Extract the weights of a flow network, under our names, from a file of it or of a model.

    Args:
        checkpoint: Content of a file of FlowNetS, FGFA or DFF, of either program, wrapped or not.

    Raises:
        ValueError: If it holds no weight of a flow network.
    """
    bare = {re.sub(r'^.*?(flownet|motion)\.', '', key): (key, value)
            for key, value in unwrap(checkpoint).items()}
    own = {key: value for key, (_, value) in bare.items() if _OWN.match(key)}
    if own:
        return own
    found = {flownet_name(key): value for key, (_, value) in bare.items()
             if 'flow_conv1.weight' in bare and flownet_name(key)}
    if not found:
        raise ValueError('the checkpoint holds no weights of FlowNetS: its first keys are '
                         f'{sorted(map(str, checkpoint))[:3]}. Files of MMTracking, of '
                         'mega.pytorch and of this package are known')
    return found
