"""The real commands with a tiny MEGA on tiny videos: train, resume, test, draw, several processes.

The first test runs by default; the others are slow.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmvod_plugins.engine.launch import stock_script
from mmvod_plugins.evaluation import load_predictions
from mmvod_plugins.evaluation.coco_json import to_coco_results
from tests.datasets.tiny_vid import make_tiny_vid
from tests.tools.tiny_video import settings_of

ROOT = Path(__file__).resolve().parents[2]
TRAIN, TEST = str(ROOT / 'tools/train.py'), str(ROOT / 'tools/test.py')
REAL = ROOT.parent / 'shared' / 'data' / 'mmtracking_tests'
LENGTHS = (5, 3)
ENVIRON = os.environ | {
    'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable,
    'CUDA_VISIBLE_DEVICES': '-1',
    'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '1'  # for mmdet's own scripts with mmengine 0.10.7
}
slow = pytest.mark.slow


def start(folder, *command):
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=folder, env=ENVIRON,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run(folder, *command):
    """Run a script and return what it prints."""
    process = start(folder, *command)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text[-4000:]
    return text


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder with videos, configs, and MEGA after four iterations; and what training printed."""
    folder = tmp_path_factory.mktemp('video_commands')
    path = make_tiny_vid(folder / 'videos', lengths=LENGTHS)
    Config(settings_of(path, path.parent, 3)).dump(folder / 'tiny.py')
    bases = ['tiny.py', str(ROOT / 'configs/_base_/cpu_distributed.py')]
    (folder / 'tiny_two.py').write_text(f'_base_ = {bases!r}\n')
    text = run(folder, TRAIN, 'tiny.py', '--work-dir', 'work')
    return folder, text


def detections(folder, *command, options=()):
    """The boxes that a test finds, sorted: (image, class, score, box)."""
    prefix = folder / f'out_{time.monotonic_ns()}'
    run(folder, *command, '--work-dir', 'test', '--cfg-options',
        f'test_evaluator.outfile_prefix={prefix}', *options)
    found = json.loads(Path(f'{prefix}.bbox.json').read_text())
    return sorted((d['image_id'], d['category_id'], d['score'], d['bbox']) for d in found)


@pytest.fixture(scope='module')
def alone(trained):
    """Boxes that one process without workers finds, frame by frame."""
    return detections(trained[0], TEST, 'tiny.py', 'work/iter_4.pth')


def test_mega_trains_and_validates_by_the_stock_script(trained):
    folder, text = trained
    assert (folder / 'work/iter_4.pth').is_file()
    assert len(re.findall(r'Iter\(train\) \[\d/4\].* loss: \d', text)) == 4
    assert re.search(r'Iter\(val\) \[8/8\].*coco/bbox_mAP_50: ', text)


class Attack:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path('attacked'), )


def refused(folder, *command):
    """What a command prints that must not run."""
    process = start(folder, *command)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 1, text
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize('command', [
    [TEST, 'tiny.py', 'attack.pth'],
    pytest.param([TRAIN, 'tiny.py', '--cfg-options', 'load_from=attack.pth'], marks=slow),
    pytest.param([TRAIN, 'tiny.py', '--resume', 'attack.pth'], marks=slow)])
def test_a_checkpoint_with_code_is_refused(trained, command):
    folder, _ = trained
    content = torch.load(folder / 'work/iter_4.pth', weights_only=False)
    torch.save(dict(content, extra=Attack()), folder / 'attack.pth')
    line = refused(folder, *command, '--work-dir', 'attack')
    assert line.startswith('attack.pth holds more than weights: loading it would run pathlib.')
    assert '--trust' in line
    assert not (folder / 'attacked').exists()


@slow
def test_a_trusted_checkpoint_is_loaded(trained):
    folder, _ = trained
    content = torch.load(folder / 'work/iter_4.pth', weights_only=False)
    torch.save(dict(content, extra=Path('x')), folder / 'more.pth')
    run(folder, TEST, 'tiny.py', 'more.pth', '--work-dir', 'test', '--trust')


@slow
def test_resume_in_an_empty_folder_starts_from_load_from(trained):
    folder, _ = trained
    text = run(folder, TRAIN, 'tiny.py', '--work-dir', 'empty', '--resume', '--cfg-options',
               'load_from=work/iter_4.pth')
    assert 'the training starts from work/iter_4.pth' in text
    assert 'Load checkpoint from work/iter_4.pth' in text


@slow
def test_every_frame_is_evaluated(alone):
    assert sorted({image for image, *_ in alone}) == list(range(1, sum(LENGTHS) + 1))


@slow
def test_show_dir_draws_every_frame_and_video(trained):
    folder, _ = trained
    run(folder, TEST, 'tiny.py', 'work/iter_4.pth', '--work-dir', 'drawn', '--show-dir', 'shown')
    drawn = {str(path.relative_to(path.parents[1])) for path in folder.rglob('shown/*/*.jpg')}
    assert drawn == {f'video_{video}/{frame:06d}.jpg'
                     for video, length in enumerate(LENGTHS) for frame in range(length)}
    videos = list(folder.rglob('shown/*.mp4'))
    assert {path.stem for path in videos} == {'video_0', 'video_1'}
    assert all(path.stat().st_size > 500 for path in videos)


@slow
def test_mmdet_s_own_script_gives_the_same_detections(trained, alone):
    found = detections(trained[0], stock_script('test.py'), 'tiny.py', 'work/iter_4.pth')
    assert found == alone


@slow
@pytest.mark.parametrize('options', [
    ['test_dataloader.num_workers=2'],
    ['test_dataloader.batch_size=3', 'model.encode_batch=1'],
    ['runner_type=Runner'],
], ids=['two workers', 'three frames per batch', 'natural order'])
def test_detections_do_not_depend_on_the_loader(trained, alone, options):
    assert detections(trained[0], TEST, 'tiny.py', 'work/iter_4.pth', options=options) == alone


@slow
def test_two_processes_train(trained):
    folder, _ = trained
    text = run(folder, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=29605',
               TRAIN, 'tiny_two.py', '--launcher', 'pytorch', '--work-dir', 'two')
    assert (folder / 'two/iter_4.pth').is_file()
    assert re.search(r'Iter\(val\) .*coco/bbox_mAP_50: ', text)


@slow
def test_a_killed_training_goes_on_where_it_was(trained):
    folder, _ = trained
    process = start(folder, TRAIN, 'tiny.py', '--work-dir', 'killed', '--cfg-options',
                    'train_cfg.max_iters=100000', 'train_cfg.val_interval=100000')
    latest = folder / 'killed/last_checkpoint'
    deadline = time.monotonic() + 120
    while not latest.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = int(re.search(r'iter_(\d+)', latest.read_text())[1])
    text = run(folder, TRAIN, 'tiny.py', '--work-dir', 'killed', '--resume', '--cfg-options',
               f'train_cfg.max_iters={done + 2}', f'train_cfg.val_interval={done + 2}')
    assert f'resumed epoch: 0, iter: {done}' in text
    iterations = [int(n) for n in re.findall(r'Iter\(train\) \[\s*(\d+)/', text)]
    assert iterations == [done + 1, done + 2]
    assert (folder / f'killed/iter_{done + 2}.pth').is_file()


def predictions(folder, name, *options):
    run(folder, TEST, 'tiny.py', 'work/iter_4.pth', '--work-dir', 'test', '--out', name, *options)
    return load_predictions(folder / name)


@slow
def test_out_writes_every_prediction(trained, alone):
    folder, _ = trained
    found = predictions(folder, 'all.npz', '--cfg-options', 'model.detections.relations=True')
    assert [video.num_frames for video in found.videos] == list(LENGTHS)
    assert found.classes == ('class_0', 'class_1', 'class_2')
    assert all(len(video.relations) == video.num_frames - 1 for video in found.videos)
    rows = sorted((d['image_id'], d['category_id'], d['score'], d['bbox'])
                  for d in to_coco_results(found, [0, 1, 2]))
    assert len(rows) == len(alone)
    for row, expected in zip(rows, alone, strict=True):
        assert row[:2] == expected[:2]
        assert row[2] == pytest.approx(expected[2])
        assert row[3] == pytest.approx(expected[3], abs=1e-4)


@slow
def test_a_killed_test_goes_on_with_the_videos_that_are_left(trained):
    folder, _ = trained
    path = make_tiny_vid(folder / 'long', lengths=(3, 4, 120))
    options = ['--cfg-options', f'test_dataloader.dataset.ann_file={path}',
               f'test_dataloader.dataset.data_prefix.img_path={path.parent}',
               'test_dataloader.dataset.indices=3', f'test_evaluator.ann_file={path}']
    process = start(folder, TEST, 'tiny.py', 'work/iter_4.pth', '--work-dir', 'test', '--out',
                    'k.npz', *options)
    deadline = time.monotonic() + 120
    while len(list((folder / 'k.npz.parts').glob('video_*.npz'))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / 'k.npz').exists()
    text = run(folder, TEST, 'tiny.py', 'work/iter_4.pth', '--work-dir', 'test', '--out', 'k.npz',
               *options)
    assert '2 videos are read from k.npz.parts' in text
    assert 'Iter(test) [120/120]' in text
    whole = predictions(folder, 'whole.npz', *options)
    resumed = load_predictions(folder / 'k.npz')
    assert all(a.equals(b) for a, b in zip(whole.videos, resumed.videos, strict=True))
    numbers = [json.loads(max(folder.glob('test/*/*.json'), key=os.path.getmtime).read_text())]
    assert f"coco/bbox_mAP_50: {numbers[0]['coco/bbox_mAP_50']:.4f}" in text


@slow
def test_a_killed_test_of_two_processes_goes_on_with_two(trained):
    folder, _ = trained
    path = make_tiny_vid(folder / 'long_two', lengths=(3, 4, 90, 100))
    command = ['-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=29607', TEST,
               'tiny_two.py', 'work/iter_4.pth', '--launcher', 'pytorch', '--work-dir', 'test',
               '--out', 'two.npz', '--cfg-options', f'test_dataloader.dataset.ann_file={path}',
               f'test_dataloader.dataset.data_prefix.img_path={path.parent}',
               f'test_evaluator.ann_file={path}']
    process = subprocess.Popen([sys.executable, *command], cwd=folder, env=ENVIRON,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    deadline = time.monotonic() + 120
    while not list((folder / 'two.npz.parts').glob('video_*.npz')):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    workers = subprocess.run(['pgrep', '-f', str(path)], capture_output=True, text=True,
                             check=False)
    for worker in workers.stdout.split():  # torch gives each worker a session of its own
        os.kill(int(worker), signal.SIGKILL)
    assert not (folder / 'two.npz').exists()
    text = run(folder, *command)
    assert re.search(r'[12] videos are read from two\.npz\.parts', text)
    assert [v.num_frames for v in load_predictions(folder / 'two.npz').videos] == [3, 4, 90, 100]


def results(folder, name, *launcher):
    """Boxes, numbers and predictions file of a test by mmdet's metric and ours."""
    prefix = folder / name
    run(folder, *launcher, TEST, 'metrics.py', 'work/iter_4.pth', '--work-dir', name, '--out',
        f'{name}.npz', *(['--launcher', 'pytorch'] if launcher else []), '--cfg-options',
        f'test_evaluator.0.outfile_prefix={prefix}')
    found = json.loads(Path(f'{prefix}.bbox.json').read_text())
    path = max((folder / name).glob('*/*.json'), key=os.path.getmtime)
    numbers = {key: value for key, value in json.loads(path.read_text()).items()
               if key.startswith(('vid/', 'coco/'))}
    boxes = sorted((d['image_id'], d['category_id'], d['score'], d['bbox']) for d in found)
    return boxes, numbers, load_predictions(folder / f'{name}.npz').videos


@pytest.fixture(scope='module')
def by_all_metrics(trained):
    folder, _ = trained
    evaluators = [Config.fromfile(folder / 'tiny.py').test_evaluator.to_dict(), dict(
        type='ImageNetVIDMetric', stability_score=0.0, proposal_limits=[5],
        ann_file=str(folder / 'videos/tiny_vid.json'))]
    (folder / 'metrics.py').write_text(
        f"_base_ = 'tiny_two.py'\ntest_evaluator = {evaluators!r}\n")
    return results(folder, 'metrics_one')


@slow
@pytest.mark.parametrize('processes', [2, 3], ids=['two', 'more than videos'])
def test_results_do_not_depend_on_the_processes(trained, alone, by_all_metrics, processes):
    boxes, numbers, videos = results(
        trained[0], f'metrics_{processes}', '-m', 'torch.distributed.run',
        f'--nproc_per_node={processes}', f'--master_port={29600 + processes}')
    expected_boxes, expected, expected_videos = by_all_metrics
    assert boxes == expected_boxes == alone
    assert all(a.equals(b) for a, b in zip(expected_videos, videos, strict=True))
    assert expected.keys() == numbers.keys()
    assert expected['vid/recall_5'] > 0
    for key, value in expected.items():
        assert numbers[key] == pytest.approx(value, nan_ok=True), key


@slow
def test_detections_without_nms_are_written_and_not_evaluated(trained):
    folder, _ = trained
    command = [TEST, 'tiny.py', 'work/iter_4.pth', '--work-dir', 'test', '--out', 'raw.npz']
    text = run(folder, *command, '--cfg-options', 'model.detections.nms=False')
    assert 'are written and not evaluated' in text
    assert 'bbox_mAP' not in text
    found = load_predictions(folder / 'raw.npz')
    assert {video.suppressed for video in found.videos} == {False}


@slow
def test_different_policies_in_one_config_are_refused(trained):
    folder, _ = trained
    process = start(folder, TEST, 'tiny.py', 'work/iter_4.pth', '--work-dir', 'refused',
                    '--cfg-options', 'test_dataloader.sampler.references.type=KeyFrameOnly')
    text, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert 'test_dataloader.sampler.references' in text
    assert 'model.references' in text


@slow
@pytest.mark.skipif(not REAL.is_dir(), reason='MMTracking test images are not in shared/data')
def test_real_frames_of_which_some_are_missing(tmp_path):
    """Five of eight files do not exist: grey frames replace them, with a warning each."""
    ann_file = REAL / 'demo_imagenetvid_data/ann_vid.json'
    settings = settings_of(ann_file, REAL, 2, scale=(128, 64))
    Config(settings).dump(tmp_path / 'real.py')
    model = MODELS.build(Config(settings).model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'random.pth')
    text = run(tmp_path, TEST, 'real.py', 'random.pth', '--work-dir', 'work', '--show-dir', 'shown')
    for number in range(4, 9):
        assert re.search(rf'image_{number}.jpg cannot be read.*a grey frame is used instead', text)
    assert 'image_3.jpg cannot be read' not in text
    assert len(list(tmp_path.rglob('shown/*/*.jpg'))) == 8
    assert 'coco/bbox_mAP_50: ' in text
