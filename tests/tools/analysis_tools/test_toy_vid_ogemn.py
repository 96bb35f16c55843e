"""Reach of OGEMN's memory, against what attention without aim must give."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from toy_vid_ogemn import Videos, main, reach, run

from mmvod_plugins.apis import init_video_detector, trace_frames
from tests.apis.test_inference import PIPELINE
from tests.models.tiny_ogemn import ogemn_config, ogemn_model

from .test_toy_vid_difficulty import ANNOTATIONS

KIND, SIZE = 'rfcn_r101-pixel', (128, 192)  # frames are twice as large as in the network
BOX, CLASS = [20, 36, 96, 56], 2


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A small model and a ToyVID of one video: clean, defocus, clean, rare pose."""
    folder = tmp_path_factory.mktemp('reach')
    loader = dict(dataset=dict(pipeline=PIPELINE))
    Config(dict(model=ogemn_config(KIND), test_dataloader=loader)).dump(folder / 'config.py')
    torch.save(dict(state_dict=ogemn_model(KIND).state_dict(), meta={}), folder / 'model.pth')
    (folder / 'annotations').mkdir()
    (folder / 'Data/VID').mkdir(parents=True)
    content = json.loads(json.dumps(ANNOTATIONS)) | dict(videos=[dict(id=1)])
    content['categories'].append(dict(id=4, name='striped_star'))  # the model has four classes
    for t, (image, item) in enumerate(zip(content['images'], content['annotations'], strict=True)):
        image.update(frame_id=t, file_name=f'{t}.png')
        item.update(bbox=BOX, category_id=CLASS)
        frame = np.random.default_rng(t).integers(0, 256, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(folder / 'Data/VID' / f'{t}.png'), frame)
    (folder / 'annotations/toy_vid_val.json').write_text(json.dumps(content))
    return folder


@pytest.fixture
def model(files):
    return init_video_detector(files / 'config.py', files / 'model.pth')


def test_the_truth_is_in_pixels_of_the_network_and_remembered_from_clean_frames(files, model):
    videos = Videos(files, None)
    [images] = videos
    held = []
    write = model.temporal_neck.write
    model.temporal_neck.write = lambda memory, step, found: (
        write(memory, step, found), held.append(list(memory[0].objects)))
    found, results = run(model, videos, remember_truth=True)
    # after frames 0 and 2; nothing follows frame 3
    assert [[part.frame_id for part in parts] for parts in held] == [[0], [0, 2]]
    [[part], _] = held
    assert part.box == (10, 18, 58, 46)
    assert part.label == CLASS - 1
    assert {group: len(rows) for group, rows in found.items()} == dict(
        clean=1, defocus=1, rare_pose=1)  # nothing is remembered in the first frame
    assert {item['image_id'] for item in results} == {1, 2, 3, 4}
    [first, *_] = trace_frames(model, videos.frames(images), 4)
    boxes = first.found.pred_instances.bboxes
    x, y, width, height = next(item['bbox'] for item in results if item['image_id'] == 1)
    assert torch.allclose(boxes[0], boxes.new_tensor([x, y, x + width, y + height]))


def test_attention_without_aim_falls_alike_on_all_cells(files, model):
    videos = Videos(files, None)
    model.temporal_neck.reads[0].temperature.data.zero_()
    found, _ = run(model, videos, remember_truth=True)
    grid = (4, 6)  # stride 16
    inside = 3 * 2  # centres of cells in the box
    for group, rows in found.items():
        objects = 2 if group == 'rare_pose' else 1  # the last frame reads those of frames 0 and 2
        for in_box, memory, everywhere, box in rows:
            assert box == pytest.approx(inside / (grid[0] * grid[1]))
            assert in_box == pytest.approx(box)
            # each row of an object has a weight of one over all cells; beta = 1 / (sum + 1)
            assert memory == pytest.approx(everywhere)
            assert everywhere == pytest.approx(1 - 1 / (objects * box + 1))


def test_what_no_row_remembers_is_not_counted(files, model):
    videos = Videos(files, None)
    [images] = videos
    for image, traced in zip(images, trace_frames(model, videos.frames(images), 4), strict=True):
        truth = videos.truth(image, traced.key)
        truth.labels += 20
        assert not list(reach(model, traced, truth))


def test_the_command_prints_a_table_and_names_what_is_missing(files, capsys):
    command = [str(files / 'config.py'), str(files / 'model.pth'), '--data']
    assert main([*command, str(files), '--truth', '--temperature', '0']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == '| clean | 1 | 0.25 | 0.20 | 0.20 | 0.25 |'
    assert [line.split(' | ')[0] for line in lines[2:5]] == ['| clean', '| defocus', '| rare_pose']
    assert lines[5].startswith('AP50: all ')
    assert main([*command, str(files / 'none')]) == 1
    assert 'toy_vid_val.json' in capsys.readouterr().err
