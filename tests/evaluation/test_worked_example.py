"""The worked example of docs/evaluation.md: four protocols, four numbers."""

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional import Detections, GroundTruth, evaluate

OBJECTS = [[100, 100, 140, 140], [10, 10, 22, 22], [200, 50, 260, 110]]
FOUND = [[113.5, 100, 153.5, 140], [15, 10, 27, 22], [200, 50, 260, 110]]


@pytest.mark.parametrize(('protocol', 'expected'), [
    ('voc', 1 / 9), ('fgfa', 1.0), ('mega', 5 / 9), ('coco', 34 / 303)])
def test_protocols_differ(protocol, expected):
    truth = GroundTruth.from_coco_vid(dict(
        categories=[dict(id=1, name='car')],
        images=[dict(id=1, file_name='1.jpg', height=240, width=320, video_id=1, frame_id=0)],
        annotations=[dict(id=i, image_id=1, category_id=1, bbox=[x1, y1, x2 - x1, y2 - y1])
                     for i, (x1, y1, x2, y2) in enumerate(OBJECTS, 1)]))
    detections = Detections(np.zeros(3, int), np.array(FOUND), np.array([0.9, 0.8, 0.7]),
                            np.zeros(3, int))
    result = evaluate(detections, truth, [protocol])[protocol]['all']
    ap50 = result.mean_ap if result.ap_by_iou is None else result.ap_by_iou[0, 0]
    assert ap50 == pytest.approx(expected)
