"""CloseStreamsHook: videos that did not end are given up with a warning."""

import warnings
from types import SimpleNamespace

import pytest
from torch import nn

from mmvod_plugins.hooks import CloseStreamsHook
from tests.models.tiny import batch, detect, tiny_model, video


@pytest.mark.parametrize('event', ['before_val_epoch', 'after_val_epoch', 'before_test_epoch',
                                   'after_test_epoch'])
def test_a_test_that_ends_early_warns(event):
    model = tiny_model()
    model.test_step(batch(video(6), [0]))
    runner = SimpleNamespace(model=model)
    with pytest.warns(UserWarning, match='6 of 6 frames have no detections'):
        getattr(CloseStreamsHook(), event)(runner)
    assert len(model.streams) == 0


def test_a_complete_test_is_silent():
    model = tiny_model()
    detect(model, video(6))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        CloseStreamsHook().after_test_epoch(SimpleNamespace(model=model))
        CloseStreamsHook().after_test_epoch(SimpleNamespace(model=nn.Linear(1, 1)))
