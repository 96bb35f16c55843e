import pytest
from mmengine.config import Config

from mmvod_plugins.engine import cpu_dist
from mmvod_plugins.where import find_config

LAUNCHED = {'RANK': '1', 'WORLD_SIZE': '2'}


@pytest.mark.parametrize(('environ', 'has_gpu', 'wanted'), [
    (LAUNCHED, False, True), (LAUNCHED, True, False), ({}, False, False),
    ({'RANK': '0'}, False, False),
], ids=['launched', 'gpu', 'one-process', 'no-world-size'])
def test_gloo_is_wanted_only_by_launched_processes_without_a_gpu(environ, has_gpu, wanted):
    assert cpu_dist.wants_gloo(environ, has_gpu=has_gpu) is wanted


@pytest.mark.parametrize(('initialized', 'started'), [(False, ['gloo']), (True, [])])
def test_gloo_is_started_once(monkeypatch, initialized, started):
    calls = []
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cpu_dist.torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(cpu_dist.distributed, 'is_initialized', lambda: initialized)
    monkeypatch.setattr(cpu_dist.distributed, 'init_process_group', calls.append)
    assert cpu_dist.start_gloo() is bool(started)
    assert calls == started


def test_the_config_fragment_combines_with_other_bases(tmp_path):
    base = tmp_path / 'base.py'
    base.write_text("custom_imports = dict(imports=['mmvod_plugins'])\nenv_cfg = dict(seed=1)\n")
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f'_base_ = [{str(base)!r}, {str(find_config("cpu_distributed"))!r}]\n')
    config = Config.fromfile(leaf)
    assert set(config) == {'custom_imports', 'env_cfg', 'model_wrapper_cfg'}
    assert config.model_wrapper_cfg.device_ids is None
