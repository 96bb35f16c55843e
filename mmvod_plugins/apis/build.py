"""From what a user names to a model, its classes and their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmdet.visualization.palette import get_palette
from mmengine.config import Config

from mmvod_plugins.checkpoints import read_checkpoint
from mmvod_plugins.engine.config_text import config_from_text
from mmvod_plugins.engine.zoo import find_entry
from mmvod_plugins.models import VideoDetector

from .inference import init_video_detector
from .published import fetch
from .stock import as_video_config

Model = str | Path | Config | VideoDetector


def build_model(model: Model | None, weights: str | Path | None, device: str | None, *,
           unsuppressed: bool, trust: bool) -> VideoDetector:
    """Build a model from what a user names.

    Args:
        model: As in :class:`VideoDetInferencer`.
        weights: The checkpoint.
        device: None for the first GPU if there is one, else the CPU.
        unsuppressed: Whether detections are wanted from before suppression.
        trust: Whether a checkpoint may run code while it is read.

    Raises:
        FileNotFoundError: If the model does not exist.
        ValueError: If there are no weights, or the checkpoint holds no config that can be read.
    """
    if model is None and weights is None:
        raise ValueError('neither model nor weights are given: name a config or a model of the '
                         'zoo, a checkpoint that holds its config, or both')
    if model is None:
        text = (read_checkpoint(weights, trust=trust).get('meta') or {}).get('cfg')
        if not isinstance(text, str):
            raise ValueError(f'{weights} holds no config: pass it as model=...')
        config = config_from_text(text, str(weights), trust=trust)
    elif isinstance(model, Config):
        config = model
    else:
        entry = find_entry(model)
        config, weights = Config.fromfile(entry.config), weights or fetch(entry, str(model))
    if weights is None:
        raise ValueError('a config has no published weights: pass a checkpoint as weights=...')
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    built = init_video_detector(as_video_config(config), weights, device, trust=trust)
    if unsuppressed and not built.adapter.finished:  # others suppress nothing
        built.key_frames.options = replace(built.output, nms=False,
                                           class_scores=hasattr(built.detector, 'roi_head'))
        built.adapter.check(built.output)
    return built


def class_names(model: VideoDetector) -> tuple[str, ...]:
    """Names of all classes of a model; numbers where it has no names."""
    names = tuple(model.dataset_meta.get('classes') or ())
    count = max(model.adapter.num_classes or 0, len(names))
    return (*names, *map(str, range(len(names), count)))


def labels_of(chosen: Sequence[str] | None, classes: Sequence[str]) -> torch.Tensor | None:
    """Labels of class names, None for all.

    Raises:
        ValueError: If a name is not known.
    """
    if chosen is None:
        return None
    chosen = [chosen] if isinstance(chosen, str) else chosen
    unknown = [name for name in chosen if name not in classes]
    if unknown:
        raise ValueError(f'the model has no classes {unknown}: it has {", ".join(classes)}')
    return torch.tensor([classes.index(name) for name in chosen])


def colours_of(palette: str | tuple[int, int, int], meta: dict[str, Any],
             count: int) -> list[tuple[int, int, int]] | None:
    """A colour (BGR) for each class; None for the default ones.

    Args:
        palette: As in :class:`VideoDetInferencer`.
        meta: Metainfo of the data set, which may have a palette.
        count: Number of classes.

    Raises:
        ValueError: If there is no such palette, or it is too small.
    """
    if palette == 'none':
        palette = list(meta.get('palette') or ())
        if len(palette) < count or not palette:
            return None
    try:
        colours = get_palette(palette, count)
    except (AssertionError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f'palette {palette!r} is not possible for {count} classes: {error}'
                         ) from error
    return [tuple(int(value) for value in colour[::-1]) for colour in colours]
