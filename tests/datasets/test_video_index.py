"""Videos inside of stock wrappers: numbered as the wrappers number them, trained and tested."""

import json
import pickle
from collections import Counter

import pytest
import torch
from mmdet.datasets import ConcatDataset as MMDetConcat
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.runner import Runner

from mmvod_plugins.datasets import (
    ConcatVideoDataset,
    InfiniteVideoKeyFrameSampler,
    VideoKeyFrameSampler,
    VideoStreamSampler,
)
from mmvod_plugins.datasets.video_index import VideoIndex, class_names, leaves_of
from mmvod_plugins.evaluation import ImageNetVIDMetric

from .conftest import build, stream_pipeline, train_pipeline
from .test_concat import shifted
from .test_stock_runner import config, runner_of
from .tiny_vid import make_tiny_vid


@pytest.fixture
def files(tmp_path):
    """Two files with videos of 4 and 3, and 2 and 5 frames; all ids differ."""
    first = make_tiny_vid(tmp_path / 'a', (4, 3), num_classes=2)
    second = make_tiny_vid(tmp_path / 'b', (2, 5), num_classes=2, seed=4)
    return first, shifted(second, 'shifted.json', videos=10, images=100)


def rare(path):
    """Class 1 in the first video alone, which is repeated, class 0 in both."""
    content = json.loads(path.read_text())
    for number, annotation in enumerate(content['annotations']):
        annotation['category_id'] = 2 if annotation['video_id'] == 1 and number % 2 else 1
    path.write_text(json.dumps(content))
    return path


WRAPPERS = {
    'concat': lambda a, b: ConcatDataset([build(a), build(b)]),
    'mmdet': lambda a, b: MMDetConcat([build(a), build(b)]),
    'ours': lambda a, b: ConcatVideoDataset([build(a), build(b)]),
    'repeat': lambda a, b: RepeatDataset(build(a), 3),
    'balanced': lambda a, b: ClassBalancedDataset(build(rare(a)), oversample_thr=1.0),
    'alone': lambda a, b: build(b),
    'nested': lambda a, b: DATASETS.build(dict(type='RepeatDataset', times=2, dataset=dict(
        type='ConcatDataset', datasets=[
            dict(type='CocoVIDDataset', ann_file=str(path), pipeline=train_pipeline(),
                 data_prefix=dict(img_path=str(path.parent))) for path in (a, b)]))),
}


@pytest.mark.parametrize('kind', WRAPPERS)
def test_numbers_are_those_of_the_wrapper(files, kind):
    dataset = WRAPPERS[kind](*files)
    index = VideoIndex(dataset)
    assert len(index) == len(dataset)
    for video_idx in range(len(dataset)):
        info = dataset.get_data_info(video_idx)
        assert index.video_id(video_idx) == info['video_id']
        assert index.length(video_idx) == len(info['images'])
        assert index.key_frame_ids(video_idx) == list(range(len(info['images'])))
    repeated = Counter(index.video_id(i) for i in range(len(index)))
    assert repeated == {
        'repeat': {1: 3, 2: 3}, 'balanced': {1: 2, 2: 1}, 'nested': {1: 2, 2: 2, 11: 2, 12: 2},
        'alone': {11: 1, 12: 1}}.get(kind, {1: 1, 2: 1, 11: 1, 12: 1})


@pytest.mark.parametrize(('kind', 'workers'), [
    *((kind, 0) for kind in WRAPPERS), ('concat', 1), ('balanced', 1)])
def test_a_loader_gets_the_frames_that_the_sampler_draws(files, kind, workers):
    dataset = WRAPPERS[kind](*files)
    sampler = VideoKeyFrameSampler(dataset, seed=0)
    index = VideoIndex(dataset)
    drawn = list(sampler)
    assert Counter(drawn) == Counter(
        (v, t) for v in range(len(index)) for t in range(index.length(v)))
    loader = torch.utils.data.DataLoader(dataset, batch_size=3, sampler=sampler,
                                         num_workers=workers, collate_fn=list)
    seen = [sample['data_samples'].video_data_samples[0] for batch in loader for sample in batch]
    assert [(s.video_id, s.frame_id, s.role) for s in seen] == [
        (index.video_id(v), t, 'key') for v, t in drawn]


def test_parts_of_stock_concatenations_are_drawn_equally(files):
    nested = WRAPPERS['nested'](*files)
    counts = Counter(VideoIndex(nested).places[v].part
                     for v, _ in VideoKeyFrameSampler(nested, seed=0, equal_parts=True))
    assert counts == {0: 14, 1: 14}


def test_a_served_wrapper_can_be_sent_to_processes(files):
    dataset = WRAPPERS['concat'](*files)
    InfiniteVideoKeyFrameSampler(dataset, seed=0)
    again = pickle.loads(pickle.dumps(dataset))
    sample, = again.__getitems__([(2, 1)])
    assert sample['data_samples'].video_data_samples[0].video_id == 11


@pytest.fixture
def plain_text(monkeypatch):
    """Configs are logged unformatted: yapf takes seconds for nested data sets."""
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: repr(self.to_dict())))


def wrap(settings, loader, wrapper, paths, **extra):
    """Put the data set of a loader of a config into a stock wrapper, once for every path."""
    inner = settings[loader]['dataset']
    parts = [dict(inner, ann_file=str(path), data_prefix=dict(img_path=str(path.parent)))
             for path in paths]
    inside = dict(datasets=parts) if 'Concat' in wrapper else dict(dataset=parts[0])
    settings[loader]['dataset'] = dict(type=wrapper, **inside, **extra)


@pytest.mark.usefixtures('plain_text')
@pytest.mark.parametrize(('wrapper', 'extra'), [
    ('ConcatDataset', {}), ('mmengine.ConcatDataset', {}), ('RepeatDataset', dict(times=2)),
    ('ClassBalancedDataset', dict(oversample_thr=0.5))])
def test_stock_wrappers_train_under_the_stock_loop(files, tmp_path, wrapper, extra):
    settings = config(tmp_path / 'data', tmp_path / 'work')
    wrap(settings, 'train_dataloader', wrapper, files, **extra)
    settings['train_cfg']['max_iters'] = 7
    runner = runner_of(settings)
    runner.train()
    seen = {key for batch in runner.model.seen for key in batch}
    lengths = {1: 4, 2: 3, 11: 2, 12: 5} if 'Concat' in wrapper else {1: 4, 2: 3}
    assert seen == {(video, t) for video, length in lengths.items() for t in range(length)}


@pytest.mark.usefixtures('plain_text')
@pytest.mark.parametrize('wrapper', ['ConcatDataset', 'mmengine.ConcatDataset'])
def test_stock_concatenations_test_under_the_stock_loop(files, tmp_path, wrapper):
    settings = config(tmp_path / 'data', tmp_path / 'work')
    wrap(settings, 'test_dataloader', wrapper, files)
    settings['test_evaluator'] = [
        dict(type='CocoVideoMetric'),
        dict(type='ImageNetVIDMetric', ann_file=list(map(str, files)), protocols=['voc'],
             outfile_prefix=str(tmp_path / 'out')),
        dict(type='DumpVideoPredictions', out=str(tmp_path / 'all.npz'))]
    numbers = runner_of(settings).test()
    assert numbers['coco/bbox_mAP_50'] == pytest.approx(1)
    assert numbers['vid/voc_AP50'] == pytest.approx(1)
    rows = json.loads((tmp_path / 'out.bbox.json').read_text())
    assert {row['image_id'] for row in rows} == {*range(1, 8), *range(101, 108)}
    assert (tmp_path / 'all.npz').is_file()


def test_metainfo_of_parts_that_differ(files):
    """mmdet's concatenation then has a list of them."""
    a, b = (build(path, metainfo=dict(classes=('class_0', 'class_1'), note=path.name))
            for path in files)
    joined = MMDetConcat([a, b])
    assert isinstance(joined.metainfo, list)
    assert class_names(joined.metainfo) == ('class_0', 'class_1')
    assert class_names([]) == class_names(None) == ()
    assert leaves_of(RepeatDataset(a, 2)) == [a]
    metric = ImageNetVIDMetric(list(map(str, files)))
    metric.dataset_meta = joined.metainfo
    assert metric.classes == ('class_0', 'class_1')
    assert metric.truth.num_frames == 14


def test_files_with_other_classes_are_not_evaluated_together(files, tmp_path):
    other = make_tiny_vid(tmp_path / 'c', num_classes=3)
    with pytest.raises(ValueError, match=r"has the classes .*'class_2'.* need the same"):
        ImageNetVIDMetric([str(files[0]), str(other)]).truth  # noqa: B018
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        ImageNetVIDMetric([str(files[0]), 'none.json'])


def test_ids_of_categories_may_differ_between_files(files):
    content = json.loads(files[1].read_text())
    content['categories'] = [dict(id=7, name='class_1'), dict(id=9, name='class_0')]
    for annotation in content['annotations']:
        annotation['category_id'] = {2: 7, 1: 9}[annotation['category_id']]
    renamed = files[1].with_name('renamed.json')
    renamed.write_text(json.dumps(content))
    first, second = (ImageNetVIDMetric(list(map(str, pair))).truth
                     for pair in (files, (files[0], renamed)))
    assert first.labels.tolist() == second.labels.tolist()


@pytest.mark.parametrize(('make', 'error', 'said'), [
    (lambda a, b: RepeatDataset(build(a, test_mode=True), 2), ValueError,
     'RepeatDataset repeats videos, and in testing every video is detected once'),
    (lambda a, b: ConcatDataset([build(a, test_mode=True)] * 2), ValueError, 'repeats videos'),
    (lambda a, b: ConcatDataset([build(a, test_mode=True), build(a, test_mode=True)]), ValueError,
     'video id 1 occurs in two of the datasets'),
    (lambda a, b: ConcatDataset([build(a), build(b, test_mode=True)]), ValueError,
     'training and test data sets cannot be concatenated'),
    (lambda a, b: MMDetConcat([build(a), build(b, metainfo=dict(classes=('class_1', )))]),
     ValueError, 'different classes cannot be concatenated'),
    (lambda a, b: torch.utils.data.Subset(build(a), [0]), TypeError,
     'alone or in ConcatVideoDataset, ConcatDataset, RepeatDataset .* got Subset'),
])
@pytest.mark.filterwarnings('ignore:.*the file lists its classes')
def test_what_does_not_fit_is_refused_before_loading(files, make, error, said):
    dataset = make(*files)
    for sampler in (VideoKeyFrameSampler, VideoStreamSampler):
        with pytest.raises(error, match=said):
            sampler(dataset)


def test_loaders_of_mmengine_are_served(files):
    part = dict(type='CocoVIDDataset', ann_file=str(files[0]), test_mode=True,
                data_prefix=dict(img_path=str(files[0].parent)), pipeline=stream_pipeline())
    loader = Runner.build_dataloader(dict(
        batch_size=2, num_workers=0, sampler=dict(type='VideoStreamSampler'),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(type='ConcatDataset', datasets=[part])))
    assert sum(len(batch['inputs']) for batch in loader) == 7
