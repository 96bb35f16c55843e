"""Samplers: coverage, shares of processes, resuming, test streams."""

import itertools
from collections import Counter

import pytest
from mmdet.datasets.samplers import TrackImgSampler
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmvod_plugins.datasets import (
    ConcatVideoDataset,
    InfiniteVideoKeyFrameSampler,
    VideoKeyFrameSampler,
    VideoStreamSampler,
)
from mmvod_plugins.datasets.samplers import key_frame, video_stream
from mmvod_plugins.datasets.samplers.video_stream import distribute
from mmvod_plugins.references import GlobalShuffle, LocalWindow

from .conftest import build
from .tiny_vid import make_tiny_vid


@pytest.fixture
def as_rank(monkeypatch):
    def apply(rank, world_size):
        for module in (key_frame, video_stream):
            monkeypatch.setattr(module, 'get_dist_info', lambda: (rank, world_size))
    return apply


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return make_tiny_vid(tmp_path_factory.mktemp('videos'), lengths=(4, 1, 6, 3))


@pytest.fixture
def videos(path):
    return build(path)


@pytest.fixture
def test_videos(path):
    return build(path, test_mode=True)


def all_frames(dataset):
    return [(v, t) for v in range(len(dataset)) for t in range(dataset.get_len_per_video(v))]


@pytest.mark.parametrize('world_size', [1, 2, 3, 20])
def test_an_epoch_covers_every_key_frame_in_equal_shares(videos, as_rank, world_size):
    shares = []
    for rank in range(world_size):
        as_rank(rank, world_size)
        sampler = VideoKeyFrameSampler(videos, seed=3)
        shares.append(list(sampler))
        assert len(shares[-1]) == len(sampler)
    assert len({len(share) for share in shares}) == 1
    drawn = list(itertools.chain(*shares))
    assert set(drawn) == set(all_frames(videos))
    assert len(drawn) - 14 < world_size
    assert all(type(v) is int and type(t) is int for v, t in drawn)


def test_the_order_depends_on_seed_and_epoch_alone(videos):
    sampler, same = (VideoKeyFrameSampler(videos, seed=1) for _ in range(2))
    first = list(sampler)
    assert first == list(sampler) == list(same)
    sampler.set_epoch(1)
    assert first != list(sampler)
    assert first != list(VideoKeyFrameSampler(videos, seed=2))
    assert list(VideoKeyFrameSampler(videos, seed=1, shuffle=False)) == all_frames(videos)


@pytest.mark.parametrize('world_size', [1, 2, 5])
def test_endless_rounds_show_every_key_frame_once_over_all_processes(videos, as_rank, world_size):
    streams = []
    for rank in range(world_size):
        as_rank(rank, world_size)
        streams.append(iter(InfiniteVideoKeyFrameSampler(videos, seed=3)))
    drawn = [next(streams[i % world_size]) for i in range(3 * 14)]
    for start in range(0, 42, 14):
        assert sorted(drawn[start:start + 14]) == all_frames(videos)
    assert drawn[:14] != drawn[14:28]


@pytest.mark.parametrize('rank', [0, 1])
@pytest.mark.parametrize('skipped', [0, 5, 7, 1000])
def test_resuming_equals_going_on(videos, as_rank, rank, skipped):
    as_rank(rank, 2)
    on = itertools.islice(InfiniteVideoKeyFrameSampler(videos, seed=3), skipped, skipped + 20)
    sampler = InfiniteVideoKeyFrameSampler(videos, seed=3)
    sampler.skip(skipped)
    assert list(itertools.islice(sampler, 20)) == list(on)
    with pytest.raises(ValueError, match='negative'):
        sampler.skip(-1)


@pytest.mark.parametrize('kind', [VideoKeyFrameSampler, InfiniteVideoKeyFrameSampler])
def test_parts_can_be_drawn_equally(tmp_path, kind):
    parts = [build(make_tiny_vid(tmp_path / str(n), lengths=(n, ))) for n in (7, 2)]
    joined = ConcatVideoDataset(parts)
    counts = Counter(v for v, _ in itertools.islice(kind(joined, seed=0, equal_parts=True), 14))
    assert counts == {0: 7, 1: 7}
    counts = Counter(v for v, _ in itertools.islice(kind(joined, seed=0), 9))
    assert counts == {0: 7, 1: 2}


def test_only_key_frames_are_drawn(videos, monkeypatch):
    monkeypatch.setattr(videos, 'key_frame_ids', lambda i: [[2], [], [0, 5], [1]][i])
    assert sorted(VideoKeyFrameSampler(videos, seed=0)) == [(0, 2), (2, 0), (2, 5), (3, 1)]


@pytest.mark.parametrize('policy', [None, LocalWindow(2), GlobalShuffle(3)],
                         ids=['natural', 'local', 'global'])
@pytest.mark.parametrize('world_size', [1, 2, 4, 7])
def test_streams_follow_the_schedule_of_whole_videos(test_videos, as_rank, policy, world_size):
    seen = []
    for rank in range(world_size):
        as_rank(rank, world_size)
        sampler = VideoStreamSampler(test_videos, policy, seed=0)
        drawn = list(sampler)
        assert len(drawn) == len(sampler)
        for video, group in itertools.groupby(drawn, key=lambda pair: pair[0]):
            frames = [t for _, t in group]
            length = test_videos.get_len_per_video(video)
            expected = range(length) if policy is None else policy.schedule(
                length, test_videos.video_id(video))
            assert frames == list(expected)
            seen.append(video)
    assert sorted(seen) == [0, 1, 2, 3]


def test_a_bounded_policy_loads_frames_again_and_the_length_says_so(test_videos):
    sampler = VideoStreamSampler(test_videos, GlobalShuffle(2, max_records=3))
    assert len(sampler) == len(list(sampler)) > 14


@pytest.mark.parametrize(('lengths', 'world_size', 'expected'), [
    ([4, 1, 6, 3], 2, [[1, 2], [0, 3]]),
    ([5, 5], 2, [[0], [1]]),
    ([9], 3, [[0], [], []]),
    ([], 2, [[], []]),
    ([1, 1, 1, 9], 2, [[3], [0, 1, 2]]),
], ids=['longest first', 'ties', 'more processes', 'nothing', 'one long'])
def test_videos_are_balanced_by_length(lengths, world_size, expected):
    assert distribute(lengths, world_size) == expected


@pytest.mark.parametrize('num_workers', [0, 1])
def test_a_process_without_videos_has_an_empty_loader(test_videos, as_rank, num_workers):
    as_rank(5, 6)
    loader = DataLoader(test_videos, batch_size=2, num_workers=num_workers,
                        sampler=VideoStreamSampler(test_videos), collate_fn=pseudo_collate)
    assert len(loader) == 0
    assert list(loader) == []


def test_the_stock_sampler_refuses_more_processes_than_videos(test_videos, monkeypatch):
    monkeypatch.setattr('mmdet.datasets.samplers.track_img_sampler.get_dist_info', lambda: (0, 6))
    with pytest.raises(ValueError, match='only 4 videos'):
        TrackImgSampler(test_videos, seed=0)


def test_frames_do_not_depend_on_the_number_of_workers(test_videos):
    def load(num_workers):
        loader = DataLoader(test_videos, batch_size=3, num_workers=num_workers,
                            sampler=VideoStreamSampler(test_videos, GlobalShuffle(3)),
                            collate_fn=pseudo_collate)
        return [(sample[0].video_id, sample[0].frame_id, float(image.float().sum()))
                for batch in loader
                for sample, image in zip(batch['data_samples'], batch['inputs'], strict=True)]
    assert load(0) == load(2)


def test_wrong_datasets_are_refused(videos):
    with pytest.raises(ValueError, match='test_mode=True'):
        VideoStreamSampler(videos)
    with pytest.raises(TypeError, match='got list'):
        VideoKeyFrameSampler([1, 2])
    with pytest.raises(TypeError, match='got list'):
        InfiniteVideoKeyFrameSampler([1, 2])
