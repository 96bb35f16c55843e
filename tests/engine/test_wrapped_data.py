"""A real detector, our runner and hooks, mmdet's concatenation of parts whose metainfo differs."""

import copy

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.evaluation import load_predictions
from tests.datasets.test_concat import shifted
from tests.datasets.tiny_vid import make_tiny_vid
from tests.tools.tiny_video import settings_of

CLASSES = ('class_0', 'class_1', 'class_2')


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    root = tmp_path_factory.mktemp('wrapped')
    first = make_tiny_vid(root / 'a', (3, ))
    second = shifted(make_tiny_vid(root / 'b', (2, ), seed=2), 'b.json', videos=5, images=50)
    settings = settings_of(first, first.parent, 3)
    settings.update(
        log_level='ERROR', train_cfg=dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2),
        custom_hooks=[dict(type='CheckClassesHook'), dict(type='CloseStreamsHook')])
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        part = settings[loader]['dataset']
        parts = [dict(part, ann_file=str(path), data_prefix=dict(img_path=str(path.parent)),
                      metainfo=dict(classes=CLASSES, note=path.name)) for path in (first, second)]
        settings[loader] = dict(settings[loader], dataset=dict(
            type='ConcatDataset', datasets=parts))
    for evaluator in ('val_evaluator', 'test_evaluator'):
        settings[evaluator] = dict(type='ImageNetVIDMetric', ann_file=[str(first), str(second)])
    return settings


def build(settings, work_dir, **options):
    config = Config(copy.deepcopy(settings))
    config.update(work_dir=str(work_dir), experiment_name=work_dir.name, **options)
    return RUNNERS.build(config)


def test_it_trains_validates_tests_and_resumes(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: repr(self.to_dict())))
    build(settings, tmp_path).train()
    out = tmp_path / 'parts'
    options = dict(load_from=str(tmp_path / 'iter_2.pth'), dump_predictions=str(out))
    numbers = build(settings, tmp_path, **options).test()
    assert 'vid/voc_AP50' in numbers
    found = load_predictions(out)
    assert {video.video_id: video.num_frames for video in found.videos} == {1: 3, 6: 2}
    assert tuple(found.classes) == CLASSES
    # An interrupted test goes on with the video that is missing.
    next(out.glob('video_6*.npz')).unlink()
    (out / 'run.json').write_text((out / 'run.json').read_text().replace(', "finished": true', ''))
    runner = build(settings, tmp_path, **options)
    assert runner.test() == pytest.approx(numbers, nan_ok=True)
    assert len(runner.test_dataloader.sampler) == 2


def test_another_number_of_classes_is_found_in_the_parts(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: repr(self.to_dict())))
    other = copy.deepcopy(settings)
    other['model']['detector']['roi_head']['bbox_head']['num_classes'] = 4
    with pytest.raises(ValueError, match=r'is 4, but train_dataloader\.dataset has 3 classes'):
        build(other, tmp_path).train()


def test_names_come_from_the_first_part(settings):
    assert init_video_detector(Config(settings)).dataset_meta['classes'] == CLASSES
