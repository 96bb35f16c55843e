"""The metric in an evaluator: numbers of made-up detections by every protocol."""

import json

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmvod_plugins.evaluation import ImageNetVIDMetric
from tests.datasets.tiny_vid import make_tiny_vid

from ..samples import track

LENGTHS = (4, 3)
KEYS = ['voc_AP50', 'fgfa_AP50', 'mega_AP50', 'coco_AP50', 'coco_AP75', 'coco_mAP']


@pytest.fixture(scope='module')
def ann_file(tmp_path_factory):
    return make_tiny_vid(tmp_path_factory.mktemp('metric'), LENGTHS)


def perfect(ann_file, score=1.0):
    """Samples whose detections are the ground truth."""
    content = json.loads(ann_file.read_text())
    samples = []
    for image in content['images']:
        own = [a for a in content['annotations'] if a['image_id'] == image['id']]
        boxes = torch.tensor([a['bbox'] for a in own], dtype=torch.float32)
        boxes[:, 2:] += boxes[:, :2]
        sample = DetDataSample(metainfo=dict(
            img_id=image['id'], video_id=image['video_id'], frame_id=image['frame_id'],
            ori_video_length=LENGTHS[image['video_id'] - 1], ori_shape=(48, 64)))
        sample.pred_instances = InstanceData(
            bboxes=boxes, scores=torch.full((len(own), ), score),
            labels=torch.tensor([a['category_id'] - 1 for a in own]))
        samples.append(sample)
    return samples


def run(ann_file, samples, **options):
    metric = METRICS.build(dict(type='ImageNetVIDMetric', ann_file=str(ann_file), **options))
    metric.dataset_meta = dict(classes=('class_0', 'class_1', 'class_2'))
    for sample in samples:
        metric.process(None, [track(sample)])
    return metric.evaluate(len(samples))


def test_perfect_detections_have_full_marks(ann_file):
    found = run(ann_file, perfect(ann_file))
    assert [found[f'vid/{key}'] for key in KEYS] == [1.0] * 6
    assert found['vid/voc_AP50_fast'] == pytest.approx(1.0) or np.isnan(found['vid/voc_AP50_fast'])
    groups = {key.rsplit('_', 1)[1] for key in found}
    assert groups == {'AP50', 'AP75', 'mAP', 'slow', 'medium', 'fast'}


def test_no_detections_have_none(ann_file):
    samples = perfect(ann_file)
    for sample in samples:
        sample.pred_instances = sample.pred_instances[:0]
    found = run(ann_file, samples, protocols=['voc', 'coco'], motion=False)
    assert found == {f'vid/{key}': 0.0 for key in ('voc_AP50', 'coco_AP50', 'coco_AP75',
                                                   'coco_mAP')}


def test_an_image_detector_frame_by_frame_is_the_same(ann_file):
    samples = perfect(ann_file)
    metric = ImageNetVIDMetric(str(ann_file))
    metric.dataset_meta = dict(classes=('class_0', 'class_1', 'class_2'))
    for sample in samples:
        plain = DetDataSample(metainfo=dict(img_id=sample.img_id, ori_shape=(48, 64)))
        plain.pred_instances = sample.pred_instances
        metric.process(None, [plain.to_dict()])
    found = metric.evaluate(len(samples))
    expected = run(ann_file, samples)
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(list(found.values()), list(expected.values()))


def test_frames_without_predictions_are_misses_and_named(ann_file):
    with pytest.warns(UserWarning, match=r'3 of 7 frames have no predictions .*video 2'):
        found = run(ann_file, perfect(ann_file)[:4])
    assert found['vid/voc_AP50'] < 1


@pytest.mark.parametrize('videos', ['predicted', ['video_0'], [1]])
def test_some_videos_alone(ann_file, videos):
    found = run(ann_file, perfect(ann_file)[:4], videos=videos)
    assert found['vid/voc_AP50'] == 1.0


def test_a_video_that_is_not_there_is_refused(ann_file):
    with pytest.raises(ValueError, match="video 'video_9' is not in the annotations"):
        run(ann_file, perfect(ann_file), videos=['video_9'])


def test_everything_else_on_request(ann_file):
    found = run(ann_file, perfect(ann_file), sizes=True, classwise=True, per_video=True,
                proposal_limits=[1, 5], stability_score=0.5)
    assert found['vid/recall_5'] == 1.0
    assert found['vid/recall_1'] == 0.5
    assert found['vid/fragment_error'] == 0.0
    assert found['vid/centre_error'] == pytest.approx(0, abs=1e-6)
    assert found['vid/mega_AP50_area_small'] == 1.0
    assert sum('_class_' in key for key in found) == 4 * 3


def test_post_processors_come_before_the_evaluation(ann_file):
    samples = perfect(ann_file, score=0.001)
    for sample in samples:  # a better score, and boxes that are moved: without the rest no AP
        moved = sample.pred_instances.clone()
        moved.bboxes = moved.bboxes + 40
        moved.scores = moved.scores + 0.5
        sample.pred_instances = InstanceData.cat([moved, sample.pred_instances])
    before = run(ann_file, samples, protocols=['voc'])['vid/voc_AP50']
    cut = dict(type='PerFrameNMS', max_per_frame=2)
    after = run(ann_file, samples, protocols=['voc'], post_processors=[cut])['vid/voc_AP50']
    assert before > after == 0


def test_evaluated_detections_can_be_written(ann_file, tmp_path):
    run(ann_file, perfect(ann_file), outfile_prefix=str(tmp_path / 'deep/p'))
    rows = json.loads((tmp_path / 'deep/p.bbox.json').read_text())
    assert len(rows) == 14
    truth = {(a['image_id'], a['category_id'], *a['bbox'])
             for a in json.loads(ann_file.read_text())['annotations']}
    assert {(r['image_id'], r['category_id'], *r['bbox']) for r in rows} == truth


def test_annotations_without_instances_give_no_motion(ann_file, tmp_path):
    content = json.loads(ann_file.read_text())
    for annotation in content['annotations']:
        del annotation['instance_id']
    path = tmp_path / 'none.json'
    path.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match='no instance_id'):
        found = run(path, perfect(ann_file), protocols=['mega'])
    assert found == {'vid/mega_AP50': 1.0}


@pytest.mark.parametrize(('options', 'error'), [
    (dict(protocols=['pascal']), ValueError), (dict(videos='all'), ValueError),
    (dict(videos=['nope']), ValueError), (dict(stability_score='most'), ValueError),
    (dict(motion_file='nope.mat'), FileNotFoundError),
    (dict(ann_file='nope.json'), FileNotFoundError),
    (dict(post_processors=[dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5)]),
     TypeError), (dict(no_such_option=1), TypeError),
])
def test_wrong_options_are_refused_before_the_test(ann_file, options, error):
    with pytest.raises(error):
        ImageNetVIDMetric(**dict(dict(ann_file=str(ann_file)), **options))


def test_single_values_will_do(ann_file):
    found = run(ann_file, perfect(ann_file), protocols='voc', proposal_limits=1, motion=False)
    assert set(found) == {'vid/voc_AP50', 'vid/recall_1'}


def test_suppressed_boxes_are_refused_at_the_first_frame(ann_file):
    sample = perfect(ann_file)[0]
    sample.set_metainfo(dict(suppressed=True))
    with pytest.raises(ValueError, match='SeqNMS replaces NMS'):
        run(ann_file, [sample], post_processors=[dict(type='SeqNMS')])


def test_only_what_is_used_is_kept(ann_file):
    sample = perfect(ann_file)[0]
    sample.pred_instances.class_scores = torch.rand(2, 3)
    for processors, kept in ((None, 3), ([dict(type='PerFrameNMS')], 4)):
        metric = ImageNetVIDMetric(str(ann_file), post_processors=processors)
        metric.process(None, [track(sample)])
        assert len(metric.results[0].rows) == kept


def test_negative_scores_stop_at_once(ann_file):
    with pytest.raises(ValueError, match='must not be negative'):
        run(ann_file, perfect(ann_file, score=-1.0)[:1])


def test_numbers_that_are_not_finite_stop_at_once(ann_file):
    sample = perfect(ann_file)[0]
    sample.pred_instances.scores[0] = float('nan')
    with pytest.raises(ValueError, match='not finite; check the checkpoint'):
        run(ann_file, [sample])


def test_an_outfile_that_cannot_be_written_is_refused_before_the_test(ann_file, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='cannot be written'):
        ImageNetVIDMetric(str(ann_file), outfile_prefix=str(tmp_path / 'file' / 'x'))
    copy = tmp_path / 'x.bbox.json'
    copy.write_bytes(ann_file.read_bytes())
    with pytest.raises(ValueError, match='would be overwritten'):
        ImageNetVIDMetric(str(copy), outfile_prefix=str(tmp_path / 'x'))
