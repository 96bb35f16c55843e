"""The instance memory: as an aggregator, on R-FCN's pooled scores, and its training stages."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner.checkpoint import load_state_dict

from mmvod_plugins.models import OGEMNAggregator
from mmvod_plugins.structures import ObjectFeatures

from ...configs.test_configs import CONFIGS
from ..tiny import detect, numbers, shrink, training_batch, video
from ..tiny_ogemn import ogemn_config, ogemn_model

CHANNELS = 11
RFCN = 'rfcn_r101-instance'


def aggregator_of(**settings):
    torch.manual_seed(0)
    settings = dict(dict(channels=CHANNELS, num_heads=4, temperature=8.0, interval=3), **settings)
    return OGEMNAggregator(**settings).eval()


def objects(frame_id, count=5):
    generator = torch.Generator().manual_seed(frame_id)
    return ObjectFeatures(torch.rand(count, 4), torch.randn(count, CHANNELS, generator=generator),
                          torch.linspace(1, 0, count), torch.full((count, ), frame_id))


@torch.no_grad()
def test_enhanced_objects_of_every_third_frame_are_read():
    aggregator = aggregator_of()
    memory, steps = aggregator.init_memory(), []
    for frame_id in range(5):
        steps.append(aggregator(objects(frame_id), {}, memory))
        aggregator.write(memory, steps[-1], None)
    assert steps[0].feats is steps[0].to_memory.feats
    assert torch.equal(steps[0].feats, objects(0).feats)
    rows = [steps[0].feats] * 3 + [steps[3].feats]
    for frame_id, row in zip(range(1, 5), rows, strict=True):
        expected = aggregator.read(objects(frame_id).feats, [row]).feats
        assert torch.equal(steps[frame_id].feats, expected)


@torch.no_grad()
def test_training_reads_the_best_objects_of_all_earlier_frames():
    aggregator = aggregator_of(reference_topk=2)
    frames = [objects(1), objects(2, count=1), objects(3)]
    step = aggregator(objects(9), {'memory': frames, 'local': [objects(4)]}, None)
    rows = [frame.feats[:2] for frame in frames]
    assert torch.equal(step.feats, aggregator.read(objects(9).feats, rows).feats)


@torch.no_grad()
def test_a_frame_without_objects_neither_reads_nor_writes():
    aggregator = aggregator_of()
    memory = aggregator.init_memory()
    aggregator.write(memory, aggregator(objects(0), {}, memory), None)
    before = memory.read()[0].clone()
    step = aggregator(objects(3, count=0), {}, memory)
    assert step.feats.shape == (0, CHANNELS)
    aggregator.write(memory, step, None)
    assert torch.equal(memory.read()[0], before)


def test_an_impossible_interval_is_refused():
    with pytest.raises(ValueError, match=r'aggregator\.interval is 0, expected 1 or more'):
        aggregator_of(interval=0)


# R-FCN -------------------------------------------------------------------------------------------


@torch.no_grad()
def test_an_object_is_its_pooled_scores_bin_by_bin():
    model = ogemn_model(RFCN)
    head = model.detector.roi_head
    maps = model.adapter.maps(torch.rand(1, 3, 64, 96))
    rois = torch.tensor([[0, 3.0, 4.0, 60.0, 50.0], [0, 0.0, 0.0, 9.0, 9.0]])
    pooled = head.bbox_roi_extractor(head.bbox_head.fc_cls(maps[-1]), rois)
    feats = head._embed(maps, rois)
    assert feats.shape == (2, 7 * 7 * 5)
    assert torch.equal(feats.view(2, 7, 7, 5)[:, 2, 3], pooled[:, :, 2, 3])
    scores, _ = head._score(feats, maps, rois)
    assert torch.equal(scores, pooled.mean((2, 3)))


@torch.no_grad()
def test_as_a_plain_detector_every_frame_is_its_own_memory():
    """mmdet's ``predict`` and ``forward`` agree, without a stream."""
    model, image = ogemn_model(RFCN), torch.rand(1, 3, 64, 96)
    detector = model.detector
    samples = [copy.deepcopy(sample) for sample in training_batch(video(1), 0, {})[
        'data_samples'][0]]
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=(64, 96)))
    found = detector.predict(image, copy.deepcopy(samples), rescale=False)
    assert len(found[0].pred_instances) > 0
    [(scores, deltas)] = detector.forward(image, copy.deepcopy(samples), mode='tensor')
    assert scores.shape[1:] == (5, )
    assert deltas.shape == (len(scores), 4)


@torch.no_grad()
def test_the_static_detector_starts_it_and_its_detections_stay():
    model = ogemn_model(RFCN)
    config = ogemn_config(RFCN)
    config.detector.roi_head.pop('aggregator')
    config.detector.roi_head.type, config.references = 'RFCNRoIHead', None
    static, frames = ogemn_model(RFCN, config=config, seed=5), video(1)
    before = model.detector.roi_head.aggregator.read.key.weight.clone()
    load_state_dict(model, dict(static.state_dict()), strict=False, logger='silent')
    assert torch.equal(model.detector.roi_head.aggregator.read.key.weight, before)
    assert torch.equal(numbers(detect(model, frames))[0], numbers(detect(static, frames))[0])


# Training stages ---------------------------------------------------------------------------------


@pytest.mark.parametrize('memory', ['', '-pixel', '-instance'])
def test_the_second_stage_changes_the_embeddings_alone(memory):
    config = Config.fromfile(
        CONFIGS / 'ogemn' / f'ogemn-embedding_rfcn_r101{memory}_1xb1-60k_imagenetvid.py')
    model = ogemn_model(RFCN, config=shrink(config.model), spread=False).train()
    for parameter in model.parameters():  # narrow() freezes no stage
        parameter.requires_grad_()
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    before = copy.deepcopy(model.state_dict())
    data = model.data_preprocessor(training_batch(video(6), 4, {'memory': [1, 2, 3]}), True)
    for _ in range(2):
        wrapper.update_params(model.parse_losses(model(**data, mode='loss'))[0])
    changed = {name for name, value in model.state_dict().items()
               if not torch.equal(value, before[name])}
    expected = {name for name in before
                if name.startswith(('temporal_neck.', 'detector.roi_head.aggregator.'))}
    assert expected
    assert changed == expected
