"""A config for data of one's own: ``own_data`` names it once, and every place gets it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

from mmengine.config import Config

ConfigT = TypeVar('ConfigT', bound=Config | dict)

KEYS = ('classes', 'train', 'val', 'images', 'test')
_EXAMPLE = ("own_data = dict(classes=('cat', 'dog'), train='train.json', val='val.json', "
            "images='frames')")


def fill_own_data(config: ConfigT) -> None:
    """Put ``own_data`` of a config in every place that depends on it, in place.

    ``own_data`` has ``classes``, the names in the order of the labels; ``train``, ``val`` and
    perhaps ``test``, the COCO-VID files; ``images``, the folder of their images or videos. It
    replaces every ``num_classes`` of the model, the data sets (by ``CocoVIDDataset`` with the
    pipeline that the config has) and the ``ann_file`` of the metrics.

    Args:
        config: A whole config or the arguments of a runner; parts of it are replaced, not changed.

    Raises:
        ValueError: If a key is missing, unknown or no use for this model.
    """
    own = config.get('own_data') or (config.get('cfg') or {}).get('own_data')
    if not own:
        return
    unknown, missing = set(own) - set(KEYS), [key for key in KEYS[:4] if not own.get(key)]
    if unknown or missing or isinstance(own['classes'], str):
        raise ValueError(f'own_data lacks {missing}, has unknown keys {sorted(unknown)}, or its '
                         f'classes are no list of names: expected {_EXAMPLE}')
    classes = tuple(own['classes'])
    if isinstance(config.get('model'), dict):
        config['model'] = copy.deepcopy(config['model'])
        heads = list(_with_key(config['model'], 'num_classes'))
        if not heads:
            raise ValueError('own_data: the model has no num_classes')
        for head in heads:
            head['num_classes'] = len(classes)
    for part in ('train', 'val', 'test'):
        file = own.get(part) or own['val']
        key = f'{part}_dataloader'
        if isinstance(config.get(key), dict):
            config[key] = copy.deepcopy(config[key])
            config[key]['dataset'] = _dataset(config[key]['dataset'], file, own['images'], classes,
                                              test_mode=part != 'train')
        key = f'{part}_evaluator'
        if isinstance(config.get(key), dict | list):
            config[key] = copy.deepcopy(config[key])
            for metric in _with_key(config[key], 'ann_file'):
                metric['ann_file'] = file


def _dataset(old: dict[str, Any], file: str, images: str, classes: tuple[str, ...], *,
             test_mode: bool) -> dict[str, Any]:
    """The data set with the pipeline and filter of another, which may be in wrappers."""
    inner = old
    while 'pipeline' not in inner and (inner.get('dataset') or inner.get('datasets')):
        inner = inner.get('dataset') or inner['datasets'][0]
    kept = {key: inner[key] for key in ('pipeline', 'filter_cfg', 'key_frames') if key in inner}
    return dict(kept, type='CocoVIDDataset', ann_file=file,
                data_prefix=dict(img_path=images), metainfo=dict(classes=classes),
                test_mode=test_mode)


def _with_key(node: Any, key: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 any part of a config
    """Every dict below a node that has a key."""
    if isinstance(node, dict):
        if key in node:
            yield node
        for part in node.values():
            yield from _with_key(part, key)
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _with_key(part, key)
