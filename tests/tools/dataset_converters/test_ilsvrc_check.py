"""``--check`` finds what is missing or broken."""

import dataclasses
import shutil

import pytest
from ilsvrc_check import EXPECTED, check_tree
from ilsvrc_cli import run_check
from toy_vid.spec import ToyVidSpec
from toy_vid.tree import write_tree

VAL = 'val/ILSVRC2015_val_00000000'
FRAME = f'VID/{VAL}/000001'


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp('tree') / 'whole'
    write_tree(root, ToyVidSpec(1, 2, 2, frames=3, size=(32, 40)), workers=1)
    return root


@pytest.fixture
def tree(whole, tmp_path):
    shutil.copytree(whole, tmp_path / 'tree')
    return tmp_path / 'tree'


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(('kind', 'name', 'change'), [
    ('image missing', f'Data/{FRAME}.JPEG', lambda path: path.unlink()),
    ('image broken', f'Data/{FRAME}.JPEG', truncate),
    ('image broken', f'Data/{FRAME}.JPEG', lambda path: path.write_bytes(b'')),
    ('xml missing', f'Annotations/{FRAME}.xml', lambda path: path.unlink()),
    ('xml unreadable', f'Annotations/{FRAME}.xml', truncate),
    ('video missing', f'Data/VID/{VAL}', shutil.rmtree),
    ('video missing', f'Annotations/VID/{VAL}', shutil.rmtree),
    ('frame count', f'Data/VID/{VAL}', lambda path: (path / '000009.JPEG').write_bytes(b'')),
    ('folder missing', 'Data/VID', shutil.rmtree),
    ('list', 'ImageSets/VID/VID_val_videos.txt', lambda path: path.write_text('what\n')),
])
def test_fault_is_found_and_named(tree, kind, name, change, capsys):
    change(tree / name)
    problems = check_tree(tree, ('val',), {}).problems
    assert kind in {item.kind for item in problems}
    assert any(name.rsplit('/', 1)[-1] in item.where + item.found for item in problems)
    assert run_check(tree, ('val',), any_counts=True) == 1
    assert f'error [{kind}]' in capsys.readouterr().out


def test_a_missing_video_is_one_problem_and_not_one_per_frame(tree):
    shutil.rmtree(tree / f'Data/VID/{VAL}')
    assert len(check_tree(tree, ('val',), {}).problems) == 1


def test_whole_tree_passes(whole, capsys):
    assert run_check(whole, ('train', 'val', 'det'), any_counts=True) == 0
    assert 'val: 2 videos, 6 frames' in capsys.readouterr().out


def test_totals_of_imagenet_vid_are_expected(whole, capsys):
    assert EXPECTED['val'] == dict(videos=555, frames=176126, boxes=273505)
    assert run_check(whole, ('val',), any_counts=False) == 1
    assert '2 videos, expected 555' in capsys.readouterr().out


def test_problems_are_complete_sentences(tree):
    (tree / f'Data/{FRAME}.JPEG').unlink()
    for item in check_tree(tree, ('val',), EXPECTED).problems:
        assert all(dataclasses.astuple(item)[:4])


def test_script_checks(whole, run_tool):
    done = run_tool('ilsvrc2coco_vid.py', '--check', whole, '--splits', 'val', '--any-counts')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '0 errors, 0 warnings'
