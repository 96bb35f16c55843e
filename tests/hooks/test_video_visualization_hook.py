"""VideoVisualizationHook: every detected frame, every video in its own folder."""

import logging
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmvod_plugins.hooks import VideoVisualizationHook
from mmvod_plugins.hooks.video_visualization_hook import safe_path
from mmvod_plugins.visualization import video


class Recorder:
    def __init__(self):
        self.dataset_meta = dict(classes=('cat', 'dog'))
        self.calls = []

    def add_image(self, name, image, step=0):
        self.calls.append(('add', name, step))

    def show(self, image, win_name, wait_time):
        self.calls.append(('show', win_name, wait_time))


@pytest.fixture
def runner(tmp_path):
    return SimpleNamespace(work_dir=str(tmp_path), timestamp='now', visualizer=Recorder(),
                           logger=logging.getLogger('test'))


@pytest.fixture
def frame(tmp_path):
    path = tmp_path / 'frame.jpg'
    cv2.imwrite(str(path), np.full((48, 64, 3), 100, np.uint8))

    def make(frame_id, video_id=1, length=3, name='val/clip', **meta):
        sample = DetDataSample(metainfo=dict(
            img_path=str(path), frame_id=frame_id, video_id=video_id, ori_video_length=length,
            ori_shape=(48, 64), video_name=name,
            instances=[dict(bbox=[2, 2, 20, 20], bbox_label=0, ignore_flag=0)], **meta))
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor([[5., 20., 40., 44.], [30., 10., 60., 30.]]),
            labels=torch.tensor([0, 1]), scores=torch.tensor([0.9, 0.1]))
        sample.gt_instances = InstanceData(
            bboxes=torch.zeros(1, 4), labels=torch.zeros(1, dtype=torch.long),
            instances_ids=torch.zeros(1))
        return TrackDataSample(video_data_samples=[sample])

    return make


def run(hook, runner, *steps):
    hook.before_test_epoch(runner)
    for i, outputs in enumerate(steps):
        hook.after_test_iter(runner, i, None, outputs)
    hook.after_test_epoch(runner, {})


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


def test_steps_with_no_one_and_many_frames(runner, frame, tmp_path):
    hook = VideoVisualizationHook(draw=True, test_out_dir='shown', fps=5)
    run(hook, runner, [], [frame(0)], [frame(1), frame(2), frame(0, 2, name='val/other')],
        [frame(1, 2, name='val/other')])
    folder = tmp_path / 'now' / 'shown'
    assert files(folder) == [
        'val/clip.mp4', 'val/clip/000000.jpg', 'val/clip/000001.jpg', 'val/clip/000002.jpg',
        'val/other.mp4', 'val/other/000000.jpg', 'val/other/000001.jpg']
    assert cv2.VideoCapture(str(folder / 'val/clip.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert cv2.VideoCapture(str(folder / 'val/other.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_low_scores_and_ground_truth_are_options(runner, frame, tmp_path):
    def changed(name, **settings):
        run(VideoVisualizationHook(draw=True, test_out_dir=name, **settings), runner, [frame(0)])
        image = cv2.imread(str(tmp_path / 'now' / name / 'val/clip/000000.jpg')).astype(int)
        return [int(abs(image[y, x] - 100).max()) > 30 for y, x in ((44, 20), (30, 50), (15, 2))]
    assert changed('a') == [True, False, False]
    assert changed('b', score_thr=0.05) == [True, True, False]
    assert changed('c', draw_gt=True) == [True, False, True]


def test_videos_of_the_same_name_do_not_overwrite_each_other(runner, frame, tmp_path):
    run(VideoVisualizationHook(draw=True, test_out_dir='out'), runner,
        [frame(0, 1), frame(0, 2), frame(1, 1), frame(1, 2)])
    assert len(files(tmp_path / 'now' / 'out')) == 6


def test_a_still_image_has_no_video_file(runner, frame, tmp_path):
    run(VideoVisualizationHook(draw=True, test_out_dir='out'), runner, [frame(0, length=1)])
    assert files(tmp_path / 'now' / 'out') == ['val/clip/000000.jpg']


def test_without_predictions_or_file_the_frame_is_still_written(runner, frame, tmp_path):
    sample = frame(0, unreadable=True)
    del sample.video_data_samples[0].pred_instances
    lost = frame(1)
    lost.video_data_samples[0].set_metainfo(dict(img_path='nowhere.jpg'))
    with pytest.warns(UserWarning, match=r'nowhere\.jpg cannot be read'):
        run(VideoVisualizationHook(draw=True, test_out_dir='out', fps=None), runner,
            [sample, lost])
    assert files(tmp_path / 'now' / 'out') == ['val/clip/000000.jpg', 'val/clip/000001.jpg']


def test_without_draw_nothing_happens(runner, frame, tmp_path):
    run(VideoVisualizationHook(test_out_dir='out'), runner, [frame(0)])
    assert files(tmp_path) == ['frame.jpg']
    assert runner.visualizer.calls == []


def test_show_and_visualizer(runner, frame):
    run(VideoVisualizationHook(draw=True, show=True, wait_time=2), runner, [frame(1)])
    run(VideoVisualizationHook(draw=True), runner, [frame(1)])
    assert runner.visualizer.calls == [('show', 'val/clip', 2), ('add', 'val/clip', 1)]


def test_the_stock_command_switches_it_on():
    cfg = Config(dict(default_hooks=dict(visualization=dict(type='VideoVisualizationHook'))))
    args = SimpleNamespace(show=True, wait_time=1.5, show_dir='out')
    hook = HOOKS.build(trigger_visualization_hook(cfg, args).default_hooks.visualization)
    assert (hook.draw, hook.show, hook.wait_time, hook.test_out_dir) == (True, True, 1.5, 'out')


@pytest.mark.parametrize('name', ['../../out', '/tmp/out', 'x' * 999, 'a\0b', '漢' * 300, '..'])
def test_a_name_never_leads_out_of_the_folder_and_never_fails(runner, frame, tmp_path, name):
    before = files(tmp_path)
    run(VideoVisualizationHook(draw=True, test_out_dir='out'), runner,
        [frame(0, length=2, name=name), frame(1, length=2, name=name)])
    written = set(files(tmp_path)) - set(before)
    assert len(written) == 3
    assert all(path.startswith('now/out/') for path in written)


def test_a_link_out_of_the_folder_is_refused(runner, frame, tmp_path):
    (tmp_path / 'now/out').mkdir(parents=True)
    (tmp_path / 'other').mkdir()
    (tmp_path / 'now/out/val').symlink_to(tmp_path / 'other')
    with pytest.raises(ValueError, match='is a link that leads out of'):
        run(VideoVisualizationHook(draw=True, test_out_dir='out'), runner, [frame(0)])
    assert files(tmp_path / 'other') == []


def test_a_video_that_cannot_be_finished_warns(runner, frame, tmp_path, monkeypatch):
    monkeypatch.setattr(video, '_count', lambda path: 0)
    with pytest.warns(UserWarning, match='2 frames were given, 0 can be read.*written as jpg'):
        run(VideoVisualizationHook(draw=True, test_out_dir='out'), runner,
            [frame(0, length=2), frame(1, length=2)])
    assert files(tmp_path / 'now' / 'out') == ['val/clip/000000.jpg', 'val/clip/000001.jpg']


@pytest.mark.parametrize(('name', 'path'), [
    ('val/clip_0', 'val/clip_0'), ('/a/../b', 'a/b'), ('a:b*c', 'a_b_c'), ('..', 'video'),
    ('x\\y', 'x/y'), ('../../x', 'x'), ('/etc/x', 'etc/x'), ('C:\\x', 'C_/x'), ('', 'video'),
    ('a\0b\n\udc00', 'a_b__'), ('~/x', '_/x'), ('é/漢字', 'é/漢字'), ('x' * 999, 'x' * 150),
    ('漢' * 99, '漢' * 50)])
def test_video_names_become_safe_paths(name, path):
    assert safe_path(name) == path
