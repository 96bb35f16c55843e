"""Predictions become proposals, by function and by the real commands."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from proposals_from_predictions import best_boxes, main

from mmvod_plugins.datasets import ProposalFile
from mmvod_plugins.evaluation import Predictions, load_predictions, save_predictions
from mmvod_plugins.structures import VideoDetections
from tests.datasets.tiny_vid import make_tiny_vid
from tests.models.tiny_static import static_config, static_model
from tests.tools.tiny_video import settings_of

ROOT = Path(__file__).resolve().parents[3]


def detections_of(boxes, image_ids, num_boxes):
    boxes = np.asarray(boxes, np.float32)
    return VideoDetections(
        video_id=1, frame_ids=np.arange(len(num_boxes)), num_boxes=np.asarray(num_boxes),
        boxes=boxes, scores=np.linspace(0.1, 0.9, len(boxes)).astype(np.float32),
        labels=np.zeros(len(boxes), np.int64), image_ids=image_ids)


def test_the_best_boxes_come_first_and_once():
    boxes = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 3, 3.0]])
    scores = np.array([0.2, 0.9, 0.5, 0.1])
    kept, best = best_boxes(boxes, scores, 2)
    assert kept.tolist() == [[0, 0, 2, 2], [0, 0, 1, 1]]
    assert best.tolist() == [0.9, 0.5]


def test_frames_are_named_by_their_file(tmp_path, capsys):
    path = make_tiny_vid(tmp_path, lengths=(3, ))
    video = detections_of([[0, 0, 5, 5], [1, 1, 5, 5], [2, 2, 5, 5]], np.array([1, 2, 3]),
                          [1, 0, 2])
    save_predictions(tmp_path / 'found.npz', Predictions([video], ('a', )))
    out = tmp_path / 'proposals.npz'
    assert main([str(tmp_path / 'found.npz'), str(path), str(out)]) == 0
    assert '3 proposals of 3 frames; 3 images' in capsys.readouterr().out
    source = ProposalFile(str(out))
    boxes = [source.proposals(source.row(f'video_0/{i:06d}.jpg'))['bboxes'].tolist()
             for i in range(3)]
    assert boxes == [[[0, 0, 5, 5]], [], [[2, 2, 5, 5], [1, 1, 5, 5]]]


@pytest.mark.parametrize(('image_ids', 'message'), [
    (None, 'have no image_ids'), (np.array([1, 2, 99]), 'has no image 99')])
def test_predictions_of_other_frames_are_refused(tmp_path, capsys, image_ids, message):
    path = make_tiny_vid(tmp_path, lengths=(3, ))
    video = detections_of([[0, 0, 5, 5]], image_ids, [1, 0, 0])
    save_predictions(tmp_path / 'found.npz', Predictions([video], ('a', )))
    assert main([str(tmp_path / 'found.npz'), str(path), str(tmp_path / 'out.npz')]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out.npz').exists()


def settings(path, model):
    """A whole config of a single-frame detector on the tiny videos."""
    config = Config(settings_of(path, path.parent, 4))
    config.model = model
    return config


def run(folder, *command):
    environ = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1',
                            'CUDA_VISIBLE_DEVICES': '-1'}
    done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, env=environ,
                          check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
def test_the_rpn_of_r_fcn_writes_proposals_that_fast_rcnn_trains_and_tests_on(tmp_path):
    """The commands of docs/methods/rfcn.md."""
    path = make_tiny_vid(tmp_path / 'videos', lengths=(4, 3), num_classes=4)
    trained = static_config('rfcn_r50')
    torch.save(dict(state_dict=static_model(trained).state_dict()), tmp_path / 'rfcn.pth')
    rpn = copy.deepcopy(trained)
    rpn.detector.type = 'RPN'
    rpn.detector.pop('roi_head')
    rpn.detector.rpn_head.pop('num_classes', None)
    settings(path, rpn).dump(tmp_path / 'rpn.py')
    run(tmp_path, ROOT / 'tools/test.py', 'rpn.py', 'rfcn.pth', '--out', 'rpn.npz')
    found = load_predictions(tmp_path / 'rpn.npz')
    assert [int(n) for video in found.videos for n in video.num_boxes] == [20] * 7
    alone = MODELS.build(rpn)
    alone.load_state_dict(torch.load(tmp_path / 'rfcn.pth')['state_dict'], strict=False)
    for key, value in static_model(trained).detector.rpn_head.state_dict().items():
        assert torch.equal(alone.detector.bbox_head.state_dict()[key], value)

    run(tmp_path, ROOT / 'tools/dataset_converters/proposals_from_predictions.py', 'rpn.npz', path,
        'proposals.npz')
    config = settings(path, static_config('fast-rcnn_vgg16'))
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.proposal_file = str(tmp_path / 'proposals.npz')
        clip = next(t for t in loader.dataset.pipeline if t.type == 'ClipTransform')
        clip.transforms.insert(1, dict(type='LoadFrameProposals'))
    config.dump(tmp_path / 'fast.py')
    run(tmp_path, ROOT / 'tools/train.py', 'fast.py', '--work-dir', 'work')
    run(tmp_path, ROOT / 'tools/test.py', 'fast.py', 'work/iter_4.pth', '--out', 'fast.npz')
    assert sum(len(video) for video in load_predictions(tmp_path / 'fast.npz').videos) > 0
