"""The memory of a model is drawn over time, from a folder of frames or a video."""

import cv2
import numpy as np
import pytest
import torch
from draw_memory import main, memories
from mmengine.config import Config

from mmvod_plugins.models.layers import STMMCell
from mmvod_plugins.visualization import count_frames, read_frames, write_video
from tests.apis.test_inference import PIPELINE
from tests.models.tiny import tiny_config, tiny_model
from tests.models.tiny_stmn import stmn_config, stmn_model

SHAPE = (64, 96)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A small STMN with windows of three frames, every second one, and a video of six frames."""
    folder = tmp_path_factory.mktemp('memory')
    loader = dict(dataset=dict(pipeline=PIPELINE))
    Config(dict(model=stmn_config('rfcn_r101'), test_dataloader=loader)).dump(folder / 'config.py')
    torch.save(dict(state_dict=stmn_model('rfcn_r101').state_dict(), meta={}),
               folder / 'model.pth')
    frames = [np.random.default_rng(t).integers(0, 256, (*SHAPE, 3), np.uint8) for t in range(6)]
    (folder / 'frames').mkdir()
    for t, frame in enumerate(frames):
        cv2.imwrite(str(folder / 'frames' / f'{t:03d}.png'), frame)
    write_video(folder / 'video.mp4', frames)
    return folder


def draw(files, out, *options, name='frames'):
    return main([str(files / 'config.py'), str(files / 'model.pth'), '--input', str(files / name),
                 '--out', str(out), *options])


def test_a_sheet_has_a_row_of_frames_and_one_of_each_map(files, tmp_path, capsys):
    assert draw(files, tmp_path / 'sheet.png', '--start', '1') == 0
    assert capsys.readouterr().out.endswith('3 frames, frame, aligned, not aligned\n')
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    height, width = SHAPE
    assert sheet.shape[0] == 3 * height + 2 * 4
    row = sheet[:height, -(3 * width + 2 * 4):]
    frames = list(read_frames(files / 'frames'))
    for i, t in enumerate((1, 3, 5)):
        assert (row[:, i * (width + 4):][:, :width] == frames[t]).all()
    aligned, other = sheet[height + 4:2 * height + 4], sheet[2 * height + 8:]
    assert (aligned != other).any()


def test_frames_and_maps_become_a_video_or_pictures(files, tmp_path):
    for out in (tmp_path / 'memory.mp4', tmp_path / 'pictures'):
        assert draw(files, out, '--direction', 'backward', '--stride', '1', '--length', '4',
                    name='video.mp4') == 0
        assert count_frames(out) == 4
        assert next(read_frames(out)).shape == (SHAPE[0], 3 * SHAPE[1] + 2 * 4, 3)


@torch.no_grad()
def test_backward_memories_are_those_of_the_reversed_frames():
    cell, feats = STMMCell(4, 3).double(), torch.rand(3, 4, 5, 6).double()
    expected = [state.memory for state in cell(feats.flip(0))][::-1]
    assert torch.equal(memories(cell, feats, 'backward'), torch.cat(expected))


@pytest.mark.parametrize(('options', 'name', 'message'), [
    ((), 'none.mp4', 'none.mp4 does not exist'),
    (('--start', '6'), 'frames', 'has 6 frames: --start 6'),
    (('--level', '1'), 'frames', 'memories of 1 levels'),
])
def test_what_cannot_be_drawn_is_said(files, tmp_path, capsys, options, name, message):
    assert draw(files, tmp_path / 'sheet.png', *options, name=name) == 1
    assert message in capsys.readouterr().err


def test_a_model_without_memories_is_refused(files, tmp_path, capsys):
    loader = dict(dataset=dict(pipeline=PIPELINE))
    Config(dict(model=tiny_config(), test_dataloader=loader)).dump(tmp_path / 'config.py')
    torch.save(dict(state_dict=tiny_model().state_dict(), meta={}), tmp_path / 'model.pth')
    assert main([str(tmp_path / 'config.py'), str(tmp_path / 'model.pth'), '--input',
                 str(files / 'frames'), '--out', str(tmp_path / 'sheet.png')]) == 1
    assert 'temporal neck NoneType, expected an STMMNeck' in capsys.readouterr().err
