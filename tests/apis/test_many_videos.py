"""Many videos: each done once by any number of processes, bad ones listed, runs go on."""

import importlib.util
import json
import multiprocessing
import os
import re
import shlex
import time

import numpy as np
import pytest

from mmvod_plugins.apis import VideoDetInferencer
from mmvod_plugins.apis.many_videos import ManyVideos, device_of_process
from mmvod_plugins.apis.sources import list_videos
from mmvod_plugins.cli import main
from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.results import read_results
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.claims import Claim
from mmvod_plugins.visualization import write_video
from tests.apis.test_inference import as_images, model_file
from tests.models.tiny import ONLINE, video
from tests.test_docs import blocks

DONE = re.compile(r'^\[\d/\d\] (\S+): \d frames', re.MULTILINE)


def detections(path):
    return Predictions([VideoDetections(
        path.name, np.arange(2), np.zeros(2, np.int64), np.zeros((0, 4), np.float32),
        np.zeros(0, np.float32), np.zeros(0, np.int64))], ('a', ))


def slowly(path):
    time.sleep(0.02)
    return detections(path)


@pytest.fixture
def clips(tmp_path):
    """Videos of 2, 4 and 3 frames, two of one name, and a file that is none."""
    for name, count in (('a', 2), ('b', 4), ('more/a', 3)):
        write_video(tmp_path / f'clips/{name}.mp4', as_images(video(count)))
    (tmp_path / 'clips/bad.mp4').write_text('no video')
    return tmp_path


def listed(folder):
    return list_videos([str(folder / 'clips/**/*.mp4')])


def work(paths, out, queue):
    queue.put([str(job.path) for job, *_ in ManyVideos(paths, out).work(slowly)])


def test_processes_do_each_video_once(tmp_path):
    paths = [tmp_path / f'{i}.mp4' for i in range(20)]
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    processes = [context.Process(target=work, args=(paths, tmp_path / 'out', queue))
                 for _ in range(4)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert sorted(path for part in found for path in part) == sorted(map(str, paths))
    assert sum(bool(part) for part in found) > 1
    assert not [*(tmp_path / 'out/claims').iterdir()]


def test_the_longest_comes_first_and_equal_names_stay_apart(clips):
    videos = ManyVideos(listed(clips), clips / 'out')
    names = [str(job.path.relative_to(clips / 'clips')) for job, *_ in videos.work(detections)]
    assert names == ['b.mp4', 'more/a.mp4', 'a.mp4', 'bad.mp4']
    assert videos.merge(clips / 'all.npz') == 4
    ids = [found.video_id for found in read_results(clips / 'all.npz').videos]
    assert sorted(ids) == sorted(map(str, listed(clips)))


def test_a_claim_is_for_one_and_ends_with_its_process(tmp_path):
    first, second = (Claim(tmp_path, 'a [1].mp4') for _ in range(2))
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    process = multiprocessing.get_context('fork').Process(
        target=lambda: Claim(tmp_path, 'dead').acquire())
    process.start()
    process.join()
    assert [*tmp_path.glob('dead*')]
    with Claim(tmp_path, 'dead') as heir:
        assert heir.acquire()
        assert not Claim(tmp_path, 'dead').acquire()
    assert not [*tmp_path.glob('dead*')]


def test_a_claim_of_another_machine_is_lost_when_it_is_not_renewed(tmp_path):
    path = tmp_path / 'a.0'
    path.write_text(json.dumps(dict(host='elsewhere', process=os.getpid())))
    assert not Claim(tmp_path, 'a').acquire()
    os.utime(path, (time.time() - 700, ) * 2)
    heir = Claim(tmp_path, 'a')
    assert heir.acquire()
    assert not Claim(tmp_path, 'a').acquire()
    heir.release()


def command(folder, *options):
    return main(['predict-videos', f'{folder}/clips/**/*.mp4', '--model', f'{folder}/config.py',
                 '--weights', f'{folder}/model.pth', '--out', f'{folder}/out', '--device', 'cpu',
                 *options])


def test_the_command_lists_bad_files_goes_on_and_merges(clips, capsys):
    model_file(clips, ONLINE)
    assert command(clips, '--merge', f'{clips}/all.csv') == 1
    captured = capsys.readouterr()
    assert len(DONE.findall(captured.out)) == 3
    assert '1 of 4 videos failed' in captured.err
    [line] = (clips / 'out/failed.jsonl').read_text().splitlines()
    assert json.loads(line)['video'].endswith('bad.mp4')
    assert 'no frame' in json.loads(line)['error']
    assert '3 videos' in captured.out

    assert command(clips) == 1  # nothing is done twice
    assert not DONE.findall(capsys.readouterr().out)

    write_video(clips / 'clips/bad.mp4', as_images(video(2)))
    next((clips / 'out/results').glob('b-*.npz')).unlink()
    assert command(clips, '--retry-failed') == 0
    assert len(DONE.findall(capsys.readouterr().out)) == 2
    whole = VideoDetInferencer(clips / 'config.py', clips / 'model.pth', show_progress=False)(
        clips / 'clips/b.mp4')['results'].videos[0]
    [found] = read_results(next((clips / 'out/results').glob('b-*.npz'))).videos
    np.testing.assert_array_equal(found.boxes, whole.boxes)


def test_an_interruption_leaves_the_video_to_others(clips):
    def interrupted(path):
        if path.name == 'a.mp4':
            raise KeyboardInterrupt
        return detections(path)

    videos = ManyVideos(listed(clips), clips / 'out')
    with pytest.raises(KeyboardInterrupt):
        list(videos.work(interrupted))
    assert not [*(clips / 'out/claims').iterdir()]
    assert len(videos.open_jobs()) == 3
    assert not videos.failures()
    assert len(list(videos.work(detections))) == 3


def test_results_of_two_models_are_not_merged(clips):
    videos = ManyVideos(listed(clips)[:2], clips / 'out')
    work = videos.work(lambda path: Predictions(detections(path).videos, (path.stem, )))
    assert len(list(work)) == 2
    with pytest.raises(ValueError, match='other classes'):
        videos.merge(clips / 'all.npz')


def test_a_broken_gpu_is_no_fault_of_a_video(clips):
    def broken(_):
        raise RuntimeError('CUDA error: device-side assert triggered')

    videos = ManyVideos(listed(clips), clips / 'out')
    with pytest.raises(OSError, match='left to others'):
        list(videos.work(broken))
    assert not videos.failures()
    assert len(videos.open_jobs()) == 4


def test_a_source_of_two_videos_is_a_failure_that_is_said(clips):
    videos = ManyVideos(listed(clips)[:1], clips / 'out')
    twice = Predictions(detections(clips).videos * 2, ('a', ))
    [(_, frames, error)] = videos.work(lambda _: twice)
    assert (frames, error) == (0, 'ValueError: it has 2 videos: name each of them')


def test_a_folder_keeps_to_one_model(clips):
    videos = ManyVideos(listed(clips), clips / 'out')
    videos.claim_for(dict(model='a.py'))
    videos.claim_for(dict(model='a.py'))
    with pytest.raises(ValueError, match=r'has results of .*a\.py.*, not of .*b\.py'):
        videos.claim_for(dict(model='b.py'))


def test_a_merge_that_cannot_be_written_is_refused_at_once(clips):
    model_file(clips, ONLINE)
    with pytest.raises(SystemExit, match='must end with'):
        command(clips, '--merge', f'{clips}/all.txt')
    assert not (clips / 'out/results').exists()


@pytest.mark.parametrize(('variables', 'device'), [
    ({}, None), (dict(LOCAL_RANK='3'), 'cuda:1'), (dict(SLURM_LOCALID='1'), 'cuda:1')])
def test_the_launcher_gives_the_gpu(monkeypatch, variables, device):
    for name in ('LOCAL_RANK', 'SLURM_LOCALID'):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    assert device_of_process() == device


def test_the_command_of_the_page(clips, monkeypatch):
    monkeypatch.chdir(clips)
    (clips / 'clips/bad.mp4').unlink()
    model_file(clips, ONLINE)
    [text] = blocks('at_scale.md', 'bash')
    assert main(shlex.split(text)[1:]) == 0
    assert len(read_results(clips / 'all.npz').videos) == 2


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('ray') is None, reason='ray is not installed')
def test_the_ray_recipe_of_the_page(clips, monkeypatch):
    parquet = pytest.importorskip('pyarrow.parquet')
    monkeypatch.chdir(clips)
    model_file(clips, ONLINE)
    [text] = blocks('at_scale.md', 'python ray')
    exec(compile(text, 'at_scale.md', 'exec'), {'__name__': 'recipe'})
    rows = parquet.read_table(clips / 'boxes').to_pylist()
    failed = [row for row in rows if row['error']]
    assert [row['path'] for row in failed] == [str(clips / 'clips/bad.mp4')]
    found = VideoDetInferencer('config.py', 'model.pth', show_progress=False)(
        'clips/b.mp4')['results']
    boxes = [row['x_min'] for row in rows if row['path'].endswith('b.mp4')]
    np.testing.assert_allclose(sorted(boxes), sorted(found.videos[0].boxes[:, 0]), atol=1e-4)
