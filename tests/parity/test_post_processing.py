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
from mmvod_plugins.postprocessing.path_rescoring import RESCORINGS
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


def variants(data, known):
    """``(suffix of new_scores_, options)`` of every variant in a file.

    ``known`` are the parts that a suffix may be made of, with the options that they stand for.
    """
    names = [name.removeprefix('new_scores_') for name in data if name.startswith('new_scores_')]
    assert names
    for name in names:
        rest, options = name, {}
        for part in sorted(known, key=len, reverse=True):
            if part in rest:
                rest, options = rest.replace(part, '', 1), {**options, **known[part]}
        assert not rest.strip('_'), f'new_scores_{name}: the reading {rest!r} is not known'
        yield name, options


def near(mine, recorded):
    """Float64 as the README says; single precision relative to the largest value."""
    limits = dict(rtol=RTOL, atol=1e-9)
    if recorded.dtype == np.float32:
        limits = dict(rtol=0, atol=1e-5 * max(float(np.abs(recorded).max(initial=0)), 1e-12))
    np.testing.assert_allclose(mine, recorded, **limits)


@pytest.mark.parametrize('path', golden.cases('papers/seq_nms/*.npz'))
def test_seq_nms(path):
    data = golden.load(path)
    known = dict(avg=dict(rescore='avg'), max=dict(rescore='max'),
                 plus_one=dict(pixel_offset=1.0))
    for variant, options in variants(data, known):
        result = SeqNMS(**options).search(video_of(data))
        near(result.scores, data[f'new_scores_{variant}'][held(data)])
        # which sequences there are does not depend on the new scores
        same = variant.replace('max', 'avg')
        name = next(n for n in (f'sequence_{variant}', f'sequence_{same}') if n in data)
        sequences = data[name][held(data)]
        np.testing.assert_array_equal(result.sequences, sequences)
        np.testing.assert_array_equal(result.suppressed, sequences < 0)


@pytest.mark.parametrize('path', golden.cases('papers/linking/optimal_path*.npz'))
def test_optimal_path(path):
    data = golden.load(path)
    frames = len(data['num'])
    edges = [data[f'edge_{t}'] for t in range(frames - 1)]
    nothing = [np.zeros(n) for n in data['num']]
    unary = [data.get(f'unary_{t}', nothing[t]) for t in range(frames)]
    for ending, values in (('', unary), ('_no_unary', None if edges else nothing)):
        if f'path{ending}' in data:
            best, score = optimal_path(edges, values)
            np.testing.assert_array_equal(best, data[f'path{ending}'])
            near(score, data[f'score{ending}'])
    paths = k_paths(edges, data['num'])
    np.testing.assert_array_equal(paths.boxes, data['k_paths'])
    near(paths.sums, data['k_scores'])


@pytest.mark.parametrize('path', golden.cases('papers/linking/rescore*.npz'))
def test_rescoring(path):
    data = golden.load(path)
    names = set(data) - {'scores'}
    assert names <= set(RESCORINGS)
    for name in names:
        near(RESCORINGS[name](data['scores']), data[name])


def path_sums(processor, video, linked):
    """The sum of edges of each path of a linked video, in the order found."""
    sums = np.zeros(int(linked.track_ids.max(initial=-1)) + 1)
    frames = np.flatnonzero(video.num_boxes)
    for t, u in pairwise(frames):
        first, second = (linked.track_ids[linked.rows(frame)].tolist() for frame in (t, u))
        edges = processor.edges(video, t, u)
        for number in range(len(sums)):
            sums[number] += edges[first.index(number), second.index(number)]
    return sums


def check_linking(data, processor, video, variant, ending):
    # a video without boxes is returned as it is
    linked = processor(video).with_arrays(**{} if len(video) else dict(track_ids=np.zeros(0, int)))
    near(linked.scores, data[f'new_scores_{variant}'][held(data)])
    np.testing.assert_array_equal(linked.track_ids, data[f'path{ending}'][held(data)])
    near(path_sums(processor, video, linked), data[f'path_sums{ending}'])


@pytest.mark.parametrize('path', golden.cases('papers/linking/dt_link*.npz'))
def test_tubelet_rescoring(path):
    data = golden.load(path)
    known = dict(add_top_half=dict(factor=1.0), add_twice_top_half=dict(factor=2.0),
                 still_tracks=dict(tracks='still'))
    for variant, options in variants(data, known):
        ending = '_still_tracks' if variant.endswith('_still_tracks') else ''
        check_linking(data, TubeletRescoring(**options), video_of(data), variant, ending)


@pytest.mark.parametrize('path', golden.cases('papers/linking/blr*.npz'))
def test_box_linking(path):
    data = golden.load(path)
    objects = np.broadcast_to(np.arange(data['scores'].shape[1]), held(data).shape)[held(data)]
    video = video_of(data, proposal_ids=objects, relations=list(data['relations']))
    known = {name: dict(rescore=name) for name in RESCORINGS} | dict(gate=dict(gate=0.5))
    for variant, options in variants(data, known):
        processor = BoxLinkingWithRelations(edge='additive', skip_empty=False, **options)
        check_linking(data, processor, video, variant, '_gate' if 'gate' in options else '')
