"""Rendered videos of two classes have the labels of their pictures."""

import json

import numpy as np
import pytest

from mmvod_plugins.visualization import read_frames
from tools.demo import labelled_videos
from tools.demo.labelled_videos import ToyVidSpec, plan, render_frame

SPEC = ToyVidSpec(train_videos=2, val_videos=1, stills=0, frames=4, size=(48, 64))
NAMES = ('train_1', 'train_2', 'val_1')
OPTIONS = ['--train-videos', '2', '--val-videos', '1', '--frames', '4', '--size', '48', '64',
           '--workers', '1']


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('labelled')
    assert labelled_videos.main([str(folder / 'videos'), str(folder / 'labels'), *OPTIONS]) == 0
    return folder


def test_every_frame_has_a_file_of_labelme_with_its_objects(root):
    assert sorted(path.stem for path in (root / 'videos').iterdir()) == list(NAMES)
    labels = set()
    for index, name in enumerate(NAMES):
        video = plan(SPEC, index)
        for t in range(SPEC.frames):
            content = json.loads((root / f'labels/{name}/{t:06d}.json').read_text())
            assert content['imagePath'] == f'../../frames/{name}/{t:06d}.jpg'
            assert (content['imageHeight'], content['imageWidth']) == SPEC.size
            assert [(shape['label'], shape['group_id'], shape['points'])
                    for shape in content['shapes']] == [
                (video.objects[item.track_id].texture, item.track_id,
                 [list(item.box[:2]), list(item.box[2:])])
                for item in render_frame(video, t).objects]
            labels.update(shape['label'] for shape in content['shapes'])
    assert labels == {'checked', 'striped'}


def test_a_video_file_shows_what_is_labelled(root):
    rendered = np.stack([np.stack([render_frame(plan(SPEC, index), t).image
                                   for t in range(SPEC.frames)]) for index in range(len(NAMES))])
    for index, name in enumerate(NAMES):
        frames = np.stack(list(read_frames(root / f'videos/{name}.mp4')))
        distance = np.abs(rendered.astype(int) - frames).mean(axis=(1, 2, 3, 4))
        assert distance.argmin() == index


def test_files_of_others_are_not_replaced(root, capsys):
    before = (root / 'videos/train_1.mp4').read_bytes()
    for folders in (('videos', 'new'), ('new', 'labels')):
        assert labelled_videos.main([*(str(root / name) for name in folders), *OPTIONS]) == 1
        assert 'is not empty: choose a new folder' in capsys.readouterr().err
    assert (root / 'videos/train_1.mp4').read_bytes() == before
    assert not (root / 'new').exists()


@pytest.mark.parametrize('option', ['--frames', '--workers'])
def test_impossible_settings_are_named(tmp_path, capsys, option):
    with pytest.raises(SystemExit):
        labelled_videos.main([str(tmp_path / 'v'), str(tmp_path / 'l'), option, '0'])
    assert f'{option.strip("-")} is 0' in capsys.readouterr().err
