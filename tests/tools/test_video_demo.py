"""A real video goes through the toy model from decoding to an annotated video."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmvod_plugins.cli import predict
from mmvod_plugins.evaluation import load_predictions
from mmvod_plugins.visualization import count_frames, video, write_video
from tests.apis.test_inference import model_file
from tests.apis.test_inferencer import interrupting

ROOT = Path(__file__).resolve().parents[2]
VIDEO = ROOT.parent / 'shared' / 'data' / 'pedestrian_street_night.mp4'
CONFIG = ROOT / 'configs' / 'toy' / 'mega_faster-rcnn_r18-fpn_400i_toyvid.py'


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
    (tmp_path / 'k.pth').write_bytes(b'\x80')
    with pytest.raises(SystemExit, match=r'none\.mp4 does not exist$'):
        main([str(CONFIG), str(tmp_path / 'k.pth'), '--input', str(tmp_path / 'none.mp4'),
              '--output', str(tmp_path / 'out.mp4')])


class Demo:
    """The program with a tiny model, on a video of six frames."""

    def __init__(self, module, folder):
        self.module, self.folder = module, folder
        model_file(folder, None)
        self.video = folder / 'in.mp4'
        write_video(self.video, [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(6)])

    def run(self, *options, output='out.mp4'):
        return self.module.main([str(self.folder / 'config.py'), str(self.folder / 'model.pth'),
                                 '--input', str(self.video), '--output',
                                 str(self.folder / output), *options])

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def demo(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools' / 'demo')
    import video_demo
    return Demo(video_demo, tmp_path)


@pytest.fixture
def unbuilt(monkeypatch):
    """No model can be built."""
    monkeypatch.setattr(predict, 'VideoDetInferencer', None)


@pytest.mark.parametrize(('options', 'output', 'message'), [
    ([], 'in.mp4', r'in\.mp4 is read and would be overwritten'),
    ([], 'linked.mp4', r'linked\.mp4 is read and would be overwritten'),
    ([], 'model.pth', r'name that ends in \.mp4'),
    ([], 'out.avi', r'name that ends in \.mp4'),
    ([], 'out', r'name that ends in \.mp4'),
    ([], 'folder.mp4', 'is a folder'),
    ([], 'in.mp4/out.mp4', 'cannot be written: .*accepts no new file'),
    (['--fps', '-1'], 'out.mp4', 'positive fps'),
    (['--fps', '0'], 'out.mp4', 'positive fps'),
    (['--fps', 'nan'], 'out.mp4', 'positive fps'),
    (['--fps', 'inf'], 'out.mp4', 'positive fps'),
    (['--predictions', 'p.csv'], 'out.mp4', r'must end with \.npz'),
])
@pytest.mark.usefixtures('unbuilt')
def test_a_bad_output_is_refused_before_anything_is_built(demo, options, output, message):
    (demo.folder / 'folder.mp4').mkdir()
    os.link(demo.video, demo.folder / 'linked.mp4')
    before, content = demo.files(), demo.video.read_bytes()
    with pytest.raises(SystemExit, match=message):
        demo.run(*options, output=output)
    assert demo.files() == before
    assert demo.video.read_bytes() == content


@pytest.mark.usefixtures('unbuilt')
def test_images_of_two_sizes_are_refused_before_the_work(demo):
    demo.video = demo.folder / 'frames'
    demo.video.mkdir()
    for i, size in enumerate((40, 44)):
        cv2.imwrite(str(demo.video / f'{i}.png'), np.zeros((size, 40, 3), np.uint8))
    with pytest.raises(SystemExit, match=r'different sizes .* \[\(40, 40\), \(44, 40\)\]'):
        demo.run()


def test_a_new_folder_gets_video_and_predictions(demo, capsys):
    assert demo.run('--predictions', str(demo.folder / 'a/b/p.npz'), output='a/out.mp4') == 0
    assert len(frames_of(demo.folder / 'a/out.mp4')) == 6
    [video] = load_predictions(demo.folder / 'a/b/p.npz').videos
    assert f'out.mp4: 6 frames, {(video.scores >= 0.3).sum()} boxes' in capsys.readouterr().out
    assert sorted(p.name for p in (demo.folder / 'a').iterdir()) == ['b', 'out.mp4']


def test_the_flags_of_other_demos_work(demo):
    """``--out``, ``--pred-out``, ``--batch-size``, ``--score-thr``; a folder as input."""
    assert demo.module.main([
        str(demo.folder / 'config.py'), str(demo.folder / 'model.pth'), '--input', str(demo.video),
        '--out', str(demo.folder / 'o.mp4'), '--pred-out', str(demo.folder / 'x.csv'),
        '--batch-size', '4', '--score-thr', '0.9', '--fps', '5', '--device', 'cpu']) == 0
    assert len(frames_of(demo.folder / 'o.mp4')) == 6
    assert (demo.folder / 'x.csv').is_file()


def test_an_interruption_leaves_a_shorter_video_and_predictions(demo, capsys, monkeypatch):
    interrupting(monkeypatch, after=4)
    assert demo.run('--predictions', str(demo.folder / 'p.npz')) == 130
    assert 'interrupted: 4 of 6 frames of in.mp4 are detected; written: ' in capsys.readouterr().out
    assert len(frames_of(demo.folder / 'out.mp4')) == 4
    assert load_predictions(demo.folder / 'p.npz').videos[0].num_frames == 4


def test_a_full_disk_fails_and_keeps_the_old_video(demo, monkeypatch):
    """A cut file stands for the one that a full disk leaves: OpenCV says nothing."""
    demo.run()
    before = (demo.folder / 'out.mp4').read_bytes()
    release = video.VideoWriter._release

    def cut(writer):
        release(writer)
        os.truncate(writer._part, 300)
    monkeypatch.setattr(video.VideoWriter, '_release', cut)
    with pytest.raises(SystemExit, match=r'6 frames were given, 0 can be read.*Is the disk full'):
        demo.run()
    assert (demo.folder / 'out.mp4').read_bytes() == before
    assert not [name for name in demo.files() if 'part' in name]


def test_a_cut_video_is_said(tmp_path):
    path = tmp_path / 'cut.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(30):
        writer.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    writer.release()
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.warns(UserWarning, match=r'cut\.avi: \d+ of 30 frames can be decoded'):
        assert 10 < count_frames(path) < 30
