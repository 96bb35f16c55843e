"""Kinds of errors on ToyVID, by cases of one frame."""

import json

import pytest
from toy_vid_errors import AT_OBJECTS, WITHOUT_OBJECT, errors, main

from .test_toy_vid_difficulty import ANNOTATIONS, found


@pytest.mark.parametrize(('boxes', 'kind', 'others'), [
    ([found(1)], 'right', []),
    ([found(1, 2, 0.4), found(1, 1, 0.3)], 'other texture', []),
    ([found(1, 1, 0.4), found(1, 2, 0.3)], 'right', []),
    ([found(1), found(1, 2, 0.6)], 'right', ['second class']),
    ([found(1, 3)], 'other shape', ['second class']),
    ([found(1, bbox=(0, 0, 10, 4))], 'no box', ['misplaced']),
    ([found(1, bbox=(50, 50, 9, 9)), found(1, bbox=(70, 50, 9, 9), score=0.4)], 'no box',
     ['elsewhere']),
    ([found(1, bbox=(0, 0, 10, 0.5))], 'no box', ['elsewhere']),
], ids=['right', 'texture', 'strongest first', 'second class', 'shape', 'misplaced', 'weak boxes',
        'hardly near'])
def test_kinds_of_a_frame(boxes, kind, others):
    # the other clean frame, 3, has a right box
    row = errors(ANNOTATIONS, [*boxes, found(3)])['clean']
    expected = dict.fromkeys((*AT_OBJECTS, *WITHOUT_OBJECT), 0)
    for name in (kind, 'right', *others):
        expected[name] += 50
    assert row == expected


def test_frames_without_boxes_and_groups_without_objects():
    assert errors(ANNOTATIONS, [])['degraded']['no box'] == 100
    empty = dict(ANNOTATIONS, annotations=[])
    assert all(value != value for value in errors(empty, [found(1)])['clean'].values())


def test_the_table_has_two_lines_per_file(tmp_path, capsys):
    (tmp_path / 'truth.json').write_text(json.dumps(ANNOTATIONS))
    (tmp_path / 'a.json').write_text(json.dumps([found(1), found(2, 2)]))
    assert main([str(tmp_path / 'truth.json'), f'a=b={tmp_path / "a.json"}']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == '| a=b | clean | 50.0 | 0.0 | 0.0 | 50.0 | 0.0 | 0.0 | 0.0 |'
    assert lines[3] == '| a=b | degraded | 0.0 | 50.0 | 0.0 | 50.0 | 0.0 | 50.0 | 0.0 |'
    assert main([str(tmp_path / 'truth.json'), f'a={tmp_path / "b.json"}']) == 1
    assert 'b.json' in capsys.readouterr().err
