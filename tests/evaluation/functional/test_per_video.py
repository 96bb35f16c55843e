"""AP of a video is that of an evaluation of this video alone."""

from dataclasses import replace

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional import Protocol, evaluate, evaluate_per_video

from .scenes import make_detections, make_truth, random_scene

PROTOCOLS = ('voc', 'fgfa', 'mega', 'coco', Protocol('voc07', offset=0, ap_rule='11_points'))


@pytest.mark.parametrize('crowds', [False, True], ids=['no crowds', 'crowds'])
def test_a_video_among_others_is_a_video_alone(crowds):
    for seed in range(5):
        detections, truth, _ = random_scene(seed, crowds=crowds, tied_scores=True)
        together = evaluate_per_video(detections, truth, PROTOCOLS)
        for v, video_id in enumerate(truth.videos):
            part = truth.subset([video_id])
            frames = np.flatnonzero(truth.video == v)
            own = detections.select(np.isin(detections.frame_index, frames))
            own = replace(own, frame_index=np.searchsorted(frames, own.frame_index))
            alone = evaluate(own, part, PROTOCOLS)
            for name, result in alone.items():
                value = result['all']
                expected = value.ap_by_iou[0] if name == 'coco' else value.ap
                np.testing.assert_allclose(together[name].ap[v], expected, rtol=1e-12)
                assert together[name].video_ids == truth.videos


def test_a_video_without_objects_has_no_ap():
    box = [0, 0, 50, 50]
    truth = make_truth([(0, 0, box)], num_frames=2, videos=['a', 'b'])
    result = evaluate_per_video(make_detections([(1, 0, 0.5, box)]), truth, ('voc', ))['voc']
    np.testing.assert_array_equal(result.mean_ap, [0, np.nan])
