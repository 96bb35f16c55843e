"""The runner behind ``tools/test.py --out``."""

from __future__ import annotations

from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmvod_plugins.evaluation import DumpVideoPredictions
from mmvod_plugins.hooks import ResumePredictionsHook


@RUNNERS.register_module()
class PredictionsRunner(Runner):
    """mmengine's runner, which also writes the predictions of a test to ``dump_predictions``.

    mmdet's test script builds the runner that ``runner_type`` names: so nothing of it is changed.
    """

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict) -> PredictionsRunner:
        """Build the runner and add :class:`DumpVideoPredictions` to its evaluator."""
        runner = super().from_cfg(cfg)
        info = dict(config=cfg.get('filename') or '', checkpoint=str(cfg.get('load_from')))
        dataset = runner.test_loop.dataloader.dataset
        metric = DumpVideoPredictions(cfg.dump_predictions, info,
                                      ann_file=getattr(dataset, 'ann_file', None))
        metric.dataset_meta = runner.test_evaluator.dataset_meta
        if not cfg.model.get('detections', {}).get('nms', True):
            runner.logger.info('model.detections.nms is off: the detections are written and not '
                               'evaluated, as their AP says nothing and all of them may not fit '
                               'into memory')
            runner.test_evaluator.metrics.clear()
        runner.test_evaluator.metrics.append(metric)
        runner.register_hook(ResumePredictionsHook())
        return runner
