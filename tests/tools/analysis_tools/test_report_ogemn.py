"""The report of a memory: one file with its pictures, numbers that are those of the stream."""

import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from report_ogemn import main

from mmvod_plugins.apis import init_video_detector, trace_frames
from mmvod_plugins.visualization import read_frames
from tests.apis.test_inference import PIPELINE
from tests.models.tiny import tiny_config, tiny_model
from tests.models.tiny_ogemn import ogemn_config, ogemn_model

SHAPE, KIND = (64, 96), 'rfcn_r101'


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A small model with both memories, and a video of six frames."""
    folder = tmp_path_factory.mktemp('report')
    loader = dict(dataset=dict(pipeline=PIPELINE))
    Config(dict(model=ogemn_config(KIND), test_dataloader=loader)).dump(folder / 'config.py')
    torch.save(dict(state_dict=ogemn_model(KIND).state_dict(), meta={}), folder / 'model.pth')
    (folder / 'frames').mkdir()
    for t in range(6):
        frame = np.random.default_rng(t).integers(0, 256, (*SHAPE, 3), np.uint8)
        cv2.imwrite(str(folder / 'frames' / f'{t:03d}.png'), frame)
    return folder


def report(files, out, *options):
    return main([str(files / 'config.py'), str(files / 'model.pth'), '--input',
                 str(files / 'frames'), '--out', str(out), *options])


def test_the_report_is_one_file_that_names_every_stored_object(files, tmp_path, capsys):
    out = tmp_path / 'deep' / 'memory.html'
    assert report(files, out, '--frames', '3', '5', '--max-objects', '2') == 0
    model = init_video_detector(files / 'config.py', files / 'model.pth')
    seen, rows = {}, []
    for traced in trace_frames(model, read_frames(files / 'frames'), 6):
        [memory] = traced.memory.neck
        seen.update({(part.frame_id, part.label, part.box): part for part in memory.objects})
        rows.append(len(memory) + len(traced.memory.head))
    before = len(seen)
    seen.update({(part.frame_id, part.label, part.box): part for part in memory.objects})
    assert len(seen) > before  # the last frame stored something, which no frame has read
    page = out.read_text()
    assert capsys.readouterr().out.endswith(f'6 frames, {len(seen)} stored objects\n')
    assert len(seen) > 1
    assert page.count('<tr') == 1 + len(seen)
    assert f'read {np.mean(rows):.0f} feature vectors' in page
    assert re.findall(r'<h3>(.*?)</h3>', page) == ['Frame 3', 'Frame 5']
    # thumbnails; for each frame two pictures, and three for each of two objects
    assert page.count('<img src="data:image/png;base64,') == len(seen) + 2 * (2 + 3 * 2)
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_a_video_of_one_frame_has_a_report(files, tmp_path):
    (tmp_path / 'one').mkdir()
    (tmp_path / 'one' / '0.png').write_bytes((files / 'frames' / '000.png').read_bytes())
    assert report(files, tmp_path / 'memory.html', '--input', str(tmp_path / 'one')) == 0
    assert '<h3>Frame 0</h3>' in (tmp_path / 'memory.html').read_text()


@pytest.mark.parametrize(('options', 'message'), [
    (('--frames', '6'), r'--frames is \[6\], but .* has 6 frames'),
    (('--level', '1'), 'memories of 1 levels')])
def test_what_cannot_be_shown_is_said(files, tmp_path, capsys, options, message):
    assert report(files, tmp_path / 'memory.html', *options) == 1
    assert re.search(message, capsys.readouterr().err)


def test_a_model_without_pixel_memory_is_refused(files, tmp_path, capsys):
    loader = dict(dataset=dict(pipeline=PIPELINE))
    Config(dict(model=tiny_config(), test_dataloader=loader)).dump(tmp_path / 'config.py')
    torch.save(dict(state_dict=tiny_model().state_dict(), meta={}), tmp_path / 'model.pth')
    assert main([str(tmp_path / 'config.py'), str(tmp_path / 'model.pth'), '--input',
                 str(files / 'frames'), '--out', str(tmp_path / 'memory.html')]) == 1
    assert 'temporal neck NoneType, expected an OGEMNNeck' in capsys.readouterr().err
