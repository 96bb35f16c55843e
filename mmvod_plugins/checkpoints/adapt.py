"""Adaptation of a checkpoint to the model that loads it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .conversion import unwrap
from .formats import recognise
from .methods import TENSORS, describe, methods_of, named_methods

if TYPE_CHECKING:
    from mmvod_plugins.models import VideoDetector

#: (method of a file, method of a model) that may differ: the file starts the model's training.
STARTS = (('RDN-base', 'RDN'), )


def adapt_state_dict(state_dict: dict[str, Any], model: VideoDetector) -> None:
    """Turn a loaded checkpoint into weights of a model, in place.

    Published files are translated, a plain image detector's weights become the detector's, and
    the last layers of a file with another number of classes are left out with a warning.

    Args:
        state_dict: The content of a checkpoint file.
        model: The model that loads it.

    Raises:
        ValueError: If the file holds another method, with its name, another architecture, with
            the first tensor that differs, or no weights of this model.
    """
    own = model.state_dict()
    held, wanted = named_methods(state_dict), named_methods(own)
    weights = unwrap(state_dict)
    published = recognise(weights)
    if published is not None:
        weights = published.convert(weights).state_dict
    elif not any(key.startswith('detector.') for key in weights):
        weights = {f'detector.{key}': value for key, value in weights.items()}
    weights = _rpn_alone(weights, own)
    if model.adapter.head is not None:
        model.adapter.head.take_stock_names(weights, 'detector.bbox_head.')
    _start_neck(weights, model)
    described = describe(wanted)
    if held is None:
        held, wanted = methods_of(weights), methods_of(own)
    _check_methods(weights, own, held, wanted, described)
    if published is not None and wanted and not held:
        warnings.warn('the checkpoint holds a single-frame detector: the temporal modules keep '
                      'their initial weights and need training', stacklevel=2)
    _check_shapes(weights, own, model)
    state_dict.clear()
    state_dict.update(weights)


def _start_neck(weights: dict[str, Tensor], model: VideoDetector) -> None:
    """Start the neck of a model from a detector without temporal neck."""
    neck = model.temporal_neck
    if neck is None or not neck.state_dict() or any(map(TENSORS['neck'].match, weights)):
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
    """Name the largest modules with missing keys and no found one; ``*`` for list indices."""
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
    """Rename a two-stage detector's RPN for an ``RPN``, whose head is called ``bbox_head``.

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


def _check_methods(weights: dict[str, Tensor], own: dict[str, Tensor], held: dict[str, str],
                   wanted: dict[str, str], model: str) -> None:
    """Refuse the temporal parts of another method; warn about those that a file does not have.

    Args:
        weights: Of the file.
        own: Of the model.
        held: Methods of the file by part.
        wanted: Methods of the model by part, told in the same way.
        model: Description of the model.
    """
    initial: set[str] = set()
    for part, pattern in TENSORS.items():
        theirs, ours = (set(filter(pattern.match, keys)) for keys in (weights, own))
        method, expected = held.get(part), wanted.get(part)
        if method not in (None, expected) and (method, expected) not in STARTS:
            evidence = f' (it has {min(theirs)!r})' if theirs else ''
            raise ValueError(f'the checkpoint holds {describe(held)}{evidence}, but the model is '
                             f'{model}: use a config of {describe(held)}')
        if theirs and not theirs & ours:
            raise ValueError(f'the checkpoint holds {describe(held)} (it has {min(theirs)!r}) and '
                             f'the model is {model}, but one of the two is a cascade with an '
                             'aggregator per stage: use the config that the file was trained with')
        if method != expected:
            initial |= {'.'.join(pattern.sub('', key).split('.')[:2]) for key in ours - theirs}
    if held and initial:
        warnings.warn(f'the checkpoint holds {describe(held)}, the model is {model}: these modules '
                      f'keep their initial weights and need training: {sorted(initial)}',
                      stacklevel=2)


def _check_shapes(weights: dict[str, Tensor], own: dict[str, Tensor],
                  model: VideoDetector) -> None:
    """Leave out last layers for other classes or anchors; refuse a file of another architecture.

    A last layer belongs to a module that knows the number of classes, and only its first dimension
    differs: the width of any other layer is also the second dimension of the layers after it. The
    exceptions, heads of attention for example, are in temporal parts, encoders and decoders.
    """
    common = [key for key in own if key in weights]
    if not common:
        raise ValueError('the checkpoint holds no weights of this model: its first keys are '
                         f'{sorted(weights)[:3]}, the model has {sorted(own)[:3]}')
    different = {
        key: (tuple(weights[key].shape), tuple(own[key].shape)) for key in common
        if isinstance(weights[key], Tensor) and weights[key].shape != own[key].shape}
    heads = tuple(f'{name}.' for name, module in model.named_modules()
                  if hasattr(module, 'num_classes'))
    last = {
        key: (found, expected) for key, (found, expected) in different.items()
        if found and expected and found[1:] == expected[1:] and key.startswith(heads)
        and not any(pattern.match(key) for pattern in TENSORS.values())}
    wrong = [key for key in different if key not in last]
    if wrong:
        found, expected = different[wrong[0]]
        raise ValueError(
            f'the checkpoint is of another architecture: {len(different)} tensors have other '
            f'shapes, such as {wrong[0]}: {found} in the file, {expected} in the model. Use '
            'the config that it was trained with')
    if last:
        warnings.warn('the checkpoint has another number of classes or anchors; these layers keep '
                      f'their initial weights (shapes of file and model): {last}', stacklevel=2)
    for key in last:
        del weights[key]
