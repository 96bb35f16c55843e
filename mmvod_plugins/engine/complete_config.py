"""One reference policy for a whole config: ``model.references`` fills the data loaders."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

from mmengine.config import Config

from mmvod_plugins.references import build_references

from .own_data import fill_own_data

#: Data loaders of a runner, by their keys in a config.
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
#: Types whose ``references`` is the model's policy.
FOLLOWERS = ('SampleReferenceFrames', 'VideoStreamSampler')

ConfigT = TypeVar('ConfigT', bound=Config | dict)


def complete_config(config: ConfigT) -> ConfigT:
    """Copy a config and fill ``own_data`` and ``model.references`` in where they belong.

    Every ``SampleReferenceFrames`` and ``VideoStreamSampler`` that names no policy gets a copy of
    the model's, however deeply datasets and transforms are nested; one that names an equal policy,
    in whatever spelling, keeps it. A ``VideoDetector`` without ``references`` is a detector of
    single frames, as the loaders are by default. Other models without the key are left alone.

    Args:
        config: A whole config, or the arguments of a runner; it is not changed.

    Raises:
        ValueError: If a loader names another policy than the model; both keys are in the message.
    """
    completed = copy.copy(config)
    fill_own_data(completed)
    model = completed.get('model')
    if not isinstance(model, dict):
        return completed
    if 'references' not in model and _type_name(model) != 'VideoDetector':
        return completed
    references = model.get('references')
    for key in LOADERS:
        if not isinstance(completed.get(key), dict):  # None, or a DataLoader that somebody built
            continue
        completed[key] = copy.deepcopy(completed[key])
        for place, follower in _followers(completed[key], key):
            if follower.get('references') is None:
                follower['references'] = copy.deepcopy(references)
            else:
                _check_equal(references, follower['references'], place)
    return completed


def _followers(node: Any,  # noqa: ANN401 any part of a config
               key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every config of a type in :data:`FOLLOWERS` below a node, with its key."""
    if isinstance(node, dict):
        if _type_name(node) in FOLLOWERS:
            yield key, node
        for name, part in node.items():
            yield from _followers(part, f'{key}.{name}')
    elif isinstance(node, list | tuple):
        for i, part in enumerate(node):
            yield from _followers(part, f'{key}[{i}]')


def _type_name(config: dict[str, Any]) -> str:
    """Name of a config's type without its scope (``'mmdet.X'``, or a class: ``'X'``)."""
    kind = config.get('type')
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')


def _check_equal(references: Any, found: Any, place: str) -> None:  # noqa: ANN401 configs, policies
    """Compare the policies that two places of a config build."""
    expected, policy = build_references(references), build_references(found)
    if policy != expected:
        raise ValueError(
            f'two reference policies in one config: model.references is {expected!r}, but '
            f'{place}.references is {policy!r}. Omit the latter: VideoRunner fills in '
            'model.references wherever references is omitted or None')
