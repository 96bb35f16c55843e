"""Which recorded cases are found, and the size of those that every clone has."""

import os

import pytest

from . import golden


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    return folder


def test_the_bundled_set_is_compact():
    sizes = {path: path.stat().st_size for path in golden.BUNDLED.rglob('*') if path.is_file()}
    assert sum(sizes.values()) <= 12e6
    assert max(sizes.values()) <= 1.1e6


def test_without_further_folders_the_bundled_cases_are_found(monkeypatch):
    monkeypatch.setenv('MMVOD_GOLDEN', '/nonexistent')
    assert golden.folders() == [golden.BUNDLED]
    assert [case.id for case in golden.cases('mega_pytorch/e2e_*.npz')] == [
        f'mega_pytorch/e2e_{run}' for run in
        ('base', 'dff', 'fgfa_short', 'mega_short', 'rdn_short')]


def test_an_added_case_replaces_the_bundled_one_and_others_stay(monkeypatch, tmp_path):
    first = write(tmp_path / 'first', 'mmtracking/dff_k10.npz')
    second = write(tmp_path / 'second', 'mmtracking/dff_k5.npz', 'deeper/mmtracking/dff_k2.npz')
    monkeypatch.setenv('MMVOD_GOLDEN', os.pathsep.join([str(first), str(second)]))
    assert [case.id for case in golden.cases('mmtracking/dff_*.npz')] == [
        'mmtracking/dff_k10', 'second/deeper/mmtracking/dff_k2', 'second/mmtracking/dff_k5']
    assert golden.find('mmtracking/dff_k10.npz') == [first / 'mmtracking/dff_k10.npz']
    assert golden.find('mmtracking/selsa_*.npz')[0].is_relative_to(golden.BUNDLED)


def test_two_added_sets_of_one_name_both_run(monkeypatch, tmp_path):
    folders = [write(tmp_path / name, 'mega_pytorch/e2e_base.npz') for name in 'ab']
    monkeypatch.setenv('MMVOD_GOLDEN', os.pathsep.join(map(str, folders)))
    assert [case.id for case in golden.cases('mega_pytorch/e2e_base.npz')] == [
        'mega_pytorch/e2e_base', 'b/mega_pytorch/e2e_base']


def test_the_folder_of_a_program_may_be_added_itself(monkeypatch, tmp_path):
    write(tmp_path, 'mega_pytorch/e2e_new.npz')
    monkeypatch.setenv('MMVOD_GOLDEN', str(tmp_path / 'mega_pytorch'))
    assert 'mega_pytorch/e2e_new' in [
        case.id for case in golden.cases('mega_pytorch/e2e_*.npz')]


def test_files_of_other_subjects_are_not_picked_up(monkeypatch, tmp_path):
    write(tmp_path, 'yolov/e2e_x.npz', 'e2e_stray.npz', 'papers/ogemn/cell.npz',
          'mega_pytorch/inner/e2e_y.npz')
    monkeypatch.setenv('MMVOD_GOLDEN', str(tmp_path))
    for pattern in ('mega_pytorch/e2e_*.npz', 'papers/stmn/cell*.npz'):
        assert all(path.is_relative_to(golden.BUNDLED) for path in golden.find(pattern))


def test_a_pattern_without_cases_is_an_error():
    with pytest.raises(FileNotFoundError, match=r'no golden case matches yolov/e2e_nothing'):
        golden.find('yolov/e2e_nothing*.npz')
