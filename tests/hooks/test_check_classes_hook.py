"""Classes of model, data and checkpoint are compared before any frame is loaded."""

import json
import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from torch import nn

from mmvod_plugins.engine import VideoRunner
from mmvod_plugins.hooks import CheckClassesHook
from mmvod_plugins.models import VideoDetector
from tests.datasets.tiny_vid import make_tiny_vid
from tests.models.roi_heads.test_mixing import CASCADE, config_of
from tests.models.scenarios.detectors import DETECTORS, detector_of, video_model
from tests.models.tiny import tiny_model
from tests.tools.tiny_video import settings_of

NAMES = ('airplane', 'bear', 'cat', 'dog')


def loader(*names):
    return SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=names)))


def runner_of(model, names=NAMES, **parts):
    return SimpleNamespace(model=model, iter=0, logger=logging.getLogger('test'), val_loop=object(),
                           train_dataloader=loader(*names), val_dataloader=loader(*names),
                           test_dataloader=loader(*names), **parts)


@pytest.mark.parametrize('event', ['before_train', 'before_val', 'before_test'])
def test_another_number_of_classes_is_refused(event):
    hook, model = CheckClassesHook(), tiny_model()
    getattr(hook, event)(runner_of(model))
    for names in (NAMES[:3], (*NAMES, 'fox')):
        with pytest.raises(ValueError, match=rf'num_classes .* is 4, but .* {len(names)} classes'):
            getattr(hook, event)(runner_of(model, names))


def test_the_validation_to_come_is_looked_at_before_training():
    runner = runner_of(tiny_model())
    runner.val_dataloader = loader('cat')
    with pytest.raises(ValueError, match=r'val_dataloader\.dataset has 1 classes: \(cat\)'):
        CheckClassesHook().before_train(runner)
    runner.val_loop = None
    CheckClassesHook().before_train(runner)


@pytest.mark.parametrize('name', DETECTORS)
def test_every_family_knows_its_number_of_classes(name):
    assert video_model(detector_of(name)).adapter.num_classes == 4


def test_a_cascade_and_an_rpn():
    config = config_of(CASCADE)
    config.pop('type')
    assert VideoDetector(**config).adapter.num_classes == 4
    rpn = dict(type='RPN', backbone=config.detector.backbone, neck=config.detector.neck,
               rpn_head=config.detector.rpn_head, test_cfg=config.detector.test_cfg)
    rpn = video_model({**rpn, 'train_cfg': dict(rpn=config.detector.train_cfg.rpn)})
    assert rpn.adapter.num_classes is None
    CheckClassesHook().before_test(runner_of(rpn))


def test_models_and_data_without_classes_pass():
    CheckClassesHook().before_test(runner_of(nn.Linear(1, 1)))
    runner = runner_of(tiny_model())
    runner.test_dataloader.dataset = SimpleNamespace()
    CheckClassesHook().before_test(runner)


def checked(checkpoint, names=NAMES, event='before_test'):
    hook = CheckClassesHook()
    hook.after_load_checkpoint(None, checkpoint)
    getattr(hook, event)(runner_of(tiny_model(), names))


def test_a_checkpoint_with_another_order_is_refused(caplog):
    meta = dict(meta=dict(dataset_meta=dict(classes=list(NAMES))))
    checked(meta)
    other = ('airplane', 'bear', 'dog', 'cat')
    for event in ('before_test', 'before_val'):
        with pytest.raises(ValueError, match=r'first difference is class 2\. The order differs'):
            checked(meta, other, event)
    checked(meta, other, 'before_train')  # training gives the labels a new meaning
    assert caplog.text == ''
    checked(meta, ('airplane', 'bear', 'cat', 'wolf'))
    assert 'first difference is class 3. Labels get the names of the data' in caplog.text


@pytest.mark.parametrize('checkpoint', [{}, dict(meta={}), dict(meta=dict(dataset_meta=None)),
                                        dict(meta=None)], ids=str)
def test_a_checkpoint_without_classes_passes(checkpoint):
    checked(checkpoint)


def test_a_run_compares_them_by_itself(tmp_path):
    """A checkpoint of one order, tested with data of another one."""
    path = make_tiny_vid(tmp_path, lengths=(2, ))
    settings = settings_of(path, tmp_path, 2)
    classes = [part['name'] for part in json.loads(path.read_text())['categories']]
    settings['model']['detector']['roi_head']['bbox_head']['num_classes'] = len(classes)
    settings.update(work_dir=str(tmp_path / 'run'), custom_hooks=[dict(type='CheckClassesHook')],
                    load_from=str(tmp_path / 'other.pth'), log_level='ERROR',
                    experiment_name=tmp_path.name)
    runner = VideoRunner.from_cfg(Config(settings))
    torch.save(dict(state_dict=runner.model.state_dict(), meta=dict(
        dataset_meta=dict(classes=classes[::-1]))), tmp_path / 'other.pth')
    assert load_checkpoint(runner.model, str(tmp_path / 'other.pth'))
    with pytest.raises(ValueError, match=r'test_dataloader\.dataset has .* The order differs'):
        runner.test()
