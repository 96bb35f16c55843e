"""``mmvod download``: published weights of a model by name, checked and read safely."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from mmvod_plugins.checkpoints import CheckpointError, read_checkpoint
from mmvod_plugins.checkpoints.reading import download, sha256
from mmvod_plugins.engine.zoo import ZooModel, find_entry, zoo_models
from mmvod_plugins.utils.files import check_output, replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mmvod download``."""
    parser.add_argument('name', nargs='?', help='name or alias of a model, ours or mmdet\'s; '
                        'without it the models that have weights are listed')
    parser.add_argument('--dest', type=Path, metavar='DIR', help='also copy the file to this '
                        'folder; it stays in the cache of torch, where the model finds it')


def download_weights(args: argparse.Namespace) -> int:
    """Download, check, say where the file is; returns the exit code.

    Raises:
        SystemExit: With one sentence, if something is not possible.
    """
    if args.name is None:
        for model in zoo_models():
            if model.weights:
                sys.stdout.write(f'{" ".join(model.names[::-1])}\n')
        return 0
    try:
        file = fetch(find_entry(args.name), args.name)
        if args.dest is not None:
            target = args.dest / file.name
            check_output(target, [file])
            with replacing(target) as temporary:
                shutil.copyfile(file, temporary)
            file = target
    except (OSError, CheckpointError, ValueError) as error:
        sys.exit(str(error))
    sys.stdout.write(f'{file}\n')
    return 0


def fetch(model: ZooModel, name: str) -> Path:
    """File of the published weights of a model.

    Args:
        model: From :func:`find_entry`.
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
                         '); give the file as --weights' if page else
                         f'{name} has no published weights: train it, or pass a checkpoint as '
                         '--weights; `mmvod download` lists the models that have some')
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
