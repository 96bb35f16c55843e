"""Heads that are more than boxes and suppression, scales, windows and losses that do not fit."""

from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData

from mmvod_plugins.models import FGFANeck, Needs, VideoDetector
from mmvod_plugins.models.aggregators import Aggregated
from mmvod_plugins.models.layers.roi_align import use_cpu_roi_align
from mmvod_plugins.models.roi_heads.base import joined_losses
from mmvod_plugins.references import CentredWindow, FramePlan, LocalWindow

from ..test_video_detector import assert_same
from ..tiny import (
    WINDOW,
    batch,
    detect,
    sample_of,
    tiny_config,
    tiny_model,
    training_batch,
    video,
)
from .detectors import detector_of, video_model
from .test_families import FGFA, STMN
from .test_stock_settings import mask_rcnn

CONFIGS = Path(mmdet.__file__).parent / '.mim' / 'configs'
FPN_BACKBONE = dict(type='ResNet', depth=18, base_channels=8, num_stages=4,
                    out_indices=(0, 1, 2, 3), frozen_stages=-1)


def stock(path):
    """A stock config of mmdet with a narrow backbone, without its pretrained weights."""
    config = Config.fromfile(CONFIGS / path).model
    config.backbone = FPN_BACKBONE
    config.neck.in_channels = [8, 16, 32, 64]
    return config


def equal_to_mmdet(config):
    """Detections of the detector in a video model and on its own."""
    torch.manual_seed(0)
    model, frames = MODELS.build(ConfigDict(type='VideoDetector', detector=config)), video(2)
    model.init_weights()
    model.eval()
    plain = MODELS.build(config)
    use_cpu_roi_align(plain)
    plain.load_state_dict(model.detector.state_dict())
    meta = dict(scale_factor=(0.5, 0.5), ori_shape=(128, 192))
    found = detect(model, frames, **meta)
    for frame, sample in zip(frames, found, strict=True):
        alone = sample_of(sample.frame_id, 2, **meta)
        expected = plain.eval().test_step(dict(inputs=[frame], data_samples=[alone]))
        assert_same(expected, [sample])
        if 'masks' in expected[0].pred_instances:
            assert torch.equal(expected[0].pred_instances.masks, sample.pred_instances.masks)
    assert max(len(sample.pred_instances) for sample in found) > 0


@torch.no_grad()
@pytest.mark.parametrize('path', [
    'grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco.py',
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
    'htc/htc-without-semantic_r50_fpn_1x_coco.py',
])
def test_roi_heads_with_a_prediction_of_their_own_are_the_stock_detector(path):
    config = stock(path)
    if 'score_thr' in config.test_cfg.rcnn:
        config.test_cfg.rcnn.score_thr = 0.001  # of weights that have not learned anything
    equal_to_mmdet(config)


@torch.no_grad()
def test_rtmdet_with_instance_masks_is_the_stock_detector():
    config = detector_of('rtmdet')
    for name in ('with_objectness', 'exp_on_reg'):
        config.bbox_head.pop(name)
    config.bbox_head.update(type='RTMDetInsSepBNHead', loss_mask=dict(
        type='DiceLoss', loss_weight=2.0, eps=5e-6, reduction='mean'))
    config.test_cfg.mask_thr_binary = 0.5
    equal_to_mmdet(config)


@torch.no_grad()
def test_masks_are_those_of_mmdet_and_not_pooled():
    config = mask_rcnn()
    settings = config.detector
    settings.data_preprocessor = dict(config.data_preprocessor, type='DetDataPreprocessor')
    equal_to_mmdet(settings)
    everything = detect(video_model(settings, detections=dict(nms=False)), video(1))
    assert 'masks' not in everything[0].pred_instances
    windows = dict(STMN, temporal_neck=dict(type='STMMNeck', in_channels=32, channels=16))
    with pytest.raises(ValueError, match=r'predicts masks from the maps of one: .* CentredWindow'):
        detect(video_model(settings, **windows), video(5))


# Scales ------------------------------------------------------------------------------------------


class HalfSize(LocalWindow):
    """A window; every second frame is seen at half its size."""

    def plan(self, place):
        return FramePlan(scale=0.5 if place.frame_id % 2 else 1.0)


@torch.no_grad()
def test_objects_of_other_scales_are_compared_in_pixels_of_the_key_frame(monkeypatch):
    model = tiny_model('rdn', WINDOW)
    model.policy = model.streams.policy = model.key_frames.policy = HalfSize(2)
    seen, aggregator = [], model.adapter.head.aggregator
    original = aggregator.forward
    monkeypatch.setattr(aggregator, 'forward', lambda key, references, memory: (
        seen.append((key, references['local'])), original(key, references, memory))[1])
    frames = video(1).repeat(5, 1, 1, 1)
    detect(model, frames)
    for key, window in seen:
        assert len(window) == 5
        largest = {int(part.frame_ids[0]) % 2: part.boxes[:, 2].max().item() for part in window}
        # boxes reach to about the border of the key frame, whatever the size of their own
        border = 48 if int(key.frame_ids[0]) % 2 else 96
        assert all(0.5 * border < right <= border + 1e-3 for right in largest.values())


@torch.no_grad()
def test_maps_of_other_scales_are_refused():
    model = video_model(detector_of('retinanet'), **FGFA)
    model.policy = model.streams.policy = model.key_frames.policy = HalfSize(1)
    with pytest.raises(ValueError, match=r'frame 0 at the scale 1\.0 .* FGFANeck compares their'):
        detect(model, video(3))


@torch.no_grad()
def test_given_proposals_follow_the_scale():
    model = tiny_model('rdn', WINDOW)
    model.policy = HalfSize(1)
    data = batch(video(2), [1])
    boxes = torch.tensor([[40.0, 20, 90, 60]])
    data['data_samples'][0][0].proposals = InstanceData(bboxes=boxes, scores=torch.ones(1))
    data = model.data_preprocessor(data, False)
    [record] = model.encode(data['inputs'], data['data_samples'])
    assert record.sample.proposals.bboxes.tolist() == [[20.0, 10, 45, 30]]
    assert data['data_samples'][0][0].proposals.bboxes.tolist() == boxes.tolist()


@torch.no_grad()
def test_width_and_height_have_factors_of_their_own():
    model = video_model(detector_of('retinanet'), references=dict(type='LocalWindow'),
                        temporal_neck=FGFA['temporal_neck'])
    model.policy = HalfSize(1)
    data = model.data_preprocessor(
        batch(video(2, shape=(51, 70)), [1], scale_factor=(0.5, 0.25)), False)
    [record] = model.encode(data['inputs'], data['data_samples'])
    assert record.sample.img_shape == (26, 35)  # 25.5 rounds to the even number
    assert record.sample.scale_factor == pytest.approx((0.5 * 35 / 70, 0.25 * 26 / 51))


# Windows -----------------------------------------------------------------------------------------


def test_windows_beside_references_that_the_neck_would_not_look_at_are_refused():
    both = dict(type='ComposedReferences', policies=dict(
        window=STMN['references'], local=dict(type='LocalWindow', radius=1)))
    settings = dict(STMN, references=both)
    model = video_model(detector_of('retinanet'), **settings)
    with pytest.raises(ValueError, match=r"roles \['local'\] beside 'window', but STMMNeck"):
        detect(model, video(5))
    model = video_model(detector_of('retinanet'), **settings)
    data = model.data_preprocessor(
        training_batch(video(6), 1, {'window': [3, 5], 'local': [1, 2]}), training=True)
    with pytest.raises(ValueError, match=r"roles \['local'\] beside 'window'"):
        model.train()(**data, mode='loss')


def test_windows_that_reach_back_are_refused():
    model = video_model(detector_of('retinanet'), **dict(
        STMN, references=dict(type='LocalWindow', radius=1, role='window')))
    with pytest.raises(ValueError, match=r'names the frames \[0\] in the window of key frame 1'):
        detect(model, video(4))
    with pytest.raises(ValueError, match="role must not be 'window'"):
        CentredWindow(3, 1, role='window')


# Parts and losses --------------------------------------------------------------------------------


def test_a_part_without_roles_is_given_no_references():
    assert Needs(roles=frozenset()).alone('key') == {}
    assert Needs(roles=frozenset({'global'})).alone('key') == {'global': ['key']}


def test_a_neck_that_reads_objects_needs_a_head_that_makes_them(monkeypatch):
    monkeypatch.setattr(FGFANeck, 'needs', Needs(of_references=frozenset({'objects'})))
    with pytest.raises(ValueError, match='FGFANeck reads objects, which a stock head does not'):
        video_model(detector_of('retinanet'), **FGFA)


@pytest.mark.parametrize('present', [(True, True), (True, False), (False, True), (False, False)])
def test_losses_that_some_frames_do_not_have(present, monkeypatch):
    """A triplet loss without positives, for example; the others count for all frames."""
    model, answers = tiny_model(references=WINDOW).train(), list(present)

    def forward(key, *_):
        losses = {'loss_own': torch.tensor(4.0)} if answers.pop(0) else {}
        return Aggregated(key.feats, losses=losses)

    monkeypatch.setattr(model.adapter.head.aggregator, 'forward', forward)
    data = model.data_preprocessor(
        training_batch(video(9), 4, {'local': [4, 3, 5]}, copies=2), training=True)
    losses = model(**data, mode='loss')
    assert losses.get('loss_own', 0) == 4.0 * sum(present) / 2


def test_losses_with_the_same_name_are_refused():
    with pytest.raises(ValueError, match=r"names of the box head: \['loss_cls'\]"):
        joined_losses({'loss_cls': 1, 'loss_own': 2}, {'loss_cls': 3})
    assert joined_losses({'loss_own': 2}, {'loss_cls': 3}) == {'loss_own': 2, 'loss_cls': 3}


def test_options_are_those_of_the_key_frame_detector():
    model = tiny_model()
    assert model.output is model.key_frames.options
    with pytest.raises(AttributeError):
        model.output = None


def test_memories_and_lower_thresholds_pool_the_boxes_of_both():
    """A threshold above the configured one removes nothing that the configuration needs."""
    config = tiny_config('single')
    model = VideoDetector(config.detector, data_preprocessor=config.data_preprocessor,
                          detections=dict(score_thr=0.5))
    raw = InstanceData(bboxes=torch.rand(3, 4), scores=torch.tensor(
        [[0.6, 0.1, 0.3], [0.2, 0.1, 0.7], [0.0, 0.0, 1.0]]))
    kept = model.adapter.poolable(raw, model.output)
    assert len(kept) == 2  # the second one is above test_cfg's threshold alone
