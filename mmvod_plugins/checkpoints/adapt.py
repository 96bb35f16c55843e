"""Recognise and translate checkpoints while a model loads them."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor, nn

from .mega_pytorch import convert_mega_pytorch, is_mega_pytorch

_AGGREGATOR = 'detector.roi_head.aggregator.'
_LAST_LAYERS = ('.fc_cls.', '.fc_reg.', '.rpn_cls.', '.rpn_reg.', '.retina_cls.', '.conv_cls.')


def adapt_state_dict(state_dict: dict[str, Any], model: nn.Module) -> None:
    """Turn whatever was loaded into weights of a model, in place.

    Published files are translated, the last layers of a file with another number of classes are
    left out with a warning, and a plain image detector's weights become the detector's.

    Args:
        state_dict: What a checkpoint file held.
        model: A video detector.

    Raises:
        ValueError: If the file holds another method, with its name.
    """
    weights = _unwrap(state_dict)
    own = model.state_dict()
    if is_mega_pytorch(weights):
        conversion = convert_mega_pytorch(weights)
        _check_method(conversion.method, own)
        weights = conversion.state_dict
    elif not any(key.startswith('detector.') for key in weights):
        weights = {f'detector.{key}': value for key, value in weights.items()}
    _check_aggregator(weights, own)
    _drop_last_layers(weights, own)
    state_dict.clear()
    state_dict.update(weights)


def _unwrap(state_dict: dict[str, Any]) -> dict[str, Tensor]:
    """The weights in a training checkpoint, without the prefix of a wrapper."""
    weights = state_dict
    for name in ('model', 'state_dict'):
        if isinstance(weights.get(name), dict):
            weights = weights[name]
    return {key.removeprefix('module.'): value for key, value in weights.items()}


def _check_method(method: str, own: dict[str, Tensor]) -> None:
    temporal = any(key.startswith(_AGGREGATOR) for key in own)
    mega = any(key.startswith(f'{_AGGREGATOR}local_relations') for key in own) or any(
        key.startswith(f'{_AGGREGATOR}global_relations') for key in own)
    if method == 'MEGA' and not mega:
        raise ValueError('the checkpoint holds MEGA, but the model is '
                         f'{"another temporal method" if temporal else "a single-frame detector"}: '
                         'use a config of MEGA')
    if method == 'single frame' and temporal:
        warnings.warn('the checkpoint holds a single-frame detector: the temporal modules keep '
                      'their initial weights and need training', stacklevel=2)


def _check_aggregator(weights: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Refuse the temporal modules of another method."""
    theirs = {key for key in weights if key.startswith(_AGGREGATOR)}
    ours = {key for key in own if key.startswith(_AGGREGATOR)}
    if theirs and not theirs & ours:
        example = sorted(theirs)[0]
        kind = 'MEGA' if '_relations.' in example else 'another temporal method'
        raise ValueError(f'the checkpoint holds {kind} (it has {example!r}), which this model is '
                         'not: use the config that it was trained with')


def _drop_last_layers(weights: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Leave out last layers for another number of classes."""
    left_out = [
        key for key, value in weights.items() if any(part in key for part in _LAST_LAYERS)
        and key in own and value.shape != own[key].shape
    ]
    if left_out:
        found = {key: (tuple(weights[key].shape), tuple(own[key].shape)) for key in left_out}
        warnings.warn('the checkpoint has another number of classes; these layers keep their '
                      f'initial weights (shapes of file and model): {found}', stacklevel=2)
    for key in left_out:
        del weights[key]
