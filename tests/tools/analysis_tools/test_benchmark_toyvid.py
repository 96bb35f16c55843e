"""The ToyVID benchmark: its rows, what is run and resumed, its table; a run on tiny data."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmark_toyvid import (
    ROOT,
    ROWS,
    Benchmark,
    Row,
    as_text,
    draw_gains,
    draw_speeds,
    main,
    read_rows,
    run_all,
    settings_of,
    summarise,
)
from mmengine.config import Config
from toyvid_pages import table

DEMO_ROWS = ROOT / 'tools/demo/rows.yml'

PARTS = ('slow', 'medium', 'fast', 'clean', 'degraded')


@pytest.fixture
def benchmark(tmp_path):
    rows = [Row('static', 'faster-rcnn_r18-fpn_1200i_toyvid', seeds=False),
            Row('control', 'faster-rcnn_r18-fpn-control_1200i_toyvid', start='static'),
            Row('mega', 'mega_faster-rcnn_r18-fpn_400i_toyvid', start='static', control='control')]
    return Benchmark(tmp_path / 'data', tmp_path / 'runs', rows, [0, 1])


def write(benchmark, name, seed, ap):
    """Make a run look finished."""
    folder = benchmark.folder(benchmark.rows[name], seed)
    folder.mkdir(parents=True)
    values = dict.fromkeys(PARTS, ap) | dict(AP50=ap, known=dict(all=0, clean=0, degraded=0))
    (folder / 'result.json').write_text(json.dumps(
        values | dict(minutes=1.0, data=str(benchmark.data),
                      settings=settings_of(benchmark.rows[name]))))


def table_of(lines):
    return table({text['method']: text for text in as_text(lines)}).split('\n')[1:]


@pytest.mark.parametrize('path', [ROWS, DEMO_ROWS], ids=['benchmark', 'demo'])
def test_every_row_has_its_config_and_a_control_of_its_start(path):
    rows = {row.name: row for row in read_rows(path)}
    for row in rows.values():
        assert (ROOT / row.path).is_file()
        if row.control is not None:
            trained = rows[row.trained] if row.trained else row
            assert rows[row.control].start == trained.start
        else:
            assert row.trained is None


def test_every_toy_config_of_a_method_is_a_row():
    configs = {path.stem for path in (ROOT / 'configs/toy').glob('*.py')}
    assert configs == {row.config for path in (ROWS, DEMO_ROWS) for row in read_rows(path)}


@pytest.mark.parametrize('path', [ROWS, DEMO_ROWS], ids=['benchmark', 'demo'])
def test_the_control_of_mega_sees_as_many_frames(path):
    rows = {row.name: row for row in read_rows(path)}
    seen = {}
    for name in ('mega', 'control'):
        config = Config.fromfile(ROOT / rows[name].path)
        parts = config.model.get('references', {}).get('policies', {}).values()
        clip = 1 + sum(part.num_samples for part in parts)  # the key frame first
        seen[name] = config.train_cfg.max_iters * config.train_dataloader.batch_size * clip
    assert seen['mega'] == seen['control']


def test_a_folder_that_was_rendered_again_does_not_have_the_old_results(benchmark):
    write(benchmark, 'static', 0, 60)
    assert benchmark.result(benchmark.rows['static'], 0)['AP50'] == 60
    benchmark.data.mkdir()
    (benchmark.data / 'toyvid.json').write_text('{"version": "another"}')
    again = Benchmark(benchmark.data, benchmark.work_dir, list(benchmark.rows.values()), [0])
    with pytest.raises(ValueError, match='of other videos'):
        again.result(again.rows['static'], 0)


def test_a_row_that_starts_from_a_later_one_is_refused(tmp_path):
    path = tmp_path / 'rows.yml'
    path.write_text('- {name: a, config: x, start: b}\n- {name: b, config: y}\n')
    with pytest.raises(ValueError, match="a needs 'b'"):
        read_rows(path)


def test_rows_bring_their_starts_and_controls_seed_by_seed(benchmark):
    jobs = [(row.name, seed) for row, seed in benchmark.jobs(['mega'])]
    assert jobs == [('static', 0), ('control', 0), ('mega', 0), ('control', 1), ('mega', 1)]


def test_a_gain_is_a_difference_between_runs_of_one_seed(benchmark):
    for name, seed, ap in (('static', 0, 60), ('control', 0, 70), ('mega', 0, 80),
                           ('mega', 1, 90)):
        write(benchmark, name, seed, ap)
    lines = {line['method']: line for line in summarise(benchmark)}
    assert lines['mega']['AP50'] == 85
    assert lines['mega']['runs'] == 2
    assert lines['mega']['gain'] == 10  # the control has no run with seed 1
    assert lines['mega']['gain_spread'] is None
    assert lines['static']['gain'] is None
    rows = table_of(summarise(benchmark))
    assert rows[2].startswith('| static | 1 | 60.0 | 60.0 |')
    assert '85.0 ± 7.1' in rows[4]
    assert rows[4].endswith('| +10.0 |  |  |  |')


def test_times_come_from_the_benchmark_of_speed(benchmark, tmp_path):
    write(benchmark, 'static', 0, 60)
    times = tmp_path / 'times.json'
    times.write_text(json.dumps(dict(configs=[dict(
        config=benchmark.rows['static'].config, median=0.0181, parameters=1_200_000,
        host_bytes=20_000_000)])))
    lines = summarise(benchmark, times)
    assert table_of(lines)[2].endswith('|  | 18.1 | 20.0 | 1.2 |')
    draw_speeds(lines, tmp_path / 'speed.svg')
    assert 'static' in (tmp_path / 'speed.svg').read_text()
    draw_speeds(summarise(benchmark), tmp_path / 'none.svg')
    assert not (tmp_path / 'none.svg').exists()


def test_the_picture_of_gains_has_the_means_over_the_seeds(benchmark, tmp_path):
    draw_gains(benchmark, tmp_path / 'none.svg')
    assert not (tmp_path / 'none.svg').exists()
    for name, seed, ap in (('control', 0, 70), ('control', 1, 70), ('mega', 0, 80),
                           ('mega', 1, 86)):
        write(benchmark, name, seed, ap)
    draw_gains(benchmark, tmp_path / 'gains.svg')
    text = (tmp_path / 'gains.svg').read_text()
    assert '<!-- +13 -->' in text
    assert '<!-- mega -->' in text
    assert '<!-- clean -->' in text
    assert '<!-- control -->' not in text


def test_the_plots_leave_rows_out_that_start_early(benchmark, tmp_path):
    row = benchmark.rows.pop('mega')
    benchmark.rows['mega-early'] = dataclasses.replace(row, name='mega-early')
    for name, ap in (('static', 60), ('control', 70), ('mega-early', 80)):
        write(benchmark, name, 0, ap)
    draw_gains(benchmark, tmp_path / 'gains.svg')
    assert not (tmp_path / 'gains.svg').exists()
    lines = [line | dict(ms=10.0) for line in summarise(benchmark)]
    draw_speeds(lines, tmp_path / 'speeds.svg')
    assert re.findall(r'<!-- \d  (\S+) -->', (tmp_path / 'speeds.svg').read_text()) == [
        'control', 'static']


@pytest.mark.parametrize(('key', 'message'), [
    ('data', 'of other videos'), ('settings', 'has changed')])
def test_a_run_of_other_data_or_settings_is_not_taken(benchmark, key, message):
    write(benchmark, 'static', 0, 60)
    path = benchmark.folder(benchmark.rows['static'], 0) / 'result.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: 'other'}))
    with pytest.raises(ValueError, match=message):
        benchmark.result(benchmark.rows['static'], 0)


def test_a_row_without_runs_is_empty(benchmark):
    assert table_of(summarise(benchmark))[2] == f'| static | 0 |{"  |" * 10}'


def test_finished_runs_stay_and_a_failure_ends_only_what_starts_from_it(benchmark, monkeypatch):
    write(benchmark, 'static', 0, 60)
    write(benchmark, 'control', 0, 70)
    called = []

    def fail(command, *_):
        called.append(Path(command[1]).name)
        raise RuntimeError('no memory')

    monkeypatch.setattr(benchmark, '_call', fail)
    failed = run_all(benchmark, ['mega'], processes=1)
    assert called == ['mega_faster-rcnn_r18-fpn_400i_toyvid.py',
                      'faster-rcnn_r18-fpn-control_1200i_toyvid.py',
                      'mega_faster-rcnn_r18-fpn_400i_toyvid.py']
    assert failed == ['mega, seed 0: no memory', 'control, seed 1: no memory',
                      'mega, seed 1: no memory']


def test_what_a_failed_run_starts_is_not_run_and_says_so(benchmark, monkeypatch):
    called = []

    def fail(command, *_):
        called.append(command)
        raise RuntimeError('no memory')

    monkeypatch.setattr(benchmark, '_call', fail)
    assert run_all(benchmark, ['mega'], processes=2)[:2] == [
        'static, seed 0: no memory', 'control, seed 0: not run: what it starts from failed']
    assert len(called) == 1


def test_the_static_detector_has_one_seed_whatever_the_others_are(benchmark):
    benchmark.seeds = (3, )
    assert [(row.name, seed) for row, seed in benchmark.jobs(['mega'])] == [
        ('static', 0), ('control', 3), ('mega', 3)]
    assert benchmark.folder(benchmark.rows['static'], 3).name == 'static-seed0'


def test_results_of_other_data_are_refused(benchmark, tmp_path):
    write(benchmark, 'static', 0, 60)
    benchmark.data = tmp_path / 'other'
    with pytest.raises(ValueError, match='use another folder for the runs'):
        benchmark.result(benchmark.rows['static'], 0)


def test_the_weights_of_the_demo_are_in_the_repository():
    listed = subprocess.run(['git', 'check-ignore', 'tools/demo/single-frame_toyvid.pth'],
                            cwd=ROOT, capture_output=True, check=False)
    assert listed.returncode == 1  # not ignored
    assert (ROOT / 'tools/demo/single-frame_toyvid.pth').is_file()


def test_a_row_with_weights_needs_no_start(tmp_path):
    rows = [Row('early', 'faster-rcnn_r18-fpn_1200i_toyvid', seeds=False),
            Row('static', 'faster-rcnn_r18-fpn-control_1200i_toyvid', start='early', seeds=False),
            Row('mega', 'mega_faster-rcnn_r18-fpn_400i_toyvid', start='static')]
    given = Benchmark(tmp_path, tmp_path, rows, [3], weights={'static': tmp_path / 'static.pth'})
    assert [(row.name, seed) for row, seed in given.jobs(['mega'])] == [('static', 0), ('mega', 3)]
    trained = Benchmark(tmp_path, tmp_path, rows, [3])
    assert [row.name for row, _ in trained.jobs(['mega'])] == ['early', 'static', 'mega']
    assert (given.checkpoint('static', 0), trained.checkpoint('static', 0)) == (
        tmp_path / 'static.pth', tmp_path / 'static-seed0/iter_1200.pth')


def test_unknown_rows_and_missing_data_are_named(tmp_path):
    with pytest.raises(SystemExit, match=r"no rows \['megaa'\]"):
        main(['--rows', 'megaa'])
    with pytest.raises(SystemExit, match=r'make_toy_vid\.py'):
        main(['--data', str(tmp_path)])


@pytest.mark.slow
def test_mega_and_its_control_run_from_kept_weights(tmp_path, monkeypatch):
    data = tmp_path / 'data'
    subprocess.run([sys.executable, ROOT / 'tools/dataset_converters/make_toy_vid.py', data,
                    '--train-videos=4', '--val-videos=1', '--stills=0', '--frames=10'], check=True)
    names = ('single-frame', 'control', 'mega', 'mega-no-references')
    benchmark = Benchmark(data, tmp_path / 'runs', read_rows(ROWS), [0],
                          {'single-frame': ROOT / 'tools/demo/single-frame_toyvid.pth'})
    call = benchmark._call

    def shortened(command, log, threads):
        short = ['train_cfg.max_iters=2'] if command[0].endswith('train.py') else []
        call([*command, *short], log, threads)

    monkeypatch.setattr(benchmark, 'iterations', lambda _: 2)
    monkeypatch.setattr(benchmark, '_call', shortened)
    assert run_all(benchmark, names, processes=2) == []
    results = {name: benchmark.result(benchmark.rows[name], 0) for name in names}
    assert results['single-frame']['AP50'] > 30
    assert all(0 <= found['AP50'] <= 100 for found in results.values())
    assert all((tmp_path / f'runs/{name}-seed0/predictions.bbox.json').is_file() for name in names)
