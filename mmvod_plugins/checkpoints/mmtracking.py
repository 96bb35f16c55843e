"""Translation of MMTracking's checkpoints, 0.x and 1.x: SELSA, Temporal RoI Align, FGFA, DFF.

Both versions have the same names; the published files come from 0.x. Classes and box coding are
mmdet's, so that no tensor changes its shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .conversion import Conversion, rename_weights

_HEAD = 'detector.roi_head.'
_ATTENTION = {'fc_embed': 'query', 'ref_fc_embed': 'key', 'ref_fc': 'value', 'fc': 'out'}

#: Names of methods and patterns of keys that only their files have; the first match counts.
SIGNATURES = (('FGFA', r'aggregator\.embed_convs\.'), ('DFF', r'motion\.'),
              ('SELSA + Temporal RoI Align',
               r'detector\.roi_head\.bbox_roi_extractor\.embed_network\.'),
              ('SELSA', r'detector\.roi_head\.bbox_head\.aggregator\.'))
#: The methods with mmdet's own RoI head.
FLOW_GUIDED = ('FGFA', 'DFF')
DROPPED = ((r'data_preprocessor\.(mean|std)', 'normalisation comes from the config'), )


def is_mmtracking(state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether a state dict has the names of one of MMTracking's video detectors."""
    return _method(state_dict) is not None


def convert_mmtracking(state_dict: Mapping[str, Tensor]) -> Conversion:
    """Translate a state dict of MMTracking.

    Raises:
        ValueError: If the file is of no known method, or has a key that is not known.
    """
    method = _method(state_dict)
    if method is None:
        raise ValueError('the checkpoint holds none of the methods of MMTracking that can be '
                         f'loaded: {", ".join(name for name, _ in SIGNATURES)}')
    return rename_weights(state_dict, 'MMTracking', method,
                          lambda key: _translate(key, method), DROPPED)


def _method(state_dict: Mapping[str, Tensor]) -> str | None:
    return next((name for name, pattern in SIGNATURES
                 if any(re.match(pattern, key) for key in state_dict)), None)


def _translate(key: str, method: str) -> str | None:
    """Return our name for one of their keys; None for an unknown one."""
    if method in FLOW_GUIDED:
        if re.match(r'motion\.', key):
            return f'temporal_neck.{key}'
        if re.match(r'aggregator\.embed_convs\.', key):
            return key.replace('aggregator', 'temporal_neck', 1)
        if re.match(r'detector\.roi_head\.bbox_head\.shared_fcs\.', key):
            return key
    if re.match(r'detector\.(backbone|neck|rpn_head)\.|'
                r'detector\.roi_head\.bbox_head\.fc_(cls|reg)\.', key):
        return key
    if match := re.fullmatch(r'.*\.bbox_head\.shared_fcs\.(\d+)\.(.*)', key):
        index = int(match[1])
        layer = f'aggregator.fcs.{index - 1}' if index else 'embedding.fc'
        return f'{_HEAD}{layer}.{match[2]}'
    if match := re.fullmatch(r'.*\.bbox_head\.aggregator\.(\d+)\.(\w+)\.(.*)', key):
        if match[2] in _ATTENTION:
            return f'{_HEAD}aggregator.attentions.{match[1]}.{_ATTENTION[match[2]]}.{match[3]}'
    if match := re.fullmatch(r'.*\.bbox_roi_extractor\.embed_network\.conv\.(.*)', key):
        return f'{_HEAD}temporal_roi_align.embed.{match[1]}'
    return None
