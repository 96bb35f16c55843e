"""Samples of several frames are made without looking into them."""

import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData

from mmvod_plugins.structures import track_sample


def test_no_tensor_is_printed(monkeypatch):
    def fail(_tensor):
        pytest.fail('a tensor was printed')

    frame = DetDataSample(pred_instances=InstanceData(bboxes=torch.zeros(2, 4)))
    stock = TrackDataSample()
    stock.video_data_samples = [frame]
    monkeypatch.setattr(torch.Tensor, '__repr__', fail)
    sample = track_sample((frame, ))
    assert sample[0] is stock[0] is frame
