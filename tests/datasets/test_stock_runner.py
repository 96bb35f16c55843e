"""Our data parts under mmengine's own runner and loops."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.structures import InstanceData

import mmvod_plugins.hooks  # noqa: F401 registers the hook
from mmvod_plugins.datasets.samplers import video_stream

from .conftest import POLICY, stream_pipeline, train_pipeline
from .tiny_vid import make_tiny_vid


@MODELS.register_module(force=True)
class Oracle(BaseModel):
    """Finds what is annotated; remembers which clips it was trained on."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        frames = [s for clip in data_samples for s in clip.video_data_samples]
        if mode == 'loss':
            keys = [s for s in frames if s.role == 'key']
            self.seen.append([(s.video_id, s.frame_id) for s in keys])
            return dict(loss=self.weight.sum() * 0)
        for sample in frames:
            truth = sample.metainfo['instances']
            sample.pred_instances = InstanceData(
                bboxes=torch.tensor([i['bbox'] for i in truth]).float().reshape(-1, 4),
                labels=torch.tensor([i['bbox_label'] for i in truth], dtype=torch.long),
                scores=torch.ones(len(truth)))
        return data_samples


def config(root, work_dir):
    path = make_tiny_vid(root, lengths=(4, 1, 3))
    dataset = dict(type='CocoVIDDataset', ann_file=str(path),
                   data_prefix=dict(img_path=str(root)))
    train = dict(batch_size=2, num_workers=0, collate_fn=dict(type='pseudo_collate'),
                 sampler=dict(type='InfiniteVideoKeyFrameSampler'),
                 dataset=dict(dataset, pipeline=train_pipeline(None)))
    test = dict(batch_size=3, num_workers=0, collate_fn=dict(type='pseudo_collate'),
                sampler=dict(type='VideoStreamSampler', references=POLICY),
                dataset=dict(dataset, test_mode=True, pipeline=stream_pipeline()))
    return dict(
        model=dict(type='Oracle'), work_dir=str(work_dir), default_scope='mmdet',
        train_dataloader=train, train_cfg=dict(type='IterBasedTrainLoop', max_iters=6),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), randomness=dict(seed=3),
        test_dataloader=test, test_cfg=dict(), test_evaluator=dict(type='CocoVideoMetric'),
        log_level='ERROR', experiment_name=work_dir.name,
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3),
            visualization=dict(type='VideoVisualizationHook', draw=True, test_out_dir='shown')))


def runner_of(settings):
    return Runner.from_cfg(Config(settings))


def test_the_stock_test_loop_evaluates_and_draws_every_frame(tmp_path):
    runner = runner_of(config(tmp_path / 'data', tmp_path / 'work'))
    metrics = runner.test()
    assert metrics['coco/bbox_mAP_50'] == pytest.approx(1.0)
    assert len(list((tmp_path / 'work').rglob('shown/*/*.jpg'))) == 8
    assert len(list((tmp_path / 'work').rglob('shown/*.mp4'))) == 2


def test_a_process_without_videos_survives_the_stock_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(video_stream, 'get_dist_info', lambda: (4, 5))
    runner = runner_of(config(tmp_path / 'data', tmp_path / 'work'))
    loader = runner.build_dataloader(runner._test_dataloader, seed=0)
    assert len(loader) == 0
    runner._test_evaluator = Metricless()
    assert runner.test() == dict(ranks=0)


class Metricless:
    """Stands for the other ranks, which hold all results."""

    dataset_meta = None

    def evaluate(self, size):
        return dict(ranks=0 * size)


def test_resuming_goes_on_with_the_next_key_frames(tmp_path, monkeypatch):
    # mmengine 0.10.7 with torch 2.6 or later refuses its own checkpoints otherwise.
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    settings = config(tmp_path / 'data', tmp_path / 'whole')
    whole = runner_of(settings)
    whole.train()
    checkpoint = torch.load(tmp_path / 'whole' / 'iter_3.pth', weights_only=False)
    assert checkpoint['meta']['iter'] == 3
    again = runner_of(dict(settings, work_dir=str(tmp_path / 'again'), experiment_name='again',
                           resume=True, load_from=str(tmp_path / 'whole' / 'iter_3.pth')))
    again.train()
    assert again.model.seen == whole.model.seen[3:]
    keys = np.array(whole.model.seen).reshape(-1, 2)
    assert len(np.unique(keys[:8], axis=0)) == 8
