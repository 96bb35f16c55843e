"""Seq-NMS, optimal paths, rescoring and linking, compared with recorded numbers."""

from itertools import pairwise

import numpy as np
import pytest

from mmvod_plugins.postprocessing import (
    BoxLinkingWithRelations,
    SeqNMS,
    TubeletRescoring,
    k_paths,
    optimal_path,
)
from mmvod_plugins.postprocessing.rescoring import RESCORINGS
from mmvod_plugins.structures import VideoDetections

from . import golden

RTOL = 1e-8


def video_of(data, **video_fields):
    """The video of a case, whose arrays are padded to (T, n)."""
    seen = held(data)
    labels = data['labels'][seen] if 'labels' in data else np.zeros(seen.sum(), dtype=np.int64)
    return VideoDetections('golden', np.arange(len(seen)), data['num_boxes'], data['boxes'][seen],
                           data['scores'][seen], labels, suppressed=False, **video_fields)


def held(data):
    """Which cells of the padded arrays hold a box, (T, n)."""
    return np.arange(data['scores'].shape[1]) < data['num_boxes'][:, None]


def suffixes(data, prefix):
    return [name.removeprefix(prefix) for name in data if name.startswith(prefix)]


def near(mine, recorded):
    np.testing.assert_allclose(mine, recorded, rtol=RTOL, atol=0)


@pytest.mark.parametrize('path', golden.cases('papers/seq_nms/*.npz'))
def test_seq_nms(path):
    data = golden.load(path)
    variants = suffixes(data, 'new_scores_')
    assert variants
    for variant in variants:
        rescore, _, plus_one = variant.partition('_')
        result = SeqNMS(rescore=rescore, pixel_offset=float(plus_one == 'plus_one')).search(
            video_of(data))
        near(result.scores, data[f'new_scores_{variant}'][held(data)])
        sequences = data.get(f'sequence_{variant}', data['sequence_avg'])[held(data)]
        np.testing.assert_array_equal(result.sequences, sequences)
        np.testing.assert_array_equal(result.suppressed, sequences < 0)


@pytest.mark.parametrize('path', golden.cases('papers/linking/optimal_path*.npz'))
def test_optimal_path(path):
    data = golden.load(path)
    frames = len(data['num'])
    edges = [data[f'edge_{t}'] for t in range(frames - 1)]
    unary = [data[f'unary_{t}'] for t in range(frames)]
    for ending, values in (('', unary), ('_no_unary', None)):
        best, score = optimal_path(edges, values)
        np.testing.assert_array_equal(best, data[f'path{ending}'])
        near(score, data[f'score{ending}'])
    paths = k_paths(edges, data['num'])
    np.testing.assert_array_equal(paths.boxes, data['k_paths'])
    near(paths.sums, data['k_scores'])


@pytest.mark.parametrize('path', golden.cases('papers/linking/rescore*.npz'))
def test_rescoring(path):
    data = golden.load(path)
    for name, rescoring in RESCORINGS.items():
        near(rescoring(data['scores']), data[name])


def path_sums(processor, video):
    """The sum of edges of each path of a linked video, in the order found."""
    linked = processor(video)
    sums = np.zeros(linked.track_ids.max() + 1)
    frames = np.flatnonzero(video.num_boxes)
    for t, u in pairwise(frames):
        first, second = (linked.track_ids[linked.rows(frame)].tolist() for frame in (t, u))
        edges = processor.edges(video, t, u)
        for number in range(len(sums)):
            sums[number] += edges[first.index(number), second.index(number)]
    return sums


def check_linking(data, processor, video, scores, ending):
    linked = processor(video)
    near(linked.scores, data[scores][held(data)])
    np.testing.assert_array_equal(linked.track_ids, data[f'path{ending}'][held(data)])
    near(path_sums(processor, video), data[f'path_sums{ending}'])


@pytest.mark.parametrize('path', golden.cases('papers/linking/dt_link*.npz'))
def test_tubelet_rescoring(path):
    data = golden.load(path)
    for factor, name in ((1.0, 'add_top_half'), (2.0, 'add_twice_top_half')):
        for tracks, ending in (('none', ''), ('still', '_still_tracks')):
            check_linking(data, TubeletRescoring(tracks=tracks, factor=factor), video_of(data),
                          f'new_scores_{name}{ending}', ending)


@pytest.mark.parametrize('path', golden.cases('papers/linking/blr*.npz'))
def test_box_linking(path):
    data = golden.load(path)
    objects = np.broadcast_to(np.arange(data['scores'].shape[1]), held(data).shape)[held(data)]
    video = video_of(data, objects=objects, relations=list(data['relations']))
    for rescore in ('average', 'add_top_half'):
        for gate, ending in ((None, ''), (0.5, '_gate')):
            processor = BoxLinkingWithRelations(edge='additive', gate=gate, rescore=rescore)
            check_linking(data, processor, video, f'new_scores_{rescore}{ending}', ending)
