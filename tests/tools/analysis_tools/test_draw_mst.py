"""Attention and offsets of an MSTNeck are drawn for the window of a key frame."""

import re

import cv2
import numpy as np
import pytest
import torch
from draw_mst import cell_of, chosen, draw_offsets, main
from mmengine.config import Config

from tests.apis.test_inference import PIPELINE
from tests.models.tiny import tiny_config
from tests.models.tiny_mst import mst_config, mst_model

SHAPE = (64, 96)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A small MST with windows of three frames, and a folder of four frames."""
    folder = tmp_path_factory.mktemp('mst')
    loader = dict(dataset=dict(pipeline=PIPELINE))
    for name, config in (('config', mst_config('d')), ('static', tiny_config('single'))):
        Config(dict(model=config, test_dataloader=loader)).dump(folder / f'{name}.py')
    torch.save(dict(state_dict=mst_model('d').state_dict(), meta={}), folder / 'model.pth')
    (folder / 'frames').mkdir()
    for t in range(4):
        frame = np.random.default_rng(t).integers(0, 256, (*SHAPE, 3), np.uint8)
        cv2.imwrite(str(folder / 'frames' / f'{t:03d}.png'), frame)
    return folder


def run(files, out, *options, config='config', key=1):
    return main([str(files / f'{config}.py'), str(files / 'model.pth'), '--input',
                 str(files / 'frames'), '--key', str(key), '--out', str(out), *options])


def test_a_sheet_has_rows_of_frames_attention_and_offsets(files, tmp_path):
    assert run(files, tmp_path / 'all.png', '--point', '40', '30') == 0
    sheet = cv2.imread(str(tmp_path / 'all.png'))
    assert sheet.shape[0] >= 3 * SHAPE[0]
    assert sheet.shape[1] >= 3 * SHAPE[1]
    assert run(files, tmp_path / 'end.png', '--point', '40', '30', key=3) == 0  # two frames
    assert cv2.imread(str(tmp_path / 'end.png')).shape[1] < sheet.shape[1]


@pytest.mark.parametrize(('options', 'key', 'expected'), [
    (('--point', '96', '3'), 1, '--point is 96 3, outside of the frames of 96 x 64'),
    (('--point', '9', '3'), 4, '--key is 4, but .* has 4 frames'),
    (('--point', '9', '3', '--level', '1'), 1, '--level is 1, but the neck changes 1 levels'),
])
def test_what_is_not_there_is_one_sentence(files, tmp_path, capsys, options, key, expected):
    assert run(files, tmp_path / 'x.png', *options, key=key) == 1
    printed = capsys.readouterr().err
    assert printed.count('\n') == 1
    assert re.search(expected, printed)


@pytest.mark.parametrize(('point', 'cell'), [((0, 0), (0, 0)), ((95.9, 63.9), (3, 5)),
                                             ((16, 15.9), (0, 1))])
def test_the_cell_below_a_point(point, cell):
    assert cell_of(point, SHAPE, (4, 6)) == cell


def test_arrows_point_where_the_offsets_do():
    offsets = np.zeros((2, 4, 6))
    offsets[0, 1, 1] = 2  # two cells to the right
    picture = draw_offsets(np.zeros((*SHAPE, 3), np.uint8), offsets)
    _, x = np.nonzero(picture[..., 2])
    assert x.max() > 50
    assert (picture[24, 26:54, 2] > 0).all()


@pytest.mark.parametrize(('window', 'key', 'most', 'expected'), [
    (range(10, 19), 14, 9, [*range(9)]), (range(10, 19), 14, 5, [0, 2, 4, 6, 8]),
    (range(10, 19), 13, 5, [1, 3, 5, 7]), (range(10, 19), 14, 1, [4]), (range(3), 0, 2, [0, 2])])
def test_columns_are_evenly_spaced_and_show_the_key_frame(window, key, most, expected):
    assert chosen(list(window), key, most) == expected
