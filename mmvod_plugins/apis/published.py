"""Published weights of a model: downloaded once, checked against their hash, read safely."""

from __future__ import annotations

from pathlib import Path

from mmvod_plugins.checkpoints import CheckpointError, read_checkpoint
from mmvod_plugins.checkpoints.reading import download, sha256
from mmvod_plugins.engine.zoo import ZooModel


def fetch(model: ZooModel, name: str) -> Path:
    """File of the published weights of a model.

    Args:
        model: From :func:`~mmvod_plugins.engine.zoo.find_entry`.
        name: What the user called it.

    Raises:
        ValueError: If none are published, or they cannot be downloaded by a program.
        OSError: If there is no connection.
        CheckpointError: If the file is another one than was published, is damaged, or would run
            code; it is deleted then.
    """
    if model.weights is None:
        page, terms = (model.entry.get(f'Weights {key}') for key in ('Page', 'License'))
        raise ValueError(f'{name} has weights that must be downloaded by hand, from {page} ({terms}'
                         '); pass the file as weights' if page else
                         f'{name} has no published weights: pass a checkpoint as weights, or train '
                         'it; `mmvod download` lists the models that have some')
    file = download(model.weights)
    try:
        if model.sha256 and not sha256(file).startswith(model.sha256):
            raise CheckpointError(f'{file}: its SHA-256 is {sha256(file)[:8]}..., the published '
                                  f'file has {model.sha256}: it is deleted, download it again')
        read_checkpoint(file)
    except CheckpointError:
        file.unlink(missing_ok=True)
        raise
    return file
