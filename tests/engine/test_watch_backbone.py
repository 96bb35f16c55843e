"""The check for NaN in a backbone's maps."""

import pytest
import torch
from torch import nn

from mmvod_plugins.engine import watch_backbone

INF, NAN = float('inf'), float('nan')


def model_of(maps):
    model, model.detector = nn.Module(), nn.Module()
    backbone = model.detector.backbone = nn.Identity().eval()
    watch_backbone(model)
    return lambda: backbone(maps)


@pytest.mark.parametrize('dtypes', [(torch.float32, ) * 2, (torch.float16, torch.float32)], ids=str)
@pytest.mark.parametrize('value', [INF, -INF, NAN])
@pytest.mark.parametrize('level', [0, 1])
def test_one_nan_of_any_level_is_found_and_infinite_values_are_none(dtypes, value, level):
    maps = [torch.randn(2, 3, 4, 5).to(dtype) for dtype in dtypes]
    maps[level][1, 2, 3, 4] = value
    maps[level][0, 0, 0, 0] = INF
    maps[level][0, 0, 0, 1] = -INF
    if value == value:
        assert model_of(tuple(maps))() == tuple(maps)
    else:
        with pytest.raises(FloatingPointError, match=r'the backbone \(Identity\) gives NaN'):
            model_of(tuple(maps))()


def test_a_single_map_is_watched_too():
    with pytest.raises(FloatingPointError, match='gives NaN'):
        model_of(torch.full((1, 2, 3, 4), NAN))()
