"""Anchors and box coder of the published conventions, by hand."""

import math

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes

STDS = (0.1, 0.1, 0.2, 0.2)


def coder_of(**settings):
    return TASK_UTILS.build(dict(type='InclusiveBoxCoder', **settings))


#: Box, target and deltas. The first box has its centre at (10, 20) and is 20 x 40 pixels large.
CODES = {
    'the same box': ([0, 0, 19, 39], [0, 0, 19, 39], [0, 0, 0, 0]),
    'half a width to the right': ([0, 0, 19, 39], [10, 0, 29, 39], [0.5, 0, 0, 0]),
    'a quarter of the height up': ([0, 10, 19, 49], [0, 0, 19, 39], [0, -0.25, 0, 0]),
    'twice as wide': ([0, 0, 19, 39], [0, 0, 39, 39], [0.5, 0, math.log(2), 0]),
    'half as high, same centre': ([0, 0, 19, 39], [0, 10, 19, 29], [0, 0, 0, -math.log(2)]),
    'one pixel is a box': ([5, 5, 5, 5], [6, 5, 6, 5], [1, 0, 0, 0]),
}


@pytest.mark.parametrize(('box', 'target', 'deltas'), CODES.values(), ids=CODES)
@pytest.mark.parametrize('stds', [(1, 1, 1, 1), STDS], ids=['plain', 'weighted'])
def test_codes_by_hand(box, target, deltas, stds):
    coder = coder_of(target_stds=stds)
    box, target = torch.tensor([box]).float(), torch.tensor([target]).float()
    expected = torch.tensor([deltas]) / torch.tensor(stds).float()
    torch.testing.assert_close(coder.encode(box, target), expected)
    torch.testing.assert_close(coder.decode(box, expected), target)


def random_boxes(count, seed):
    generator = torch.Generator().manual_seed(seed)
    corner = 100 * torch.rand(count, 2, generator=generator)
    return torch.cat([corner, corner + 50 * torch.rand(count, 2, generator=generator)], dim=1)


def test_decoding_undoes_encoding():
    coder, boxes, targets = coder_of(target_stds=STDS), random_boxes(50, 0), random_boxes(50, 1)
    decoded = coder.decode(boxes, coder.encode(boxes, targets))
    torch.testing.assert_close(decoded, targets, rtol=1e-4, atol=1e-3)


def test_several_classes_are_decoded_each_by_its_own_deltas():
    coder, boxes, targets = coder_of(), random_boxes(5, 0), random_boxes(10, 1).view(5, 2, 4)
    deltas = torch.cat([coder.encode(boxes, targets[:, k]) for k in range(2)], dim=1)
    decoded = coder.decode(boxes, deltas)
    assert decoded.shape == (5, 8)
    torch.testing.assert_close(decoded.view(5, 2, 4), targets, rtol=1e-4, atol=1e-3)


#: Box moved by (dx, dy) of its size, in an image of 30 x 60 (height, width).
CLIPS = {
    'inside': ([10, 10, 19, 19], [0, 0, 0, 0], [10, 10, 19, 19]),
    'the last pixel is width - 1': ([50, 10, 59, 19], [0.5, 0, 0, 0], [55, 10, 59, 19]),
    'left and top': ([0, 0, 9, 9], [-0.5, -0.5, 0, 0], [0, 0, 4, 4]),
    'outside becomes an edge': ([50, 10, 59, 19], [2, 0, 0, 0], [59, 10, 59, 19]),
}


@pytest.mark.parametrize(('box', 'deltas', 'expected'), CLIPS.values(), ids=CLIPS)
def test_clipping_by_hand(box, deltas, expected):
    decoded = coder_of().decode(torch.tensor([box]).float(), torch.tensor([deltas]).float(),
                                max_shape=(30, 60))
    assert decoded.tolist() == [expected]


def test_sizes_are_limited_from_above_alone():
    coder, box = coder_of(), torch.tensor([[0.0, 0.0, 15.0, 15.0]])
    huge = coder.decode(box, torch.tensor([[0, 0, 100.0, 100.0]]))
    torch.testing.assert_close(huge, torch.tensor([[-492.0, -492.0, 507.0, 507.0]]))
    tiny = coder.decode(box, torch.tensor([[0, 0, -100.0, -100.0]]))
    torch.testing.assert_close(tiny, torch.tensor([[8.0, 8.0, 7.0, 7.0]]))
    small = coder_of(max_log_ratio=math.log(2)).decode(box, torch.tensor([[0, 0, 9.0, 9.0]]))
    torch.testing.assert_close(small, torch.tensor([[-8.0, -8.0, 23.0, 23.0]]))


def test_box_types_and_empty_boxes():
    coder, none = coder_of(use_box_type=True), torch.zeros(0, 4)
    assert isinstance(coder.decode(none, none), HorizontalBoxes)
    assert coder.encode(HorizontalBoxes(none), none).shape == (0, 4)
    assert coder_of().decode(none, torch.zeros(0, 12)).shape == (0, 12)


# Anchors -----------------------------------------------------------------------------------------


def anchors_of(scales=(1, ), ratios=(0.5, 1.0, 2.0)):
    return TASK_UTILS.build(dict(type='RoundedAnchorGenerator', strides=[16], scales=list(scales),
                                 ratios=list(ratios)))


def test_base_anchors_are_rounded_before_they_are_scaled():
    """23 x 12, 16 x 16 and 11 x 22 pixels: both corners count; 11.5 rows become 12."""
    base = anchors_of().base_anchors[0]
    assert (base[:, 2:] - base[:, :2] + 1).tolist() == [[23, 12], [16, 16], [11, 22]]
    assert base.tolist() == [[-3.5, 2, 18.5, 13], [0, 0, 15, 15], [2.5, -3, 12.5, 18]]


def test_scales_are_the_inner_loop():
    base = anchors_of(scales=(4, 8)).base_anchors[0]
    assert (base[:, 2:] - base[:, :2] + 1).tolist() == [
        [92, 48], [184, 96], [64, 64], [128, 128], [44, 88], [88, 176]]
    assert base[0].tolist() == [-38, -16, 53, 31]


def test_every_anchor_is_centred_on_its_cell():
    priors = anchors_of().grid_priors([(2, 3)], device='cpu')[0].view(2, 3, 3, 4)
    centres = (priors[..., :2] + priors[..., 2:]) / 2
    assert centres[1, 2].tolist() == [[39.5, 23.5]] * 3
    assert anchors_of().num_base_priors == [3]
