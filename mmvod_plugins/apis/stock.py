"""Configs of image detectors as configs of video detectors."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config, ConfigDict


def as_video_config(config: Config) -> Config:
    """A config whose model is a ``VideoDetector``; one that is already so is returned as it is.

    An image detector is put into a ``VideoDetector`` without references: it detects frame by
    frame as mmdet does. Its test pipeline is applied to frames in memory.

    Args:
        config: With ``model`` and ``test_dataloader``.

    Raises:
        ValueError: If it lacks one of them, or the pipeline of its test data.
    """
    for key in ('model', 'test_dataloader'):
        if not isinstance(config.get(key), dict):
            raise ValueError(f'{config.filename or "the config"} has no {key}: pass a whole '
                             'config, not a part of one')
    if str(config.model.get('type')).rpartition('.')[2] == 'VideoDetector':
        return config
    dataset = config.test_dataloader.get('dataset') or {}
    while 'pipeline' not in dataset and (dataset.get('dataset') or dataset.get('datasets')):
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    if 'pipeline' not in dataset:
        raise ValueError(f'{config.filename or "the config"} has no '
                         'test_dataloader.dataset.pipeline, which prepares the frames')
    steps = [copy.deepcopy(step) for step in dataset['pipeline']
             if not _name(step).startswith(('Load', 'Pack'))]
    if any(step.get('to_float32') for step in dataset['pipeline']):
        steps.insert(0, dict(type='ImageToFloat32'))
    keys = next((step['meta_keys'] for step in dataset['pipeline'] if 'meta_keys' in step), ())
    changed = copy.deepcopy(config)
    changed.model = ConfigDict(type='VideoDetector', detector=copy.deepcopy(config.model))
    changed.test_dataloader.dataset = ConfigDict(
        {key: dataset[key] for key in ('type', 'metainfo') if key in dataset},
        # no ClipTransform: a clip of one frame may draw as it likes
        pipeline=[dict(type='TransformBroadcaster', transforms=steps),
                  dict(type='PackVideoInputs', meta_keys=tuple(keys))])
    return changed


def _name(step: dict[str, Any]) -> str:
    kind = step['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
