"""Mixed precision beside single precision, by AP50 and box by box."""

import re

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from tests.datasets.tiny_vid import make_tiny_vid
from tests.tools.test_predictions_tools import tool
from tests.tools.tiny_video import settings_of

from .test_config_tools import TOOLS


@pytest.fixture(scope='module')
def program():
    return tool(TOOLS['benchmark_precision'])


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A config of small videos, and a checkpoint."""
    folder = tmp_path_factory.mktemp('precision')
    ann_file = make_tiny_vid(folder, (4, ))
    config = Config(settings_of(ann_file, folder, 3))
    config.dump(folder / 'other.py')
    config.test_evaluator = dict(type='ImageNetVIDMetric', ann_file=str(ann_file))
    config.dump(folder / 'tiny.py')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    return folder


def test_half_precision_changes_scores_a_little(program, files, capsys):
    arguments = [str(files / 'tiny.py'), str(files / 'model.pth'), '--score-thr', '0.01']
    assert program.main([*arguments, '--precisions', 'bf16']) == 0
    single, mixed = (line for line in capsys.readouterr().out.splitlines()
                     if re.match('(fp32|bf16): AP50 ', line))
    assert single.startswith('fp32')
    share, mean, largest = map(float, re.search(
        r'bf16: AP50 .*; ([\d.]+)% of the boxes from a score of 0.01 on; scores differ by ([\d.]+) '
        r'on average, ([\d.]+) at most', mixed).groups())
    assert share > 50
    assert 0 < largest < 0.5
    assert mean <= largest


def test_another_metric_is_refused(program, files, capsys):
    assert program.main([str(files / 'other.py'), str(files / 'model.pth')]) == 1
    assert 'test_evaluator must be an ImageNetVIDMetric' in capsys.readouterr().err


def test_boxes_agree_by_class_and_overlap(program):
    def box(x, score, category=1, image=1):
        return dict(image_id=image, category_id=category, bbox=[x, 0, 10, 10], score=score)

    plain = [box(0, 0.9), box(30, 0.5), box(0, 0.8, image=2), box(60, 0.2)]
    mixed = [box(0.2, 0.8), box(32, 0.5), box(0, 0.8, category=2, image=2)]
    share, mean, largest = program.agreement(plain, mixed, 0.3)
    assert share == pytest.approx(1 / 3)  # the second lies elsewhere, the third has another class
    assert mean == largest == pytest.approx(0.1)
    assert program.agreement(plain, [], 0.3)[0] == 0
    assert program.agreement([], mixed, 0.3)[0] != program.agreement([], mixed, 0.3)[0]  # NaN
