"""Objects of frames."""

import pytest
import torch

from mmvod_plugins.structures import ObjectFeatures


def objects(n, frame_id=0, labels=False):
    return ObjectFeatures(
        torch.rand(n, 4), torch.rand(n, 8), torch.rand(n).sort(descending=True).values,
        torch.full((n, ), frame_id), torch.arange(n) if labels else None)


@pytest.mark.parametrize(('n', 'k', 'kept'), [(5, 3, 3), (2, 3, 2), (0, 3, 0)])
def test_top_takes_what_there_is(n, k, kept):
    frame = objects(n)
    assert len(frame.top(k)) == kept
    assert torch.equal(frame.top(k).scores, frame.scores[:k])


def test_cat_keeps_order_and_frames():
    both = ObjectFeatures.cat([objects(2, 4), objects(0, 5), objects(3, 6)])
    assert both.frame_ids.tolist() == [4, 4, 6, 6, 6]


def test_slices_share_storage_until_cloned():
    frame = objects(100)
    part = frame.top(2)
    assert part.feats.untyped_storage().nbytes() == 100 * 8 * 4
    assert part.clone().feats.untyped_storage().nbytes() == 2 * 8 * 4


def test_half_precision_leaves_boxes_exact():
    half = objects(3).to(torch.float16)
    assert half.feats.dtype == torch.float16
    assert half.boxes.dtype == torch.float32
    assert objects(3).to('cpu').labels is None


def test_wrong_rows_are_refused():
    with pytest.raises(ValueError, match='same number of rows'):
        ObjectFeatures(torch.rand(2, 4), torch.rand(3, 8), torch.rand(2), torch.zeros(2))
    with pytest.raises(ValueError, match='nothing to concatenate'):
        ObjectFeatures.cat([])
    with pytest.raises(ValueError, match='1 of 2 parts have labels'):
        ObjectFeatures.cat([objects(2), objects(2, labels=True)])
