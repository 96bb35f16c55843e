"""UAVDT's files become COCO-VID json, and what is not understood is refused."""

import json
import re

import pytest
from coco_vid_rules import check_coco_vid
from uavdt import SPLITS, Tree, UavdtError, read_rows
from uavdt2coco_vid import main

from tests.datasets.tiny_uavdt import REGION, make_tiny_uavdt

GT = 'UAV-benchmark-MOTD_v1.0/GT'
FRAME = 'UAV-benchmark-M/M0101/img000002.jpg'


@pytest.fixture
def tree(tmp_path):
    return make_tiny_uavdt(tmp_path / 'uavdt')


def converted(root, split, name='uavdt_'):
    return json.loads((root / f'annotations/{name}{split}.json').read_text())


def test_the_official_split():
    assert {split: len(set(videos)) for split, videos in SPLITS.items()} == dict(train=30, test=20)
    assert not set(SPLITS['train']) & set(SPLITS['test'])


def test_a_tree_becomes_two_files(tree, capsys):
    assert main([str(tree), '--partial']) == 0
    train, test = (converted(tree, split) for split in ('train', 'test'))
    assert [c['name'] for c in train['categories']] == ['car', 'truck', 'bus']
    assert [v['name'] for v in train['videos']] == ['M0101', 'M0201']
    assert train['videos'][0]['attributes'] == ['daylight', 'low-alt', 'bird-view']
    assert train['images'][1] == dict(
        file_name='M0101/img000002.jpg', height=64, width=96, id=2, frame_id=1, video_id=1,
        is_vid_train_frame=True)
    assert not any(image['is_vid_train_frame'] for image in test['images'])
    second = [a for a in train['annotations'] if a['image_id'] == 2]
    assert second[0] == dict(
        id=7, video_id=1, image_id=2, category_id=1, bbox=[10, 6, 16, 10], area=160, iscrowd=False,
        instance_id=1, occluded=True, generated=False, occlusion='small', out_of_view='no',
        truncated=False)
    assert [(a['truncated'], a['out_of_view']) for a in second[:3]] == [
        (False, 'no'), (False, 'no'), (True, 'small')]
    regions = [a for a in second if a['iscrowd']]
    assert [(a['bbox'], a['category_id']) for a in regions] == [
        (list(REGION), n) for n in (1, 2, 3)]
    assert 'instance_id' not in regions[0]
    assert len({a['instance_id'] for a in train['annotations'] if not a['iscrowd']}) == 6
    for content in (train, test):
        assert check_coco_vid(content, tree / 'UAV-benchmark-M') == []
    assert 'uavdt_test.json: 1 videos, 3 images, 18 annotations' in capsys.readouterr().out


def test_one_class_and_key_frames_by_choice(tree):
    assert main([str(tree), '--partial', '--classes', 'vehicle', '--key-interval', '3',
                 '--out', str(tree / 'here'), '--splits', 'train']) == 0
    content = json.loads((tree / 'here/uavdt_vehicle_train.json').read_text())
    assert content['categories'] == [dict(id=1, name='vehicle', encode_name='vehicle')]
    assert len(content['annotations']) == 7 * 4
    assert [v['vid_train_frames'] for v in content['videos']] == [[0, 3], [0]]
    assert not (tree / 'here/uavdt_vehicle_test.json').exists()


def replace_line(path, line, number=0):
    lines = path.read_text().splitlines()
    lines[number] = line
    path.write_text('\n'.join(lines))


@pytest.mark.parametrize(('name', 'change', 'said'), [
    (f'{GT}/M0101_gt_whole.txt', '1,1,2,3,4,5,1,1', r'line 1: .* is not of 9 numbers'),
    (f'{GT}/M0101_gt_whole.txt', '1,1,2,3,4,5,1,1,1,1', r'line 1: .* is not of 9 numbers'),
    (f'{GT}/M0101_gt_whole.txt', '1 1 2 3 4 5 1 1 1', r'line 1: .* is not of 9 numbers'),
    (f'{GT}/M0101_gt_whole.txt', '1,1,nan,3,4,5,1,1,1', r'line 1: .* is not of 9 numbers'),
    (f'{GT}/M0101_gt_whole.txt', '0,1,2,3,4,5,1,1,1', 'a frame number from 1'),
    (f'{GT}/M0101_gt_whole.txt', '1,1.5,2,3,4,5,1,1,1', 'whole numbers but for the box'),
    (f'{GT}/M0101_gt_whole.txt', '9,1,2,3,4,5,1,1,1', 'annotates frame 9, but .* has 4 images'),
    (f'{GT}/M0101_gt_ignore.txt', '1,1,2,3,4', 'is not of 6 numbers'),
    (f'{GT}/M0101_gt_whole.txt', None, 'M0101_gt_whole.txt cannot be read'),
    (FRAME, None, r'1 are missing: \[2\]'),
    ('M_attr/train/M0101_attr.txt', '1,0,0', 'expected 10 flags'),
    (f'{GT}/M0101_gt_whole.txt', '1,2,2,3,4,5,1,1,1', 'duplicate instance'),
], ids=str)
def test_what_is_not_understood_is_refused_and_not_written(tree, capsys, name, change, said):
    if change is None:
        (tree / name).unlink()
    else:
        replace_line(tree / name, change)
    assert main([str(tree), '--partial', '--splits', 'train']) == 1
    error = capsys.readouterr().err
    assert re.search(said, error), error
    assert 'Traceback' not in error
    assert not (tree / 'annotations/uavdt_train.json').exists()
    # The check says the same, without writing.
    assert main([str(tree), '--partial', '--check']) == 1


def test_missing_videos_and_folders_are_named(tree, tmp_path, capsys):
    assert main([str(tree)]) == 1
    assert 'lacks 28 of the 30 videos of train: M0202, M0204' in capsys.readouterr().err
    assert main([str(tree), '--check']) == 1
    assert 'error [video missing] and 37 more of this kind' in capsys.readouterr().out
    assert main([str(tmp_path)]) == 1
    assert 'has no ground-truth files: expected GT or' in capsys.readouterr().err
    with pytest.raises(UavdtError, match='has no frames of M0101'):
        Tree.find(tree, images=tmp_path / 'nothing')
    (tree / 'UAV-benchmark-M/M9999').mkdir()
    (tree / GT / 'M9999_gt_whole.txt').write_text('')
    assert main([str(tree), '--partial']) == 0
    assert 'M9999 is in no list of the official split' in capsys.readouterr().err


def test_unknown_codes_are_counted(tree):
    replace_line(tree / GT / 'M0101_gt_whole.txt', '1,1,2,3,9,9,7,1,8')
    with pytest.warns(UserWarning, match='objects') as caught:
        assert main([str(tree), '--partial']) == 0
    said = ' '.join(str(item.message) for item in caught)
    assert "1 objects are of 1 names that no category has (1 of 'category 8'" in said
    assert '1 objects have an out-of-view or occlusion code' in said


def test_a_video_without_a_file_of_regions(tree, capsys):
    (tree / GT / 'M0203_gt_ignore.txt').unlink()
    with pytest.warns(UserWarning, match=r'M0203_gt_ignore\.txt is missing'):
        assert main([str(tree), '--partial', '--splits', 'test']) == 0
    assert main([str(tree), '--partial', '--check']) == 0
    assert 'warning [regions] M0203' in capsys.readouterr().out


def test_a_whole_tree_passes_the_check(tree, capsys):
    assert main([str(tree), '--partial', '--check']) == 0
    printed = capsys.readouterr().out
    assert 'train: 2 videos, 7 frames, 21 objects, 7 regions' in printed
    assert '0 errors, 0 warnings' in printed
    assert not (tree / 'annotations').exists()


@pytest.mark.parametrize(('kind', 'name', 'change'), [
    ('image broken', FRAME, lambda path: path.write_bytes(b'\xff\xd8no')),
    ('tracking', f'{GT}/M0101_gt.txt', lambda path: replace_line(path, '1,77,1,1,9,9,1,-1,-1')),
    ('tracking', f'{GT}/M0101_gt.txt', lambda path: path.write_text('what')),
    ('codes', f'{GT}/M0101_gt_whole.txt', lambda path: replace_line(path, '1,1,2,3,9,9,1,9,1')),
    ('split', 'M_attr/train/M0101_attr.txt',
     lambda path: path.rename(path.parents[1] / 'test' / path.name)),
])
def test_the_check_compares_the_files(tree, capsys, kind, name, change):
    change(tree / name)
    code = main([str(tree), '--partial', '--check'])
    printed = capsys.readouterr().out
    assert f'[{kind}]' in printed
    assert code == int(f'error [{kind}]' in printed)


def test_lines_as_programs_write_them(tmp_path):
    path = tmp_path / 'x.txt'
    path.write_text('1,5,10,20,30,40,1,1,2,\r\n\n 2, 5, 10.5, 20, 30, 40, 1, 4, 2\n')
    rows = read_rows(path)
    assert rows.frames.tolist() == [0, 1]
    assert rows.boxes.tolist() == [[10, 20, 30, 40], [10.5, 20, 30, 40]]
    assert rows.codes.tolist() == [[1, 1, 2], [1, 4, 2]]


def test_it_is_a_command(tree, run_tool):
    done = run_tool('uavdt2coco_vid.py', tree, '--partial', '--splits', 'test')
    assert done.returncode == 0, done.stderr
    assert converted(tree, 'test')['videos'][0]['name'] == 'M0203'
