"""A whole config of a tiny MEGA on tiny videos, for tests that run the real commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.models.tiny import tiny_config


def pipelines(scale: tuple[int, int]) -> tuple[list[dict], list[dict]]:
    """Pipelines of training and testing at a scale (width, height)."""
    load = dict(type='LoadVideoFrame', unreadable='skip')
    resize = dict(type='Resize', scale=scale, keep_ratio=True)
    train = [
        dict(type='SampleReferenceFrames'),
        dict(type='ClipTransform', transforms=[
            load, dict(type='LoadTrackAnnotations'), resize, dict(type='RandomFlip', prob=0.5)]),
        dict(type='PackVideoInputs'),
    ]
    test = [dict(type='ClipTransform', transforms=[dict(load, unreadable='blank'), resize]),
            dict(type='PackVideoInputs')]
    return train, test


def settings_of(ann_file: Path, images: Path, num_classes: int,
                scale: tuple[int, int] = (64, 48)) -> dict[str, Any]:
    """A whole config: tiny MEGA, one data set for training and testing, four iterations."""
    train, test = pipelines(scale)
    model = tiny_config()
    model.detector.roi_head.bbox_head.num_classes = num_classes
    dataset = dict(type='CocoVIDDataset', ann_file=str(ann_file), filter_cfg=dict(min_size=1),
                   data_prefix=dict(img_path=str(images)))
    loader = dict(
        batch_size=1, num_workers=0, sampler=dict(type='VideoStreamSampler'),
        dataset=dict(dataset, pipeline=test, test_mode=True))
    return dict(
        default_scope='mmdet', runner_type='VideoRunner',
        custom_imports=dict(imports=['mmvod_plugins'], allow_failed_imports=False),
        model=model.to_dict(), randomness=dict(seed=0),
        train_dataloader=dict(
            batch_size=2, num_workers=0, sampler=dict(type='InfiniteVideoKeyFrameSampler'),
            batch_sampler=None, dataset=dict(dataset, pipeline=train)),
        val_dataloader=loader, test_dataloader=loader,
        val_evaluator=dict(type='CocoVideoMetric', metric='bbox'),
        test_evaluator=dict(type='CocoVideoMetric', metric='bbox'),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=4),
        val_cfg=dict(type='ValLoop'), test_cfg=dict(type='TestLoop'),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.001)),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2),
            visualization=dict(type='VideoVisualizationHook', score_thr=0.0)),
        log_processor=dict(type='LogProcessor', by_epoch=False))
