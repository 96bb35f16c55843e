"""The real commands on a tiny data set: train, resume, test, alone and in two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmvod_plugins.engine.launch import stock_script
from mmvod_plugins.evaluation import load_predictions
from tests.tools.tiny_coco import write_config, write_images

ROOT = Path(__file__).resolve().parents[2]
FRAGMENT = ROOT / 'configs/_base_/cpu_distributed.py'
TRAIN, TEST = str(ROOT / 'tools/train.py'), str(ROOT / 'tools/test.py')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder with images, a config, and a detector that was trained for an epoch."""
    folder = tmp_path_factory.mktemp('commands')
    write_images(folder / 'images')
    write_config(folder / 'tiny.py', folder / 'images', bases=[])
    write_config(folder / 'tiny_two.py', folder / 'images', bases=[str(FRAGMENT)])
    run(folder, sys.executable, TRAIN, 'tiny.py', '--work-dir', 'one', '--auto-scale-lr')
    return folder


def run(folder, *command, check=True):
    environ = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'PORT': '29577',
                            'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': '-1'}
    done = subprocess.run([str(part) for part in command], cwd=folder, env=environ, check=False,
                          capture_output=True, text=True, timeout=300)
    if check and done.returncode:
        raise AssertionError(done.stdout[-3000:] + done.stderr[-3000:])
    return done


def metrics(folder, work_dir):
    """The metrics of the latest test that was run with a work directory."""
    path = max((folder / work_dir).glob('*/*.json'), key=lambda path: path.stat().st_mtime)
    return {key: value for key, value in json.loads(path.read_text()).items() if 'coco' in key}


@pytest.fixture(scope='module')
def measured(trained):
    """Metrics of one process."""
    run(trained, sys.executable, TEST, 'tiny_two.py', 'one/epoch_1.pth', '--work-dir', 'test_one')
    return metrics(trained, 'test_one')


def test_resume_goes_on_where_training_stopped(trained):
    assert (trained / 'one' / 'epoch_1.pth').is_file()
    done = run(trained, sys.executable, TRAIN, 'tiny.py', '--work-dir', 'one', '--resume',
               '--cfg-options', 'train_cfg.max_epochs=2')
    assert (trained / 'one' / 'epoch_2.pth').is_file()
    assert 'resumed epoch: 1' in done.stdout + done.stderr


def test_two_processes_train(trained):
    run(trained, ROOT / 'tools/dist_train.sh', 'tiny_two.py', '2', '--work-dir', 'two')
    assert (trained / 'two' / 'epoch_1.pth').is_file()


@pytest.mark.parametrize('script', [TEST, str(stock_script('test.py'))], ids=['ours', 'mmdet'])
def test_two_processes_measure_what_one_does(trained, measured, script, monkeypatch):
    # mmengine 0.10.7 needs it where our tools are not used
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    run(trained, sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2',
        '--master_port=29578', script, 'tiny_two.py', 'one/epoch_1.pth', '--launcher', 'pytorch',
        '--work-dir', 'test_two')
    assert measured
    assert metrics(trained, 'test_two') == measured


def test_out_with_a_pickle_file_warns_before_the_run(trained):
    done = run(trained, sys.executable, TEST, 'tiny.py', 'one/epoch_1.pth', '--out', 'out.pkl')
    assert 'name a file NAME.npz, or a folder' in done.stdout
    assert (trained / 'out.pkl').is_file()


def test_out_writes_the_predictions_of_an_image_detector(trained):
    run(trained, sys.executable, TEST, 'tiny.py', 'one/epoch_1.pth', '--out', 'out.npz')
    found = load_predictions(trained / 'out.npz')
    assert len(found.videos) == 6


def test_amp_without_a_gpu_is_refused(trained):
    done = run(trained, sys.executable, TRAIN, 'tiny.py', '--amp', check=False)
    assert done.returncode == 1
    assert '--amp needs a GPU' in done.stderr
