"""Finished videos of an interrupted test are skipped but evaluated."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from mmdet.evaluation.metrics import CocoVideoMetric
from mmengine.config import ConfigDict
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmvod_plugins.datasets import CocoVIDDataset
from mmvod_plugins.datasets.samplers import VideoStreamSampler
from mmvod_plugins.evaluation import DumpVideoPredictions, load_predictions
from mmvod_plugins.evaluation.metrics.dump_video_predictions import PartFile
from mmvod_plugins.hooks import ResumePredictionsHook, resume_predictions_hook
from tests.datasets.tiny_vid import make_tiny_vid
from tests.evaluation.samples import feed, frame, track


class CountFrames(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [f.frame_id for s in data_samples for f in s['video_data_samples']]

    def compute_metrics(self, results):
        return dict(frames=len(results))


@pytest.fixture
def runner(tmp_path):
    """The parts of a runner that the hook uses: videos 1, 2, 3 of 4, 3 and 2 frames."""
    path = make_tiny_vid(tmp_path / 'videos', (4, 3, 2))
    dataset = CocoVIDDataset(ann_file=str(path), test_mode=True, pipeline=[])
    config = ConfigDict(model=dict(type='M'), load_from='w.pth',
                        test_dataloader=dict(dataset=dict(ann_file=str(path))))
    metrics = [CountFrames(), DumpVideoPredictions(str(tmp_path / 'p.npz'))]
    return SimpleNamespace(
        cfg=config, logger=MMLogger.get_current_instance(),
        test_dataloader=SimpleNamespace(sampler=VideoStreamSampler(dataset), dataset=dataset),
        test_evaluator=SimpleNamespace(metrics=metrics))


def interrupted(runner):
    """The same run before, up to the end of videos 1 and 2 and one frame of video 3."""
    before = DumpVideoPredictions(str(runner.test_evaluator.metrics[1].out))
    runner.test_evaluator.metrics[1] = before
    ResumePredictionsHook().before_test_epoch(runner)
    feed(before, {1: 4, 2: 3})
    before.process(None, [track(frame(3, 0, 2))])
    runner.test_evaluator.metrics = [CountFrames(), DumpVideoPredictions(str(before.out))]


def test_a_fresh_run_skips_nothing(runner):
    ResumePredictionsHook().before_test_epoch(runner)
    assert len(runner.test_dataloader.sampler) == 9


def test_finished_videos_are_skipped_and_counted(runner):
    interrupted(runner)
    ResumePredictionsHook().before_test_epoch(runner)
    sampler = runner.test_dataloader.sampler
    assert list(sampler) == [(2, 0), (2, 1)]
    assert len(sampler) == 2
    count, dump = runner.test_evaluator.metrics
    assert count.results == [0, 1, 2, 3, 0, 1, 2]
    feed(dump, {3: 2})
    dump.evaluate()
    videos = load_predictions(dump.out).videos
    assert [(v.video_id, v.num_frames) for v in videos] == [(1, 4), (2, 3), (3, 2)]


@pytest.mark.parametrize(('key', 'value'), [('model', dict(type='Other')), ('load_from', 'v.pth')])
def test_another_model_does_not_go_on(runner, key, value):
    interrupted(runner)
    runner.cfg[key] = value
    with pytest.raises(ValueError, match='of an interrupted run that differs in'):
        ResumePredictionsHook().before_test_epoch(runner)


def test_other_annotations_do_not_go_on(runner):
    interrupted(runner)
    path = Path(runner.test_dataloader.dataset.ann_file)
    path.write_text(path.read_text() + ' ')
    with pytest.raises(ValueError, match=r"differs in \['annotations_state'\]"):
        ResumePredictionsHook().before_test_epoch(runner)


def test_a_metric_that_needs_the_frames_is_refused(runner):
    interrupted(runner)
    runner.test_evaluator.metrics[0] = CocoVideoMetric()
    with pytest.raises(ValueError, match='CocoVideoMetric without ann_file'):
        ResumePredictionsHook().before_test_epoch(runner)


def test_other_samplers_test_everything_again(runner):
    interrupted(runner)
    runner.test_dataloader.sampler = range(9)
    ResumePredictionsHook().before_test_epoch(runner)
    assert runner.test_evaluator.metrics[0].results == []


def test_a_process_that_is_not_the_main_one_goes_on_too(runner, monkeypatch):
    """The others find the files that the interrupted run left before the main one claims them."""
    interrupted(runner)
    parts = [PartFile(1, 'video_1.npz'), PartFile(2, 'video_2.npz')]
    monkeypatch.setattr(resume_predictions_hook, 'is_main_process', lambda: False)
    monkeypatch.setattr(resume_predictions_hook, 'broadcast_object_list',
                        lambda found: found.__setitem__(0, parts))
    ResumePredictionsHook().before_test_epoch(runner)
    assert list(runner.test_dataloader.sampler) == [(2, 0), (2, 1)]
    feed(runner.test_evaluator.metrics[1], {3: 2})
