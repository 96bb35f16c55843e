"""Builders shared by the tests of data sets, samplers and transforms."""

import gc
import json

import pytest
from mmengine.registry import init_default_scope

from mmvod_plugins.datasets import CocoVIDDataset
from mmvod_plugins.references import ComposedReferences, GlobalShuffle, LocalWindow

from .tiny_vid import make_tiny_vid

init_default_scope('mmdet')
# Each data set runs gc.collect() after serialising: keep it from walking all of torch.
gc.freeze()

POLICY = ComposedReferences([LocalWindow(1), GlobalShuffle(2)])


def train_pipeline(references=POLICY, transforms=(), unreadable='raise'):
    return [
        dict(type='SampleReferenceFrames', references=references),
        dict(type='ClipTransform',
             transforms=[dict(type='LoadVideoFrame', unreadable=unreadable),
                         dict(type='LoadTrackAnnotations'), *transforms]),
        dict(type='PackVideoInputs'),
    ]


def stream_pipeline(unreadable='raise'):
    return [
        dict(type='ClipTransform', transforms=[dict(type='LoadVideoFrame', unreadable=unreadable)]),
        dict(type='PackVideoInputs'),
    ]


@pytest.fixture
def tiny_json(tmp_path):
    return make_tiny_vid(tmp_path)


@pytest.fixture
def edit(tiny_json):
    """Change the tiny json in place; returns its path."""

    def apply(change):
        content = json.loads(tiny_json.read_text())
        change(content)
        tiny_json.write_text(json.dumps(content))
        return tiny_json

    return apply


def build(path, test_mode=False, pipeline=None, **settings):
    if pipeline is None:
        pipeline = stream_pipeline() if test_mode else train_pipeline()
    settings = {'filter_cfg': dict(min_size=1), **settings}
    return CocoVIDDataset(ann_file=str(path), data_prefix=dict(img_path=str(path.parent)),
                          test_mode=test_mode, pipeline=pipeline, **settings)
