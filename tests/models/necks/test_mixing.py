"""STMN in R-FCN, Faster R-CNN (C4, FPN) and RetinaNet: they train, and references matter."""

import numpy as np
import pytest
import torch

from ..tiny import detect, numbers, training_batch, video
from ..tiny_stmn import CENTRED, KINDS, stmn_config, stmn_model

every_kind = pytest.mark.parametrize('kind', KINDS)


def scene(length=6):
    """Noise with a bright box where the ground truth of the samples is."""
    frames = video(length) // 4
    for t, frame in enumerate(frames):
        frame[:, 10:44, 8 + t:40 + t] += 150
    return frames


def train(model, iterations, repeat=False, lr=1e-3):
    """Total losses of some iterations on the clips of one video; or, ``repeat``, on one clip."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    frames, history = scene(), []
    for iteration in range(iterations):
        key_id = 0 if repeat else iteration % len(frames)
        roles = model.policy.sample(key_id, len(frames), np.random.default_rng(0))
        clips = model.data_preprocessor(training_batch(frames, key_id, roles), training=True)
        loss, _ = model.parse_losses(model(**clips, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


@pytest.mark.slow
@every_kind
def test_fifty_iterations_overfit_a_video(kind):
    total = train(stmn_model(kind, spread=False), 50)
    assert np.mean(total[-5:]) < 0.5 * np.mean(total[:5])


@pytest.mark.parametrize('kind', [
    pytest.param(kind, marks=pytest.mark.slow if kind == 'faster-rcnn_r50-fpn' else [])
    for kind in KINDS])  # RetinaNet has several levels, too
def test_the_loss_falls_and_every_parameter_has_a_gradient(kind):
    config = stmn_config(kind)
    for part in ('rpn', 'rcnn'):
        if part in config.detector.train_cfg:  # take all of them, so that nothing is drawn
            config.detector.train_cfg[part].sampler.num = 10000
    model = stmn_model(kind, config=config, spread=False)
    total = train(model, 5, repeat=True)
    assert total[-1] < 0.98 * total[0]
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


@pytest.mark.parametrize(('kind', 'references'), [
    *[pytest.param(kind, None, id=f'windows-{kind}') for kind in KINDS],
    *[pytest.param(kind, CENTRED, id=f'centred-{kind}',
                   marks=[] if kind == 'rfcn_r101' else pytest.mark.slow) for kind in KINDS]])
def test_detections_change_with_the_references(kind, references):
    model, frames = stmn_model(kind, references), video(5)
    before = numbers(detect(model, frames))
    other = frames.clone()
    other[2] = video(1, seed=9)[0]
    after = numbers(detect(model, other))
    # frames 0, 2, 4 are one sequence and 1, 3 another one
    same = [a.shape == b.shape and torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [False, True, False, True, False]


@pytest.mark.parametrize('cell', [
    dict(type='STMMCell', alignment=None), dict(type='ConvGRUCell'),
    pytest.param(dict(type='ConvGRUCell', alignment=dict(radius=1)), marks=pytest.mark.slow),
    dict(type='STMMCell', alignment=dict(affinity='dot'), mult_after_w=20.0, all_elements=True),
])
def test_the_variants_of_the_paper_train_and_detect(cell):
    config = stmn_config('rfcn_r101')
    config.temporal_neck.cell = cell
    model = stmn_model('rfcn_r101', config=config, spread=False)
    assert np.isfinite(train(model, 2)).all()
    found = numbers(detect(model.eval(), video(5)))
    assert len(found) == 5
    assert all(torch.isfinite(part).all() for part in found)
