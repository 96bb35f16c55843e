"""mmengine's runner for configs that name the reference policy once."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from mmvod_plugins.checkpoints import guard_mmengine_by_default
from mmvod_plugins.evaluation import DumpVideoPredictions
from mmvod_plugins.hooks import ResumePredictionsHook
from mmvod_plugins.utils.host_memory import keep_freed_memory

from .complete_config import complete_config
from .watch_backbone import watch_backbone


@RUNNERS.register_module()
class VideoRunner(Runner):
    """Runner that fills ``model.references`` into the data loaders and can dump predictions.

    mmdet's own scripts build the runner that a config names in ``runner_type``. ``runner.cfg``,
    the dumped config and the one in checkpoints stay as the user wrote them, so a single option
    still changes the policy of a dumped config.

    With ``dump_predictions`` in the config, a file ``.npz`` or a folder, testing also writes
    every detection there (:class:`DumpVideoPredictions`).

    Checkpoints are read without running code that they contain, also by mmdet's own scripts.

    ``env_cfg.keep_freed_memory`` lets the process keep the memory that it frees, if it computes
    on a CPU (:func:`~mmvod_plugins.utils.host_memory.keep_freed_memory`).

    Args:
        settings: Arguments of mmengine's ``Runner``, by name.

    Raises:
        ValueError: If the config names two policies that differ.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 those of the base class
        guard_mmengine_by_default()
        super().__init__(**complete_config(settings))
        watch_backbone(self.model.module if is_model_wrapper(self.model) else self.model)

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Set up the process: mmengine's settings and ``keep_freed_memory``."""
        if env_cfg.get('keep_freed_memory') and get_device() == 'cpu':
            keep_freed_memory()
        super().setup_env(env_cfg)

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict[str, Any], seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """Build a data loader; for a GPU it pins its batches unless its config says otherwise.

        The copies of pinned batches do not stop the host (``non_blocking`` of the preprocessor).
        """
        if isinstance(dataloader, dict) and torch.cuda.is_available():
            dataloader = {'pin_memory': True, **dataloader}
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    def build_test_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """Build the test loop and add the metric that writes predictions."""
        built = super().build_test_loop(loop)
        if built is not loop and self.cfg.get('dump_predictions'):
            self._dump_predictions(built)
        return built

    def _dump_predictions(self, loop: BaseLoop) -> None:
        info = dict(config=self.cfg.filename or '', checkpoint=str(self._load_from))
        metric = DumpVideoPredictions(self.cfg.dump_predictions, info,
                                      ann_file=getattr(loop.dataloader.dataset, 'ann_file', None))
        metric.dataset_meta = loop.evaluator.dataset_meta
        if not self.cfg.model.get('detections', {}).get('nms', True):
            self.logger.info('model.detections.nms is off: the detections are written and not '
                             'evaluated, as their AP says nothing and all of them may not fit '
                             'into memory')
            loop.evaluator.metrics.clear()
        loop.evaluator.metrics.append(metric)
        self.register_hook(ResumePredictionsHook())
