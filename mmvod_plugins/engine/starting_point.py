"""Checks of the checkpoint that a run starts from, before anything is built."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmvod_plugins.checkpoints import CheckpointError, check_file


def check_starting_point(args: argparse.Namespace, config: Mapping[str, Any]) -> str | None:
    """Check the checkpoint that a training or a test will load.

    Args:
        args: Arguments of mmdet's ``train.py`` or ``test.py``.
        config: The config with the options of the command line.

    Returns:
        A sentence if ``--resume`` finds nothing and the training starts as without it: mmengine
        would omit ``load_from``.

    Raises:
        CheckpointError: If the file is missing, empty, cut, or not a checkpoint.
    """
    resume = getattr(args, 'resume', None)
    if resume == 'auto':
        return _check_work_dir(Path(config['work_dir']), config.get('load_from'))
    start = getattr(args, 'checkpoint', None) or resume or config.get('load_from')
    if start:
        _check(start)
    return None


def _check(start: str) -> None:
    if '://' not in start:
        check_file(Path(start).expanduser())


def _check_work_dir(work_dir: Path, load_from: str | None) -> str | None:
    pointer = work_dir / 'last_checkpoint'
    saved = sorted(work_dir.glob('*.pth'), key=_age)
    if pointer.is_file():
        named = pointer.read_text(encoding='utf-8', errors='replace').strip()
        try:
            if not named:
                raise CheckpointError('it is empty')
            check_file(named, whole=True)
        except CheckpointError as error:
            raise CheckpointError(f'--resume reads {pointer}: {error}. {_intact(saved)}') from error
        return None
    if saved:
        raise CheckpointError(f'--resume found no {pointer}, but checkpoints. {_intact(saved)}')
    if load_from:
        _check(load_from)
        return f'{work_dir} has no checkpoint to resume: the training starts from {load_from}'
    return f'{work_dir} has no checkpoint to resume: the training starts from the beginning'


def _age(path: Path) -> tuple[int, list[int]]:
    """Time of writing; the number of the iteration or epoch where two have the same."""
    return path.stat().st_mtime_ns, [int(number) for number in re.findall(r'\d+', path.stem)]


def _intact(saved: list[Path]) -> str:
    """Remedy: the newest checkpoint that can be read."""
    for path in reversed(saved):
        try:
            check_file(path, whole=True)
        except CheckpointError:
            continue
        return f'The newest intact checkpoint is {path}: use --resume {path}'
    return 'No intact checkpoint is beside it: start without --resume'
