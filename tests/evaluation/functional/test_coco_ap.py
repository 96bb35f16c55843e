"""COCO's AP is that of pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmvod_plugins.evaluation.functional import (
    ALL,
    AREA_GROUPS,
    MOTION_GROUPS,
    CocoProtocol,
    MotionIoU,
    evaluate,
)

from .scenes import make_detections, make_truth, random_scene


class EvalWithIgnored(COCOeval):
    """pycocotools with further objects ignored, by annotation id."""

    outside = frozenset()

    def _prepare(self):
        super()._prepare()
        for annotations in self._gts.values():
            for annotation in annotations:
                annotation['ignore'] |= annotation['id'] in self.outside


def coco_objects(detections, truth):
    images = [dict(id=int(i)) for i in truth.image_ids]
    categories = [dict(id=c + 1, name=name) for c, name in enumerate(truth.classes)]
    annotations = [
        dict(id=n + 1, image_id=truth.image_ids[truth.frame_index[n]],
             category_id=int(truth.labels[n]) + 1, iscrowd=int(truth.crowd[n]),
             area=float(truth.areas[n]), bbox=xywh(box))
        for n, box in enumerate(truth.boxes)]
    results = [
        dict(image_id=truth.image_ids[frame], category_id=int(label) + 1, score=float(score),
             bbox=xywh(box.astype(np.float64)))
        for frame, label, score, box in zip(detections.frame_index, detections.labels,
                                            detections.scores, detections.boxes, strict=True)]
    reference = COCO()
    reference.dataset = dict(images=images, categories=categories, annotations=annotations)
    with contextlib.redirect_stdout(io.StringIO()):
        reference.createIndex()
        return reference, reference.loadRes(results)


def xywh(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def pycocotools_ap(detections, truth, outside=(), max_detections=100):
    """AP by IoU threshold and class for every size: all, small, medium, large."""
    evaluator = EvalWithIgnored(*coco_objects(detections, truth), 'bbox')
    evaluator.outside = frozenset(outside)
    evaluator.params.maxDets = [max_detections]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval['precision'][..., 0]
    recall = evaluator.eval['recall'][..., 0]
    precision[precision == -1] = np.nan
    recall[recall == -1] = np.nan
    return np.moveaxis(precision.mean(axis=1), 2, 0), np.moveaxis(recall, 2, 0)


@pytest.mark.parametrize('tied_scores', [False, True], ids=['scores differ', 'scores are tied'])
@pytest.mark.parametrize('crowds', [False, True], ids=['no crowds', 'crowds'])
def test_ap_is_that_of_pycocotools(crowds, tied_scores):
    for seed in range(5):
        detections, truth, _ = random_scene(seed, crowds=crowds, tied_scores=tied_scores)
        groups = (ALL, *AREA_GROUPS)
        result = evaluate(detections, truth, ('coco', ), groups)['coco']
        expected, recall = pycocotools_ap(detections, truth)
        for group, ap, found in zip(groups, expected, recall, strict=True):
            value = result[group.name]
            np.testing.assert_allclose(value.ap_by_iou, ap, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(value.ap, ap.mean(axis=0), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(value.recall, found.mean(axis=0), rtol=1e-12, atol=1e-12)
            mean = np.nanmean(ap) if np.isfinite(ap).any() else np.nan
            assert value.mean_ap == pytest.approx(mean, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize('crowds', [False, True], ids=['no crowds', 'crowds'])
def test_motion_groups_use_the_ignore_flags_of_pycocotools(crowds):
    for seed in range(5):
        detections, truth, values = random_scene(seed, crowds=crowds)
        result = evaluate(detections, truth, ('coco', ), MOTION_GROUPS, MotionIoU(values))['coco']
        for group in MOTION_GROUPS:
            outside = np.flatnonzero((values < group.motion[0]) | (values > group.motion[1])) + 1
            expected, _ = pycocotools_ap(detections, truth, outside.tolist())
            np.testing.assert_allclose(result[group.name].ap_by_iou, expected[0], rtol=1e-12,
                                       atol=1e-12)


@pytest.mark.parametrize('limit', [1, 2, 100])
def test_the_best_of_a_frame_and_class_count(limit):
    detections, truth, _ = random_scene(3)
    result = evaluate(detections, truth, (CocoProtocol(max_detections=limit), ))['coco']['all']
    expected, _ = pycocotools_ap(detections, truth, max_detections=limit)
    np.testing.assert_allclose(result.ap_by_iou, expected[0], rtol=1e-12, atol=1e-12)


def test_curves_are_at_the_lowest_threshold():
    box, other = [0, 0, 100, 100], [150, 150, 200, 200]
    truth = make_truth([(0, 0, box), (0, 0, other)])
    detections = make_detections([(0, 0, 0.9, box), (0, 0, 0.8, box), (0, 0, 0.7, other)])
    result = evaluate(detections, truth, ('coco', ), curves=True)['coco']['all']
    np.testing.assert_allclose(result.curves[0], [[1, 0.5, 2 / 3], [0.5, 0.5, 1]])
