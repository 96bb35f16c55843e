"""Plain COCO of frames becomes videos."""

import json
import re

import pytest
from check_coco_vid import check_coco_vid
from coco2coco_vid import main


def plain(names, **annotation):
    images = [dict(id=i + 1, file_name=name, height=40, width=60) for i, name in enumerate(names)]
    annotations = [dict(id=i + 1, image_id=i + 1, category_id=1, bbox=[1, 2, 10, 10], area=100,
                        iscrowd=0, **annotation) for i in range(len(names))]
    return dict(info=dict(version='1'), categories=[dict(id=1, name='car')], images=images,
                annotations=annotations)


def convert(folder, content, option):
    (folder / 'in.json').write_text(json.dumps(content))
    code = main([str(folder / 'in.json'), str(folder / 'out.json'), option])
    out = folder / 'out.json'
    return code, json.loads(out.read_text()) if out.exists() else None


FOLDERS = [f'{folder}/{i}.png' for folder in ('b', 'a') for i in (10, 2, 0, 1)]
NAMES = [f'x/{name}{i:02d}.png' for name in ('street_', 'yard-2_') for i in range(2)]


@pytest.mark.parametrize(('names', 'option', 'videos'), [
    (FOLDERS, '--videos-from-folders', {v: [f'{v}/{i}.png' for i in (0, 1, 2, 10)] for v in 'ab'}),
    (NAMES, '--videos-from-names', {'x/street': NAMES[:2], 'x/yard-2': NAMES[2:]})],
    ids=['folders', 'names'])
def test_frames_are_grouped_and_in_natural_order(tmp_path, names, option, videos):
    code, content = convert(tmp_path, plain(names, track_id=3), option)
    assert code == 0
    assert content['info'] == dict(version='1')
    assert [item['name'] for item in content['videos']] == list(videos)
    for video, expected in zip(content['videos'], videos.values(), strict=True):
        frames = [item for item in content['images'] if item['video_id'] == video['id']]
        assert [item['file_name'] for item in frames] == expected
        assert [item['frame_id'] for item in frames] == list(range(len(expected)))
    assert not check_coco_vid(content)


def test_tracks_become_instances_that_no_two_videos_share(tmp_path):
    for content in (plain(FOLDERS, track_id=7), plain(FOLDERS, attributes=dict(track_id=7))):
        _, found = convert(tmp_path, content, '--videos-from-folders')
        pairs = {(item['video_id'], item['instance_id']) for item in found['annotations']}
        assert sorted(pairs, key=lambda pair: pair[1]) == [(2, 1), (1, 2)]


def test_what_the_file_does_not_say_is_said(tmp_path, capsys):
    convert(tmp_path, plain(FOLDERS), '--videos-from-folders')
    captured = capsys.readouterr()
    assert 'jump 2 times in 2 videos' in captured.err
    assert '8 of 8 annotations have neither instance_id nor track_id' in captured.err
    assert '2 videos, 8 frames, 8 annotations' in captured.out


def faulty():
    content = plain(FOLDERS)
    content['annotations'][0]['category_id'] = 5
    return content


@pytest.mark.parametrize(('content', 'option', 'message'), [
    (plain(['a.png', 'b.png']), '--videos-from-folders', 'no two images are of one video'),
    (plain([*FOLDERS, 'c.png']), '--videos-from-folders', "1 of 9 images .* 'c.png'"),
    (plain([*NAMES, 'x/c.png']), '--videos-from-names', "1 of 5 images .* 'x/c.png'"),
    (plain(FOLDERS) | dict(videos=[dict(id=1)]), '--videos-from-folders', 'has videos already'),
    (plain([]), '--videos-from-folders', 'has no images'),
    (faulty(), '--videos-from-folders', 'unknown category'),
    ([], '--videos-from-folders', 'no COCO json')])
def test_what_is_not_understood_is_refused_and_not_written(tmp_path, capsys, content, option,
                                                           message):
    code, found = convert(tmp_path, content, option)
    assert (code, found) == (1, None)
    assert re.search(message, capsys.readouterr().err)


def test_the_input_is_never_the_output(tmp_path, capsys):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(plain(FOLDERS)))
    with pytest.raises(SystemExit):
        main([str(path), str(path), '--videos-from-folders'])
    assert 'another name than the input' in capsys.readouterr().err


def test_script_runs(tmp_path, run_tool):
    (tmp_path / 'a.json').write_text(json.dumps(plain(FOLDERS)))
    done = run_tool('coco2coco_vid.py', tmp_path / 'a.json', tmp_path / 'b.json',
                    '--videos-from-folders')
    assert done.returncode == 0, done.stderr
    assert '2 videos' in done.stdout
