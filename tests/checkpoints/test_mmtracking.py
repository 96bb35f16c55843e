"""MMTracking's checkpoints in every model that they may meet."""

import importlib.util
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import load_checkpoint, load_state_dict

from mmvod_plugins.checkpoints import convert_mmtracking
from mmvod_plugins.engine import VideoRunner

from ..models.tiny import selsa_config, tiny_model
from ..parity import golden

TOOL = Path(__file__).resolve().parents[2] / 'tools/model_converters/convert_checkpoint.py'
spec = importlib.util.spec_from_file_location('convert_checkpoint', TOOL)
converter = importlib.util.module_from_spec(spec)
spec.loader.exec_module(converter)
HEAD = 'detector.roi_head.'
BOX = f'{HEAD}bbox_head.'
TROI = 'SELSA + Temporal RoI Align'
NAMES = {'query': 'fc_embed', 'key': 'ref_fc_embed', 'value': 'ref_fc', 'out': 'fc'}
METHODS = {'selsa': 'SELSA', 'selsa-troialign': TROI}
every_method = pytest.mark.parametrize('name', METHODS)


def model_of(name, seed=0):
    torch.manual_seed(seed)
    model = MODELS.build(selsa_config(name))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def published(model):
    """A model's weights as MMTracking would have stored them."""
    weights = {}
    for key, value in model.state_dict().items():
        key = key.replace(f'{HEAD}embedding.fc', f'{BOX}shared_fcs.0')
        key = key.replace(f'{HEAD}temporal_roi_align.embed',
                          f'{HEAD}bbox_roi_extractor.embed_network.conv')
        if key.startswith(f'{HEAD}aggregator.fcs.'):
            index, leaf = key.removeprefix(f'{HEAD}aggregator.fcs.').split('.')
            key = f'{BOX}shared_fcs.{int(index) + 1}.{leaf}'
        elif key.startswith(f'{HEAD}aggregator.attentions.'):
            index, part, leaf = key.removeprefix(f'{HEAD}aggregator.attentions.').split('.')
            key = f'{BOX}aggregator.{index}.{NAMES[part]}.{leaf}'
        weights[key] = value
    return weights


def version_0(weights):
    """As the published files are."""
    return dict(meta=dict(mmtrack_version='0.5.3', CLASSES=('airplane', )), state_dict=weights,
                optimizer=dict(state={}))


def version_1(weights):
    """As a 1.x runner stores it, normalisation included."""
    stored = {'data_preprocessor.mean': torch.zeros(3, 1, 1), **weights}
    return dict(meta=dict(epoch=7), state_dict=stored, message_hub={}, param_schedulers=[])


def version_0_with_its_whole_meta(weights):
    """As mmcv's runner of MMTracking 0.x stores it: texts, and the best score of a hook."""
    meta = dict(
        env_info='sys.platform: linux\nPyTorch: 1.7.0', config='model = dict(type="SELSA")\n',
        seed=1, exp_name='selsa.py', mmtrack_version='0.5.3+eaa3c5d', mmcv_version='1.2.7',
        time='Mon Jul 26 16:13:51 2021', epoch=7, iter=np.int64(50183),
        CLASSES=('airplane', 'antelope'),
        hook_msgs=dict(best_score=np.float64(0.784), best_ckpt='epoch_7.pth'))
    return dict(meta=meta, state_dict=OrderedDict(weights), optimizer=dict(
        state={0: dict(momentum_buffer=torch.zeros(3))}, param_groups=[dict(lr=1e-4)]))


def version_1_with_its_whole_meta(weights):
    """As mmengine's runner stores it: its message hub holds history buffers with numpy arrays."""
    buffer = HistoryBuffer([0.5, 0.25], [1, 1])
    return version_1(weights) | dict(
        meta=dict(dataset_meta=dict(classes=('airplane', )), mmengine_version='0.3.0', epoch=7,
                  iter=50183, cfg='model = dict(type="SELSA")\n', time='20221101_120000'),
        message_hub=dict(log_scalars={'train/loss': buffer}, runtime_info=dict(
            best_score=np.float64(0.784)), resumed_keys={'train/loss': True}))


WITH_META = pytest.mark.parametrize(
    'wrap', [version_0_with_its_whole_meta, version_1_with_its_whole_meta])


def file_of(content, folder):
    path = folder / 'checkpoint.pth'
    torch.save(content, path)
    return str(path)


@every_method
@pytest.mark.parametrize('wrap', [dict, version_0, version_1])
def test_a_published_file_loads_completely(name, wrap, tmp_path):
    source, model = model_of(name), model_of(name, seed=1)
    load_checkpoint(model, file_of(wrap(published(source)), tmp_path), strict=True)
    expected = source.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


@WITH_META
@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'before torch 1.6'])
def test_load_from_reads_a_file_with_its_whole_meta(wrap, zipped, tmp_path):
    source, model = model_of('selsa'), model_of('selsa', seed=1)
    path = tmp_path / 'published.pth'
    torch.save(wrap(published(source)), path, _use_new_zipfile_serialization=zipped)
    # the runner of our configs: the plain one of mmengine 0.10.7 fails beside torch 2.6 and newer
    runner = VideoRunner(model=model, work_dir=str(tmp_path / 'run'), load_from=str(path),
                         default_scope='mmdet', log_level='ERROR',
                         experiment_name=f'{wrap.__name__}_{zipped}')
    runner.load_or_resume()
    expected = source.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


@WITH_META
def test_the_converter_needs_no_trust_for_what_mmengine_writes(wrap, tmp_path, capsys):
    source, model = model_of('selsa'), model_of('selsa', seed=1)
    arguments = [file_of(wrap(published(source)), tmp_path), str(tmp_path / 'plain.pth')]
    assert converter.main(arguments) == 0
    assert 'method: SELSA' in capsys.readouterr().out
    content = torch.load(arguments[1], weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in content.values())
    load_checkpoint(model, arguments[1], strict=True)
    assert torch.equal(model.adapter.head.embedding.fc.weight,
                       source.adapter.head.embedding.fc.weight)


def test_the_converter_needs_no_trust_for_texts_and_tensors(tmp_path):
    written = tmp_path / 'plain.pth'
    content = file_of(version_0(published(model_of('selsa'))), tmp_path)
    assert converter.main([content, str(written)]) == 0
    assert torch.load(written, weights_only=True)


@every_method
def test_every_key_is_mapped_or_dropped_with_a_reason(name):
    weights = version_1(published(model_of(name)))['state_dict']
    conversion = convert_mmtracking(weights)
    assert conversion.method == METHODS[name]
    assert conversion.mapped.keys() | conversion.dropped.keys() == weights.keys()
    assert conversion.dropped == {
        'data_preprocessor.mean': 'normalisation comes from the config'}
    assert len(set(conversion.mapped.values())) == len(conversion.mapped)


#: Method of every published list of keys.
LISTS = {'selsa_r50_dc5': 'SELSA', 'selsa_troi_r50_dc5': TROI, 'fgfa_r50_dc5': 'FGFA',
         'dff_r50_dc5': 'DFF'}


@pytest.mark.parametrize('path', golden.cases('mmtracking/*_r50_dc5.keys.json'))
def test_every_published_key_is_accounted_for(path):
    shapes = json.loads(path.read_text())['shapes']
    weights = {key: torch.zeros(shape, device='meta') for key, shape in shapes.items()}
    conversion = convert_mmtracking(weights)
    assert conversion.method == LISTS[path.name.split('.')[0]]
    assert conversion.mapped.keys() == weights.keys()
    assert len(conversion.state_dict) == len(weights)


def test_weights_of_no_method_are_refused():
    with pytest.raises(ValueError, match=r'none of the methods .*: FGFA, DFF, SELSA'):
        convert_mmtracking({f'{BOX}shared_fcs.0.weight': torch.zeros(1)})


@pytest.mark.parametrize(('held', 'name', 'found'), [
    ('selsa', 'single', 'a single-frame detector'),
    ('selsa', 'mega', 'MEGA'),
    ('selsa', 'selsa-troialign', r'SELSA \+ Temporal RoI Align'),
    ('selsa-troialign', 'selsa', 'SELSA'),
    ('selsa-troialign', 'single', 'a single-frame detector'),
])
def test_a_model_of_another_method_is_refused(held, name, found):
    model = model_of(name) if name in METHODS else tiny_model(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    method = METHODS[held].replace('+', r'\+')
    with pytest.raises(ValueError, match=rf'holds {method} \(it has .*, but the model is {found}:'
                       f' use a config of {method}'):
        load_state_dict(model, published(model_of(held)))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_our_own_selsa_is_refused_by_mega_by_name():
    with pytest.raises(ValueError, match='the checkpoint holds SELSA'):
        load_state_dict(tiny_model(), model_of('selsa').state_dict())


@every_method
def test_our_own_checkpoint_loads(name):
    source, model = model_of(name), model_of(name, seed=1)
    load_state_dict(model, source.state_dict(), strict=True)
    assert torch.equal(model.adapter.head.embedding.fc.weight,
                       source.adapter.head.embedding.fc.weight)


@pytest.mark.parametrize('key', [f'{BOX}aggregator.0.fc_extra.weight', f'{HEAD}extra.weight',
                                 'extra.weight'])
def test_an_unknown_key_is_refused(key):
    weights = published(model_of('selsa')) | {key: torch.zeros(1)}
    with pytest.raises(ValueError, match=f"key '{key}' is not known"):
        convert_mmtracking(weights)
