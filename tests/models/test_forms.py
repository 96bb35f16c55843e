"""Forms for devices, on a CPU: the same detections as those of the forms for processors."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from mmvod_plugins.models.aggregators import mega
from mmvod_plugins.models.layers import relation
from mmvod_plugins.models.memories import kept_projections
from mmvod_plugins.utils import forms

from .tiny import detect, video

TOY = Path(__file__).resolve().parents[2] / 'configs/toy'
METHODS = ['mega_faster-rcnn_r18-fpn', 'mega-online_faster-rcnn_r18-fpn', 'rdn_faster-rcnn_r18-fpn',
           'selsa_faster-rcnn_r18-fpn', 'selsa-troialign_faster-rcnn_r18-fpn',
           'fgfa_faster-rcnn_r18-fpn', 'dff_faster-rcnn_r18-fpn', 'mst_faster-rcnn_r18-fpn',
           'stmn_rfcn_r18', 'ogemn_rfcn_r18']


def toy_model(name):
    """A toy model whose random weights let references matter, and all its boxes as they come."""
    config = Config.fromfile(TOY / f'{name}_400i_toyvid.py').model
    config.detections = dict(nms=False, score_thr=0.0, class_scores=True)
    torch.manual_seed(0)
    model = MODELS.build(config)
    for part in (model.temporal_neck, model.adapter.head):
        for parameter in part.parameters() if part is not None else ():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.5 / parameter[0].numel()**0.5)
    return model.eval()


def by_object(boxes):
    """Boxes in the order of their objects, not of scores, which may be nearly equal."""
    return boxes[(boxes.proposal_ids * 100 + boxes.labels).argsort()]


def assert_all_boxes_agree(found, expected):
    """Seven frames, box by box."""
    assert [sample.frame_id for sample in found] == list(range(7))
    for mine, theirs in zip(found, expected, strict=True):
        mine, theirs = (by_object(part.pred_instances) for part in (mine, theirs))
        assert len(mine) > 5
        torch.testing.assert_close(mine.bboxes, theirs.bboxes, rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(mine.scores, theirs.scores, rtol=1e-3, atol=1e-4)
        assert torch.equal(mine.labels, theirs.labels)


@pytest.mark.parametrize('name', METHODS)
def test_forms_for_devices_give_the_same(name, monkeypatch):
    for module, limit in ((mega, 'KEEP_SUMS_FROM'), (kept_projections, 'KEEP_BIAS_FROM')):
        monkeypatch.setattr(module, limit, 1)  # as in larger models
    monkeypatch.setattr(relation, 'PORTION', 2000)
    model, frames = toy_model(name), video(7, shape=(64, 96))
    found = detect(model, frames)
    with forms.device_forms():
        expected = detect(model, frames)
        assert not forms.on_processor(frames)
    assert forms.on_processor(frames)
    assert_all_boxes_agree(found, expected)


def test_an_error_ends_the_forms_for_devices():
    with pytest.raises(RuntimeError), forms.device_forms():
        raise RuntimeError
    assert forms.on_processor(torch.zeros(1))
