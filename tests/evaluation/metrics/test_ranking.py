"""mmengine's hooks rank every number that our metric reports."""

import pytest
from mmengine.hooks import CheckpointHook, EarlyStoppingHook

from tests.datasets.tiny_vid import make_tiny_vid

from .test_imagenet_vid_metric import LENGTHS, perfect, run


@pytest.fixture(scope='module')
def numbers(tmp_path_factory):
    """All numbers that the metric can report."""
    ann_file = make_tiny_vid(tmp_path_factory.mktemp('ranking'), LENGTHS)
    return run(ann_file, perfect(ann_file), sizes=True, classwise=True, proposal_limits=[1, 2],
               stability_score=0.0)


def test_every_number_has_a_rule(numbers):
    assert len(numbers) > 40
    for name in numbers:
        expected = 'less' if name.endswith('_error') else 'greater'
        assert EarlyStoppingHook(name).rule == expected, name
        assert CheckpointHook(save_best=name).rules == [expected], name


def test_auto_takes_the_first_number(numbers):
    hook = CheckpointHook(save_best='auto')
    hook._init_rule([None], [next(iter(numbers))])
    assert hook.key_indicators == ['vid/voc_AP50']
    assert hook.rules == ['greater']
