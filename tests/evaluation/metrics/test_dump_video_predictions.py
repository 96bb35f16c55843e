"""Predictions reach the disk video by video."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmvod_plugins.evaluation import DumpVideoPredictions, load_predictions

from ..samples import feed, frame, track

ROOT = Path(__file__).resolve().parents[3]
RUN = dict(model='m', checkpoint='c')


def ids(folder):
    return [video.video_id for video in load_predictions(folder).videos]


def test_every_frame_is_in_the_file(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'), info=dict(config='x'))
    feed(metric, {2: 3, 1: 2})
    assert metric.evaluate() == {}
    found = load_predictions(tmp_path / 'p.npz')
    assert found.classes == ('a', 'b', 'c')
    assert found.info == dict(config='x')
    assert [v.frame_ids.tolist() for v in found.videos] == [[0, 1], [0, 1, 2]]
    expected = frame(2, 1, 3).pred_instances
    assert np.array_equal(found.videos[1].boxes[2:4], expected.bboxes.numpy())
    assert [path.name for path in tmp_path.iterdir()] == ['p.npz']


def test_a_finished_video_is_on_disk_at_once_and_not_in_memory(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    feed(metric, {0: 2, 1: 3})
    metric.process(None, [track(frame(5, 0, 2))])
    assert ids(tmp_path / 'p.npz.parts') == [0, 1]
    assert len(metric.results) == 2
    metric.evaluate()
    assert ids(tmp_path / 'p.npz') == [0, 1, 5]  # the unfinished one as far as it came


def test_a_folder_stays_a_folder(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'out'))
    feed(metric, {0: 2, 1: 3})
    metric.evaluate()
    assert ids(tmp_path / 'out') == [0, 1]


def test_what_another_run_left_is_neither_mixed_in_nor_lost(tmp_path):
    feed(DumpVideoPredictions(str(tmp_path / 'out')), {0: 2, 7: 1})
    metric = DumpVideoPredictions(str(tmp_path / 'out'))
    with pytest.raises(ValueError, match='holds predictions of another run: delete'):
        feed(metric, {0: 2, 1: 1})
    assert ids(tmp_path / 'out') == [0, 7]


def test_parts_of_an_unknown_run_do_not_go_on(tmp_path):
    feed(DumpVideoPredictions(str(tmp_path / 'p.npz')), {0: 2})
    for content in (None, '{"model": '):
        if content:
            (tmp_path / 'p.npz.parts/run.json').write_text(content)
        with pytest.raises(ValueError, match='of an unknown run'):
            DumpVideoPredictions(str(tmp_path / 'p.npz')).resume(RUN)


def test_a_finished_folder_is_not_taken_for_an_interrupted_run(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'out'))
    metric.resume(RUN)
    feed(metric, {0: 2})
    metric.evaluate()
    with pytest.raises(ValueError, match='the predictions of a finished run'):
        DumpVideoPredictions(str(tmp_path / 'out')).resume(RUN)


def test_a_frame_that_comes_again_changes_nothing(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    feed(metric, {0: 3})
    metric.process(None, [track(frame(0, 0, 3, number=5)), track(frame(1, 0, 2)),
                          track(frame(1, 0, 2, number=5))])
    with pytest.warns(UserWarning, match='2 frames were predicted more than once'):
        metric.evaluate()
    found = load_predictions(tmp_path / 'p.npz').videos
    assert [v.num_boxes.tolist() for v in found] == [[2, 2, 2], [2]]


def test_an_interrupted_run_goes_on(tmp_path):
    first = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    assert first.resume(RUN) == []
    feed(first, {0: 2})
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    parts = metric.resume(RUN)
    assert [part.video_id for part in parts] == [0]
    assert metric.read(parts[0]).num_frames == 2
    metric.results += parts
    feed(metric, {1: 1})
    metric.evaluate()
    assert ids(tmp_path / 'p.npz') == [0, 1]


def test_another_run_does_not_go_on(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    metric.resume(RUN)
    feed(metric, {0: 2})
    with pytest.raises(ValueError, match=r"differs in \['checkpoint'\].*delete the folder"):
        DumpVideoPredictions(str(tmp_path / 'p.npz')).resume(RUN | dict(checkpoint='other'))


def test_names_of_videos_may_be_odd(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    metric.dataset_meta = dict(classes=('a', 'b', 'c'))
    for video_id in ('val/ILSVRC_1', 'val_ILSVRC_1', '../x' * 40):
        sample = frame(0, 0, 1)
        sample.set_metainfo(dict(video_id=video_id))
        metric.process(None, [track(sample)])
    metric.evaluate()
    assert sorted(ids(tmp_path / 'p.npz')) == sorted(['val/ILSVRC_1', 'val_ILSVRC_1', '../x' * 40])


def test_a_video_that_another_machine_wrote_is_missed(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    feed(metric, {0: 2, 1: 1})
    next((tmp_path / 'p.npz.parts').glob('video_0*')).unlink()
    with pytest.warns(UserWarning, match='shared file system'):
        metric.evaluate()
    assert ids(tmp_path / 'p.npz.parts') == [1]


def test_without_names_of_classes(tmp_path):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    with pytest.raises(ValueError, match='pass ann_file to the metric'):
        metric.process(None, [track(frame(0, 0, 1))])


HOLD = """
import sys
from pathlib import Path
from mmvod_plugins.utils.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire() is None
print('taken', flush=True)
sys.stdin.read()
"""


def test_two_tests_do_not_write_to_one_place(tmp_path):
    out, lock = tmp_path / 'p.npz', tmp_path / '.p.npz.lock'
    with subprocess.Popen([sys.executable, '-c', HOLD, str(lock)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout.readline() == 'taken\n'
        with pytest.raises(ValueError, match=rf'written by another test \(process {other.pid} on'):
            DumpVideoPredictions(str(out)).resume(RUN)
        assert not (tmp_path / 'p.npz.parts').exists()
        other.kill()
    assert lock.exists()  # a killed process leaves the file, not the lock
    metric = DumpVideoPredictions(str(out))
    metric.resume(RUN)
    feed(metric, {0: 2})
    metric.evaluate()
    assert [path.name for path in tmp_path.iterdir()] == ['p.npz']


def test_what_came_after_the_start_is_not_mixed_in(tmp_path):
    late = DumpVideoPredictions(str(tmp_path / 'out'))
    first = DumpVideoPredictions(str(tmp_path / 'out'))
    first.resume(RUN)
    feed(first, {0: 2})
    first.evaluate()
    with pytest.raises(ValueError, match=r"differs in \['checkpoint'"):
        late.resume(RUN | dict(checkpoint='other'))


def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'folder.npz').mkdir()
    for name in ('file', 'file/p.npz', 'folder.npz'):
        with pytest.raises(OSError, match='file'):
            DumpVideoPredictions(str(tmp_path / name))


@pytest.mark.parametrize('size', [0, 200, -30])
def test_a_damaged_part_is_named_with_the_remedy(tmp_path, size):
    metric = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    metric.resume(RUN)
    feed(metric, {0: 2, 1: 3})
    part = next((tmp_path / 'p.npz.parts').glob('video_1_*.npz'))
    part.write_bytes(part.read_bytes()[:size])
    again = DumpVideoPredictions(str(tmp_path / 'p.npz'))
    with pytest.raises(ValueError, match=rf'Delete \S+{part.name} and start the test again'):
        again.resume(RUN)
    part.unlink()
    assert [found.video_id for found in DumpVideoPredictions(
        str(tmp_path / 'p.npz')).resume(RUN)] == [0]


@pytest.mark.parametrize('name', [
    '../../x', '/etc/x', 'x' * 999, '漢' * 300, 'a\0b', '\U0001f600', ''])
def test_a_name_never_leads_out_of_the_folder_and_never_fails(tmp_path, name):
    metric = DumpVideoPredictions(str(tmp_path / 'p'))
    metric.dataset_meta = dict(classes=('a', 'b', 'c'))
    for i in range(2):
        sample = frame(0, i, 2)
        sample.set_metainfo(dict(video_id=name))
        metric.process(None, [track(sample)])
    metric.evaluate()
    assert ids(tmp_path / 'p') == [name]
    assert [path.name for path in tmp_path.iterdir()] == ['p']
