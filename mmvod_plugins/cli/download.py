"""``mmvod download``: published weights of a model by name, checked and read safely."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from mmvod_plugins.apis.published import fetch
from mmvod_plugins.checkpoints import CheckpointError
from mmvod_plugins.engine.zoo import find_entry, zoo_models
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
