"""VideoRunner under the calls of mmdet's scripts: it fills, it dumps what the user wrote."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner.checkpoint import CheckpointLoader, load_from_local

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.checkpoints import CheckpointError
from mmvod_plugins.engine import VideoRunner, video_runner
from mmvod_plugins.evaluation import DumpVideoPredictions, load_predictions
from mmvod_plugins.hooks import ResumePredictionsHook
from mmvod_plugins.references import build_references
from tests.datasets.tiny_vid import make_tiny_vid
from tests.tools.tiny_video import settings_of


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    path = make_tiny_vid(tmp_path_factory.mktemp('videos'), lengths=(3, ))
    settings = settings_of(path, path.parent, 3)
    settings.update(log_level='ERROR', train_cfg=dict(type='IterBasedTrainLoop', max_iters=1))
    settings['default_hooks']['checkpoint']['interval'] = 1
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        settings.pop(key)
    return settings


def build(settings, work_dir, **options):
    """A runner as mmdet's scripts build one: file, command line, registry."""
    work_dir.mkdir(exist_ok=True)
    config = settings if isinstance(settings, Config) else Config(copy.deepcopy(settings))
    config.update(work_dir=str(work_dir), experiment_name=f'{work_dir}')
    config.merge_from_dict(options)
    runner = RUNNERS.build(config)
    assert type(runner) is VideoRunner
    return runner


def policies(runner):
    """The policies of the training pipeline and of the test sampler."""
    [*_, draw] = [t for t in runner.build_dataloader(
        runner._train_dataloader).dataset.pipeline.transforms if hasattr(t, 'policy')]
    return [draw.policy, runner.test_dataloader.sampler.policy]


@pytest.mark.parametrize(('device', 'asked', 'kept'), [
    ('cpu', True, [1]), ('cpu', False, []), ('cuda', True, [])])
def test_memory_is_kept_on_a_cpu_if_the_config_says_so(settings, tmp_path, monkeypatch, device,
                                                       asked, kept):
    calls = []
    monkeypatch.setattr(video_runner, 'keep_freed_memory', lambda: calls.append(1))
    monkeypatch.setattr(video_runner, 'get_device', lambda: device)
    build(settings, tmp_path, **{'env_cfg.keep_freed_memory': asked})
    assert calls == kept


@pytest.mark.parametrize(('gpu', 'option', 'pinned'), [
    (True, {}, True), (True, dict(pin_memory=False), False), (False, {}, False)])
def test_batches_are_pinned_for_a_gpu(settings, tmp_path, monkeypatch, gpu, option, pinned):
    loader = build(settings, tmp_path)._train_dataloader
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    assert VideoRunner.build_dataloader({**loader, **option}).pin_memory is pinned


def test_pipeline_and_sampler_get_the_model_s_policy(settings, tmp_path):
    runner = build(settings, tmp_path)
    assert policies(runner) == [build_references(settings['model']['references'])] * 2


def test_an_option_on_model_references_reaches_pipeline_and_sampler(settings, tmp_path):
    runner = build(settings, tmp_path, **{'model.references.policies.0.radius': 1})
    assert policies(runner) == [runner.model.policy] * 2
    assert runner.model.policy.policies[0] != build_references(
        settings['model']['references']).policies[0]


def test_two_policies_are_refused_before_a_model_is_built(settings, tmp_path):
    with pytest.raises(ValueError, match=r'model\.references is .*test_dataloader\.sampler\.ref'):
        build(settings, tmp_path, **{'test_dataloader.sampler.references.type': 'KeyFrameOnly'})


def test_dumped_configs_and_checkpoints_name_the_policy_once_and_run_again(settings, tmp_path):
    build(settings, tmp_path / 'first').train()
    dumped = Config.fromfile(next((tmp_path / 'first').glob('*/vis_data/config.py')))
    meta = torch.load(tmp_path / 'first' / 'iter_1.pth', weights_only=False)['meta']
    for config in (dumped, Config.fromstring(meta['cfg'], '.py')):
        assert config.test_dataloader.sampler == dict(type='VideoStreamSampler')
        assert config.model.references == settings['model']['references']
    again = build(dumped, tmp_path / 'again', **{'model.references.policies.0.radius': 1})
    assert policies(again) == [again.model.policy] * 2


def test_a_runner_of_arguments_fills_them_too(settings, tmp_path):
    names = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')
    config = Config(copy.deepcopy(settings))
    runner = VideoRunner(work_dir=str(tmp_path), default_scope='mmdet', log_level='ERROR',
                         experiment_name=f'{tmp_path}', **{name: config[name] for name in names})
    assert runner.test_dataloader.sampler.policy == runner.model.policy


def test_a_model_of_the_api_has_a_completed_config(settings):
    config = Config(copy.deepcopy(settings))
    assert init_video_detector(config).cfg.test_dataloader.sampler.references \
        == settings['model']['references']
    config.test_dataloader.sampler.references = dict(type='KeyFrameOnly')
    with pytest.raises(ValueError, match='two reference policies'):
        init_video_detector(config)


def test_dump_predictions_writes_every_frame(settings, tmp_path):
    runner = build(settings, tmp_path, dump_predictions=str(tmp_path / 'found.npz'))
    for _ in range(2):  # mmdet's script and Runner.test both ask for the loop
        runner.build_test_loop(runner.test_loop)
    kinds = [type(metric) for metric in runner.test_evaluator.metrics]
    assert kinds.count(DumpVideoPredictions) == 1
    assert sum(isinstance(hook, ResumePredictionsHook) for hook in runner.hooks) == 1
    assert 'coco/bbox_mAP_50' in runner.test()
    [video] = load_predictions(tmp_path / 'found.npz').videos
    assert video.num_frames == 3


def test_without_nms_detections_are_written_and_not_evaluated(settings, tmp_path):
    runner = build(settings, tmp_path, **{
        'dump_predictions': str(tmp_path / 'raw.npz'), 'model.detections.nms': False})
    assert [type(metric) for metric in runner.test_evaluator.metrics] == [DumpVideoPredictions]


def test_training_and_plain_tests_write_no_predictions(settings, tmp_path):
    runner = build(settings, tmp_path)
    assert not [m for m in runner.test_evaluator.metrics if isinstance(m, DumpVideoPredictions)]


def test_a_backbone_that_gives_nan_ends_a_test(settings, tmp_path):
    runner = build(settings, tmp_path)
    next(runner.model.detector.backbone.parameters()).data.fill_(float('nan'))
    with pytest.raises(FloatingPointError, match=r'the backbone .* gives NaN'):
        runner.test()


def test_a_checkpoint_with_code_is_refused_by_mmdet_s_scripts_too(settings, tmp_path, monkeypatch):
    """They build a runner and load by it; nothing of ours comes before."""
    monkeypatch.setattr(CheckpointLoader, '_schemes',
                        {**CheckpointLoader._schemes, '': load_from_local})
    torch.save(dict(state_dict={}, extra=Path('folder')), tmp_path / 'bad.pth')
    runner = build(settings, tmp_path / 'test', load_from=str(tmp_path / 'bad.pth'))
    with pytest.raises(CheckpointError, match=r'bad\.pth holds more than weights'):
        runner.test()
