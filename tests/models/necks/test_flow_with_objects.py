"""A flow neck and a temporal RoI head in one detector: each looks at its own references."""

import pytest
import torch
from mmdet.registry import MODELS

from mmvod_plugins.models.aggregators import Aggregator

from ..flow_models import flow_config
from ..tiny import detect, selsa_config, tiny_config, training_batch, video

INTERVAL = dict(type='KeyFrameInterval', interval=3)
WINDOW = dict(type='LocalWindow', radius=1, num_samples=2)
SPREAD = dict(type='GlobalShuffle', num_frames=3, num_samples=2)


def model_of(kind, head, references):
    config = selsa_config() if head == 'selsa' else tiny_config('mega')
    config.temporal_neck = flow_config(f'{kind}-{"dc5" if head == "selsa" else "conv4"}'
                                       ).temporal_neck
    config.references = references
    torch.manual_seed(0)
    return MODELS.build(config).eval()


def looked_at(model):
    """Frames that the flow network and the aggregator look at, by key frame."""
    seen = {'neck': {}, 'head': {}}
    find = model.temporal_neck.find_motion
    forward = type(model.adapter.head.aggregator).forward

    def noting(key, references):
        seen['neck'][key.frame_id] = [record.frame_id for record in references]
        return find(key, references)

    class Noting(type(model.adapter.head.aggregator)):
        def forward(self, key, references, memory):
            seen['head'][int(key.frame_ids[0])] = {
                role: [int(part.frame_ids[0]) for part in parts]
                for role, parts in references.items()}
            return forward(self, key, references, memory)

    model.temporal_neck.find_motion = noting
    model.adapter.head.aggregator.__class__ = Noting
    assert isinstance(model.adapter.head.aggregator, Aggregator)
    return seen


@pytest.mark.parametrize('head', ['selsa', 'mega'])
def test_dff_warps_from_its_own_reference_and_objects_come_from_all(head):
    references = dict(type='ComposedReferences', policies=[INTERVAL, SPREAD])
    model = model_of('dff', head, references)
    seen = looked_at(model)
    detect(model, video(7))
    between = {t: [t - t % 3] for t in range(7) if t % 3}
    assert {t: frames for t, frames in seen['neck'].items() if t % 3} == between
    for t, roles in seen['head'].items():
        assert roles['local'] == [t - t % 3]
        assert len(roles['global']) == 3


@pytest.mark.parametrize('head', ['selsa', 'mega'])
def test_fgfa_aggregates_its_window_alone(head):
    references = dict(type='ComposedReferences', policies=[WINDOW, SPREAD])
    model = model_of('fgfa', head, references)
    seen = looked_at(model)
    detect(model, video(7))
    for t, frames in seen['neck'].items():
        assert set(frames) <= {max(t - 1, 0), t, min(t + 1, 6)}


@pytest.mark.parametrize('kind', ['fgfa', 'dff'])
@pytest.mark.parametrize('head', ['selsa', 'mega'])
def test_every_parameter_has_a_gradient_in_training(kind, head):
    local = WINDOW if kind == 'fgfa' else INTERVAL
    model = model_of(kind, head, dict(type='ComposedReferences', policies=[local, SPREAD])).train()
    seen = looked_at(model)
    roles = {'local': [2, 4] if kind == 'fgfa' else [2], 'global': [0, 5]}
    data = model.data_preprocessor(training_batch(video(6), 3, roles), training=True)
    loss, _ = model.parse_losses(model.loss(**data))
    loss.backward()
    assert seen['neck'] == {3: roles['local']}
    assert [name for name, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


def test_objects_of_the_interval_s_frames_reach_the_head_alone():
    """Without other references the saving stays: frames between have no objects of their own."""
    model = model_of('dff', 'selsa', INTERVAL)
    seen, passed = looked_at(model), []
    model.detector.backbone.register_forward_hook(lambda _, args, __: passed.append(len(args[0])))
    detect(model, video(7))
    assert seen['head'] == {t: {'local': [t - t % 3]} for t in range(7)}
    assert sum(passed) == 3
