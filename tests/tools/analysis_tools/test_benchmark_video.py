"""The benchmark of video detectors: a steady video, exclusive sections, counters, the command."""

import json
import multiprocessing
import shutil
from pathlib import Path

import pytest
import torch
from benchmark_video import answer, main, parse_args, runs, summarise
from video_timing import DispatchCounter, HostReads, Stopwatch, made_up, make_video

ROOT = Path(__file__).resolve().parents[3]
TOY = ROOT / 'configs' / 'toy'


def toy(pattern):
    return str(next(TOY.glob(pattern)))


def test_sections_do_not_count_what_stands_in_them():
    times = iter([0, 1, 3, 7, 15])
    stopwatch = Stopwatch(lambda: next(times))
    with stopwatch.section('outer'), stopwatch.section('inner'):
        pass
    assert stopwatch.seconds == {'outer': 1 + 4, 'inner': 2}


def test_a_method_is_watched_inside_a_section_alone():
    stopwatch = Stopwatch(lambda: 0.0)

    class Part:
        def double(self, number):
            return 2 * number

    part = Part()
    stopwatch.watch(part, 'double', 'doubling')
    assert part.double(3) == 6
    assert not stopwatch.seconds
    with stopwatch.section('all'):
        assert part.double(4) == 8
    assert set(stopwatch.seconds) == {'all', 'doubling'}


@pytest.mark.parametrize(('work', 'launches', 'waits'), [
    (lambda x: x + x, 1, {}),
    (lambda x: x.view(2, 2).T, 0, {}),
    (lambda x: x[x > 0], 2, {'boolean index': 1}),
    (lambda x: x.sum().item(), 2, {'_local_scalar_dense': 1}),
    (lambda x: x.nonzero(), 1, {'nonzero': 1}),
    (lambda x: x.tolist(), 0, {'tolist': 1}),
])
def test_launches_and_waits(work, launches, waits):
    x = torch.ones(4)
    with DispatchCounter() as dispatched, HostReads() as reads:
        work(x)
    assert dispatched.launches == launches
    assert dispatched.waits + reads.counts == waits


@torch.no_grad()
def test_every_key_frame_encodes_one_frame():
    video = make_video(toy('mega_*.py'), (64, 48), 'cpu')
    video.step()
    passes = video.passes
    for _ in range(3):
        video.step()
    assert video.passes - passes == 3
    assert video.period == 1
    assert video.remembers


@torch.no_grad()
def test_dff_repeats_itself_after_its_interval():
    video = make_video(toy('dff_*.py'), (64, 48), 'cpu')
    assert video.period == 4
    video.step()
    passes = video.passes
    for _ in range(video.period):
        video.step()
    assert video.passes - passes == 1


@pytest.mark.parametrize('start', [0, 3])
def test_a_shuffled_group_is_detected_at_once_and_another_follows(start):
    video = make_video(toy('yolov_yolox_*'), (96, 64), 'cpu')
    groups, detect = [], video.model.detect
    video.model.detect = lambda key, references, memory: (
        groups.append({role: len(part) for role, part in references.items()}),
        detect(key, references, memory))[1]
    size = video.model.policy.num_frames
    assert video.period == size
    with torch.no_grad():
        for _ in range(start + size):
            video.step()
    assert groups[start:].count({'window': size}) == 1
    assert groups[start:].count({}) == size - 1
    assert video.passes == start + size + 2  # copies of two frames stand for the others


def test_frames_move():
    first, second = made_up(2, (64, 48))
    assert first.shape == (48, 64, 3)
    assert (first != second).any()


def test_the_command(capsys, tmp_path):
    configs = [toy('faster-rcnn_*.py'), toy('fgfa_*.py')]
    assert main([*configs, '--size', '64', '48', '--rounds', '2', '--device', 'cpu', '--counts',
                 '--warmup', '1', '--json', str(tmp_path / 'out.json'), '--plot',
                 str(tmp_path / 'out.png'), '--trace', str(tmp_path / 'traces')]) == 0
    printed = capsys.readouterr()
    assert printed.err.count('round 2 of 2') == 1
    assert 'temporal part: motion' in printed.out
    single, fgfa = json.loads((tmp_path / 'out.json').read_text())['configs']
    assert single['ratio']['range'] == [1, 1]
    assert fgfa['launches'] > single['launches'] > 0
    assert fgfa['parts'][0]['temporal part: motion'] > 0
    # eight frames must follow before a frame is detected, at 25 per second
    assert fgfa['latency'] >= fgfa['lookahead'] / 25
    assert (tmp_path / 'out.png').stat().st_size > 0
    assert len(list((tmp_path / 'traces').iterdir())) == 2


@pytest.mark.parametrize('part', ['all', 'backbone'])
def test_other_orders_of_the_weights_and_no_versions(part, capsys):
    assert main([toy('faster-rcnn_*.py'), '--size', '64', '48', '--rounds', '1', '--device', 'cpu',
                 '--warmup', '1', '--channels-last', part, '--inference-mode']) == 0
    assert f'channels_last {part}, inference_mode True' in capsys.readouterr().out


def test_a_config_runs_without_its_options_first(capsys, tmp_path):
    assert main([toy('faster-rcnn_*.py'), '--size', '64', '48', '--rounds', '1', '--device', 'cpu',
                 '--warmup', '1', '--inference-mode', '--plain', '--trace', str(tmp_path)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('faster-')]
    assert [' (plain)' in row for row in rows[:2]] == [True, False]
    assert ' (plain): ' in rows[2]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_config_that_is_not_known_ends_the_command_before_anything_runs(monkeypatch):
    monkeypatch.setattr('benchmark_video.workers', lambda args: pytest.fail('a process started'))
    with pytest.raises(FileNotFoundError, match='no_such_config'):
        main([toy('mega_*.py'), 'no_such_config'])


def test_plain_runs_have_no_options_but_those_of_the_measurement():
    args = parse_args(['a.py', '--plain', '--compile', '--channels-last', 'all', '--rounds', '2'])
    plain, run = runs(args)
    assert (plain.args.compile, plain.args.channels_last, plain.args.rounds) == (None, None, 2)
    assert (run.args.compile, run.args.channels_last) == (['detector.backbone'], 'all')
    assert (plain.title, plain.base, run.title, run.base) == ('a (plain)', None, 'a', 'a (plain)')


def test_what_an_option_changes_is_stated_for_each_config():
    runs_of = {'a (plain)': (None, [1.0, 1.0]), 'a': ('a (plain)', [0.8, 0.9]),
               'b (plain)': (None, [2.0, 3.0]), 'b': ('b (plain)', [1.5, 1.5])}
    rows = [dict(config=name, base=base, seconds=seconds, parts=[], lookahead=None)
            for name, (base, seconds) in runs_of.items()]
    summarise(rows, fps=25)
    assert [row['change'] and row['change']['range'] for row in rows] == [
        None, [0.8, 0.9], None, [0.5, 0.75]]
    assert rows[3]['ratio']['range'] == [1.5, 1.5]


def test_a_config_that_fails_is_no_traceback_of_the_driver():
    driver, worker = multiprocessing.Pipe()
    worker.close()
    with pytest.raises(SystemExit, match='lines above say why'):
        answer(driver)


def test_another_checkout_runs_first(capsys, tmp_path):
    """Its package, not this one: a copy that says where it comes from."""
    shutil.copytree(ROOT / 'mmvod_plugins', tmp_path / 'mmvod_plugins')
    with (tmp_path / 'mmvod_plugins' / 'models' / 'frame_encoder.py').open('a') as file:
        file.write(f"\nopen({str(tmp_path / 'imported')!r}, 'w').close()\n")
    assert main([toy('faster-rcnn_*.py'), '--size', '64', '48', '--rounds', '1', '--device', 'cpu',
                 '--warmup', '1', '--before', str(tmp_path)]) == 0
    assert '(before)' in capsys.readouterr().out
    assert (tmp_path / 'imported').exists()


def test_a_checkout_without_the_package_is_refused(tmp_path):
    with pytest.raises(SystemExit, match='holds no folder mmvod_plugins'):
        main([toy('faster-rcnn_*.py'), '--device', 'cpu', '--before', str(tmp_path)])
