"""Comparison of the classes of model, data and checkpoint before work starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.utils.data import Dataset

from mmvod_plugins.datasets.video_index import class_names, single_metainfo
from mmvod_plugins.models import VideoDetector


@HOOKS.register_module()
class CheckClassesHook(Hook):
    """Refuse data whose classes are not those of the model or of the checkpoint.

    Before the first iteration and before the first test frame the number of classes of the model's
    last head is compared with the data sets of training, validation and testing. A checkpoint that
    names the classes of the data in another order is refused where nothing is trained: every label
    would get another name. With other names a warning lists them.
    """

    def __init__(self) -> None:
        self._checkpoint: tuple[str, ...] = ()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note the classes that a checkpoint was trained with."""
        meta = single_metainfo((checkpoint.get('meta') or {}).get('dataset_meta'))
        self._checkpoint = tuple(meta.get('classes') or meta.get('CLASSES') or ())

    def before_train(self, runner: Runner) -> None:
        """Compare the data of training, and of the validation to come."""
        _compare(runner, runner.train_dataloader.dataset, 'train_dataloader')
        if runner.val_loop is not None:
            _compare(runner, runner.val_dataloader.dataset, 'val_dataloader')

    def before_val(self, runner: Runner) -> None:
        """Compare the data of validation, and the checkpoint if nothing was trained."""
        _compare(runner, runner.val_dataloader.dataset, 'val_dataloader')
        if runner.iter == 0:
            self._compare_names(runner, runner.val_dataloader.dataset, 'val_dataloader')

    def before_test(self, runner: Runner) -> None:
        """Compare the data of testing, and the checkpoint."""
        _compare(runner, runner.test_dataloader.dataset, 'test_dataloader')
        self._compare_names(runner, runner.test_dataloader.dataset, 'test_dataloader')

    def _compare_names(self, runner: Runner, dataset: Dataset, key: str) -> None:
        """Refuse a checkpoint with the classes in another order; warn of other names."""
        classes = _classes(dataset)
        if not (self._checkpoint and classes) or self._checkpoint == classes:
            return
        first = next((i for i, (a, b) in enumerate(zip(self._checkpoint, classes, strict=False))
                      if a != b), min(len(self._checkpoint), len(classes)))
        says = (f'the checkpoint was trained with the classes {_short(self._checkpoint)}, '
                f'{key}.dataset has {_short(classes)}; the first difference is class {first}')
        if set(self._checkpoint) == set(classes):
            raise ValueError(f'{says}. The order differs, so every label would get another name: '
                             f'set {key}.dataset.metainfo.classes to the order of the checkpoint')
        runner.logger.warning(f'{says}. Labels get the names of the data')


def _compare(runner: Runner, dataset: Dataset, key: str) -> None:
    """Refuse data with another number of classes than the model.

    Raises:
        ValueError: With both numbers and the keys of the config.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    expected = model.adapter.num_classes if isinstance(model, VideoDetector) else None
    classes = _classes(dataset)
    if expected is not None and classes and len(classes) != expected:
        raise ValueError(
            f'num_classes of the model\'s {type(model.adapter.last_head).__name__} is {expected}, '
            f'but {key}.dataset has {len(classes)} classes: {_short(classes)}. Set num_classes of '
            f'the head to {len(classes)}, or {key}.dataset.metainfo.classes to the classes that '
            'the model knows')


def _classes(dataset: Dataset) -> tuple[str, ...]:
    """Names of the classes of a data set or of one that it wraps; empty if it has none."""
    return class_names(getattr(dataset, 'metainfo', None))


def _short(classes: Sequence[str], most: int = 5) -> str:
    names = ', '.join(map(str, classes[:most]))
    return f'({names}{", ..." if len(classes) > most else ""})'
