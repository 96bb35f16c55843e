"""The read operation: identities, sums, precision."""

import pytest
import torch

from mmvod_plugins.models.layers import MemoryRead

CHANNELS = 10


def read_of(channels=CHANNELS, heads=4, **settings):
    """A read whose values are the identity and whose embeddings are random."""
    torch.manual_seed(0)
    return MemoryRead(channels, heads, embed_channels=3, temperature=5.0, **settings).eval()


def rows_of(count, seed=1, channels=CHANNELS):
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('blocks', [[], [torch.zeros(0, CHANNELS)]])
def test_an_empty_memory_returns_the_input_itself(blocks):
    x = rows_of(7)
    found = read_of()(x, blocks)
    assert found.feats is x
    assert found.attention.shape == (0, 7)


def test_rows_have_no_order_and_blocks_do_not_matter():
    read, x, rows = read_of().double(), rows_of(7).double(), rows_of(9, 2).double()
    whole = read(x, [rows])
    for blocks in ([rows[:2], rows[2:]], [rows.flip(0)], [rows[:0], rows]):
        torch.testing.assert_close(read(x, blocks).feats, whole.feats, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('heads', [1, 3, 4, 8])
def test_padding_of_the_channels_is_that_of_zeros(heads):
    """A read of 10 channels in 4 heads is one of 12 whose last two are zero."""
    read, width = read_of(heads=heads).double(), -(-CHANNELS // heads) * heads
    padded = MemoryRead(width, heads, 3, 5.0).double()
    with torch.no_grad():
        for name in ('query', 'key'):
            getattr(padded, name).weight[:, :CHANNELS] = getattr(read, name).weight
    x, rows = rows_of(7).double(), rows_of(9, 2).double()
    pad = torch.nn.ConstantPad1d((0, width - CHANNELS), 0)
    found = padded(pad(x), [pad(rows)]).feats
    torch.testing.assert_close(read(x, [rows]).feats, found[:, :CHANNELS], rtol=1e-12, atol=1e-12)
    assert torch.count_nonzero(found[:, CHANNELS:]) == 0


def test_attention_is_summed_over_the_rows_of_each_group(monkeypatch):
    read, x, rows = read_of().double(), rows_of(7).double(), rows_of(9, 2).double()
    weights = read(x, [rows], [1] * 9).attention
    torch.testing.assert_close(weights.sum(1), torch.ones(9).double())
    for step in (2**26, 1, 4 * 7 * 2):
        monkeypatch.setattr('mmvod_plugins.models.layers.memory_read.WEIGHTS_AT_ONCE', step)
        groups = read(x, [rows[:5], rows[5:]], [2, 0, 4]).attention
        torch.testing.assert_close(groups, torch.stack([
            weights[:2].sum(0), torch.zeros(7).double(), weights[2:6].sum(0)]))


def test_a_sharp_row_moves_one_location_half_way():
    """One location has all of the weight: theta is 1 and beta 1/2 there, 0 and 1 elsewhere."""
    read = MemoryRead(4, 1, 4, temperature=1e4).double()
    with torch.no_grad():
        for linear in (read.query, read.key):
            torch.nn.init.eye_(linear.weight)
    x, row = torch.eye(4).double(), 3 * torch.eye(4).double()[2:3]
    found = read(x, [row])
    expected = x.clone()
    expected[2] = (x[2] + row[0]) / 2
    torch.testing.assert_close(found.feats, expected)
    assert found.beta.tolist() == [1, 1, 0.5, 1]


def test_keys_that_start_as_the_queries_find_what_they_resemble():
    x = rows_of(40).double()
    read = read_of(alike=True).double()
    assert read(x, [x], [1] * 40).attention.argmax(1).tolist() == list(range(40))
    assert read_of().double()(x, [x], [1] * 40).attention.argmax(1).tolist() != list(range(40))


def test_many_rows_are_averaged_at_a_location():
    """Twice the memory on every location is half of it: theta keeps its magnitude."""
    read, x = read_of().double(), rows_of(1).double()
    rows = rows_of(6, 2).double()
    found = read(x, [rows])
    torch.testing.assert_close(found.feats, (x + rows.mean(0)) / 2)
    assert found.theta.tolist() == [pytest.approx(1 / 6)]


def test_zero_features_are_defined():
    read = read_of()
    assert torch.isfinite(read(torch.zeros(5, CHANNELS), [torch.zeros(3, CHANNELS)]).feats).all()


def test_more_groups_than_rows_are_refused():
    with pytest.raises(ValueError, match='the groups have 9 rows, the memory 8'):
        read_of()(rows_of(3), [rows_of(8)], [4, 5])


@pytest.mark.parametrize('sizes', [dict(channels=0), dict(num_heads=0), dict(embed_channels=-1)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match='a memory read needs positive sizes'):
        MemoryRead(**{'channels': 4, **sizes})


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_read_in_single_precision(dtype):
    read, x, rows = read_of(), rows_of(7).to(dtype), rows_of(9, 2).to(dtype)
    exact = read(x.float(), [rows.float()], [9])
    with torch.autocast('cpu', torch.bfloat16):
        found = read(x, [rows], [9])
    assert found.feats.dtype == dtype
    assert torch.equal(found.feats, exact.feats.to(dtype))
    assert torch.equal(found.attention, exact.attention)


@pytest.mark.parametrize('case', ['rows', 'no rows', 'no locations'])
def test_every_parameter_gets_a_gradient_in_training(case):
    read = read_of().train()
    x, rows = rows_of(0 if case == 'no locations' else 5), rows_of(0 if case == 'no rows' else 6)
    read(x, [rows]).feats.square().sum().backward()
    assert all(parameter.grad is not None for parameter in read.parameters())
    if case == 'rows':
        assert all(parameter.grad.abs().sum() > 0 for parameter in read.parameters())
