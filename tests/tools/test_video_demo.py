"""A real video goes through the toy model from decoding to an annotated video."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
VIDEO = ROOT.parent / 'shared' / 'data' / 'pedestrian_street_night.mp4'
CONFIG = ROOT / 'configs' / 'toy' / 'mega_faster-rcnn_r18-fpn_250i_toyvid.py'


def frames_of(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return frames
        frames.append(frame)


def test_real_video_becomes_an_annotated_video(tmp_path):
    if not VIDEO.exists():
        pytest.skip('no real videos beside the repository')
    model = MODELS.build(Config.fromfile(CONFIG).model)
    meta = dict(dataset_meta=dict(classes=[f'class {i}' for i in range(10)]))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / 'toy.pth')
    out = tmp_path / 'annotated.mp4'
    command = [sys.executable, 'tools/demo/video_demo.py', str(CONFIG), str(tmp_path / 'toy.pth'),
               '--input', str(VIDEO), '--output', str(out), '--score-thr', '0']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '8 frames' in done.stdout
    before, after = frames_of(VIDEO), frames_of(out)
    assert len(after) == len(before) == 8
    assert after[0].shape == before[0].shape
    assert abs(after[3].astype(int) - before[3].astype(int)).max() > 100  # boxes were drawn


def test_a_missing_video_ends_with_one_sentence(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools' / 'demo')
    from video_demo import main
    with pytest.raises(SystemExit, match=r'none\.mp4 does not exist$'):
        main([str(CONFIG), 'none.pth', '--input', str(tmp_path / 'none.mp4'), '--output',
              str(tmp_path / 'out.mp4')])
