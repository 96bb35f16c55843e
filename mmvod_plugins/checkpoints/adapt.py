"""Recognise and translate checkpoints while a model loads them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from .formats import recognise, unwrap
from .methods import (
    AGGREGATOR,
    NECK,
    STAGE,
    STARTS,
    aggregator_method,
    method_of,
    neck_method,
)

_LAST_LAYERS = ('.fc_cls.', '.fc_reg.', '.rpn_cls.', '.rpn_reg.', '.retina_cls.', '.conv_cls.',
                '.atss_cls.', '.multi_level_conv_cls.')


def adapt_state_dict(state_dict: dict[str, Any], model: nn.Module) -> None:
    """Turn whatever was loaded into weights of a model, in place.

    Published files are translated, the last layers of a file with another number of classes are
    left out with a warning, and a plain image detector's weights become the detector's.

    Args:
        state_dict: What a checkpoint file held.
        model: A video detector.

    Raises:
        ValueError: If the file holds another method, with its name, another architecture, with
            the first tensor that differs, or nothing of this model.
    """
    weights = unwrap(state_dict)
    own = model.state_dict()
    published = recognise(weights)
    if published is not None:
        weights = published.convert(weights).state_dict
    elif not any(key.startswith('detector.') for key in weights):
        weights = {f'detector.{key}': value for key, value in weights.items()}
    weights = _rpn_alone(weights, own)
    _start_neck(weights, model)
    _check_method(weights, own, published is not None)
    _drop_last_layers(weights, own)
    _check_architecture(weights, own)
    state_dict.clear()
    state_dict.update(weights)


def _start_neck(weights: dict[str, Tensor], model: nn.Module) -> None:
    """Let a detector without temporal neck start the neck of a model that has one."""
    neck = getattr(model, 'temporal_neck', None)
    if neck is None or not neck.state_dict() or any(key.startswith(NECK) for key in weights):
        return
    found, replaced = neck.from_detector(weights)
    for key in replaced:
        del weights[key]
    weights.update({f'temporal_neck.{key}': value for key, value in found.items()})
    missing = _modules(neck.state_dict().keys() - found.keys(), found)
    start = f"{len(found)} of the neck's tensors start from {sorted(replaced)}, " if found else ''
    warnings.warn(f'the checkpoint holds a detector without temporal neck: {start}those of '
                  f'{missing} keep their initial weights and need training', stacklevel=2)


def _modules(missing: Iterable[str], found: Iterable[str]) -> list[str]:
    """The largest modules that hold missing keys and no found one; ``*`` for numbers in lists."""
    started = {tuple(_parts(key)[:end]) for key in found for end in range(1, len(_parts(key)))}
    names = set()
    for key in missing:
        parts = _parts(key)
        ends = (end for end in range(1, len(parts))
                if '*' not in parts[end - 1:end + 1] and tuple(parts[:end]) not in started)
        names.add('.'.join(parts[:next(ends, len(parts))]))
    return sorted(names)


def _parts(key: str) -> list[str]:
    return ['*' if part.isdigit() else part for part in key.split('.')]


def _rpn_alone(weights: dict[str, Any], own: dict[str, Tensor]) -> dict[str, Any]:
    """Weights for an ``RPN``, whose head is called ``bbox_head``, from a two-stage detector's.

    mmdet renames them too, but not where the detector is a part of another model.
    """
    old, new = 'detector.rpn_head.', 'detector.bbox_head.'
    is_rpn = f'{new}rpn_cls.weight' in own
    if not is_rpn or f'{old}rpn_cls.weight' not in weights:
        return weights
    return {
        new + key.removeprefix(old) if key.startswith(old) else key: value
        for key, value in weights.items()
    }


def _check_method(weights: dict[str, Tensor], own: dict[str, Tensor], published: bool) -> None:
    """Refuse the temporal modules of another method, and say which ones a file does not have."""
    held, wanted = method_of(weights), method_of(own)
    if held is None:
        if published and wanted is not None:
            warnings.warn('the checkpoint holds a single-frame detector: the temporal modules '
                          'keep their initial weights and need training', stacklevel=2)
        return
    initial: set[str] = set()
    for prefix, name_of in ((NECK, neck_method), (AGGREGATOR, aggregator_method)):
        theirs, ours = ({key for key in keys if key.startswith(prefix)} for keys in (weights, own))
        part, expected = name_of(weights), name_of(own)
        if part not in (None, expected) and (part, expected) not in STARTS:
            raise ValueError(f'the checkpoint holds {held} (it has {min(theirs)!r}), but the model '
                             f'is {wanted or "a single-frame detector"}: use a config of {held}')
        if theirs and not theirs & ours:
            raise ValueError(f'the checkpoint holds {held} (it has {min(theirs)!r}) and the model '
                             f'is {held}, but one of the two is a cascade with an aggregator per '
                             'stage: use the config that the file was trained with')
        if part != expected:
            initial |= {'.'.join(STAGE.sub('', key.removeprefix(prefix)).split('.')[:2])
                        for key in ours - theirs}
    if initial:
        warnings.warn(f'the checkpoint holds {held}, the model is {wanted}: these modules keep '
                      f'their initial weights and need training: {sorted(initial)}', stacklevel=2)


def _drop_last_layers(weights: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Leave out last layers for another number of classes or anchors."""
    left_out = [
        key for key, value in weights.items() if any(part in key for part in _LAST_LAYERS)
        and key in own and value.shape != own[key].shape and value.shape[1:] == own[key].shape[1:]
    ]
    if left_out:
        found = {key: (tuple(weights[key].shape), tuple(own[key].shape)) for key in left_out}
        warnings.warn('the checkpoint has another number of classes or anchors; these layers keep '
                      f'their initial weights (shapes of file and model): {found}', stacklevel=2)
    for key in left_out:
        del weights[key]


def _check_architecture(weights: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Refuse a file of another architecture: its tensors would be left out one by one."""
    common = weights.keys() & own.keys()
    if not common:
        raise ValueError('the checkpoint holds no weights of this model: its first keys are '
                         f'{sorted(weights)[:3]}, the model has {sorted(own)[:3]}')
    wrong = sorted(
        key for key in common
        if isinstance(weights[key], Tensor) and weights[key].shape != own[key].shape)
    if wrong:
        key = wrong[0]
        raise ValueError(
            f'the checkpoint is of another architecture: {len(wrong)} tensors have other shapes, '
            f'the first one is {key}: {tuple(weights[key].shape)} in the file, '
            f'{tuple(own[key].shape)} in the model. Use the config that it was trained with')
