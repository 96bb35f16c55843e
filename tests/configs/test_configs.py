"""Every shipped config: it parses, is what its name says, trains a step and detects in a video."""

import copy
import gc
import json
import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmdet.registry import HOOKS, MODELS, PARAM_SCHEDULERS
from mmdet.structures import TrackDataSample
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmvod_plugins.checkpoints import convert_mega_pytorch, convert_mmtracking
from mmvod_plugins.engine import complete_config
from mmvod_plugins.references import build_references

from ..datasets.tiny_vid import make_tiny_proposals, make_tiny_vid
from ..models.tiny import shrink
from ..parity import golden

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs'
SHIPPED = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
NAMES = {path.stem: path for path in SHIPPED}
IMAGENET = {name: path for name, path in NAMES.items() if name.endswith('_imagenetvid')}
PUBLISHED = IMAGENET | {name: path for name, path in NAMES.items() if '_uavdt' in name}
MEGA = 'mega_faster-rcnn_{}-conv4-dc5{}_4xb1-120k_imagenetvid'
RDN_BASE = 'rdn-base_faster-rcnn_{}-conv4-dc5{}_4xb1-120k_imagenetvid'
RDN = 'rdn_faster-rcnn_{}-conv4-dc5_4xb1-60k_imagenetvid'
RFCN = 'rfcn_r101{}_4xb1-120k_imagenetvid'
STMN = 'stmn_{}_4xb1-40k_imagenetvid'
OGEMN = 'ogemn_rfcn_r101{}_1xb1-10k_imagenetvid'
OGEMN_EMBEDDING = 'ogemn-embedding_rfcn_r101{}_1xb1-60k_imagenetvid'
MST = 'mst{}_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid'
#: One of each kind; `make test-all` runs every config.
TYPICAL = {
    'faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid', MEGA.format('r50', ''),
    MEGA.format('r101', ''), MEGA.format('x101-32x4d', ''), MEGA.format('r101', '-no-local'),
    MEGA.format('r101', '-no-global'), MEGA.format('r101', '-no-memory'),
    MEGA.format('r101', '-online'),
    'selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid',
    'selsa-troialign_faster-rcnn_x101-dc5_8xb1-7e_imagenetvid',
    RDN_BASE.format('r50', ''), RDN.format('r101'),
    'mega_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid',
    'mega_faster-rcnn_swin-t-fpn_4xb1-120k_imagenetvid',
    'selsa_cascade-rcnn_r50-fpn_8xb1-7e_imagenetvid',
    'selsa_double-head_r50-fpn_8xb1-7e_imagenetvid',
    'selsa_deformable-detr_r50_4xb1-120k_imagenetvid',
    STMN.format('rfcn_r101'), STMN.format('rfcn_r101-online'), STMN.format('fast-rcnn_vgg16'),
    STMN.format('faster-rcnn_r50-fpn'), STMN.format('retinanet_r50-fpn'),
    OGEMN.format('-dcn'), OGEMN.format('-half'), OGEMN_EMBEDDING.format(''),
    'rfcn_r101-sliced_1xb1-200k_imagenetvid', 'ogemn_retinanet_r50-fpn_4xb1-40k_imagenetvid',
    'ogemn_faster-rcnn_r50-fpn-instance_4xb1-40k_imagenetvid',
    RFCN.format('-ohem'), RFCN.format('-proposals'), 'fast-rcnn_vgg16_4xb1-120k_imagenetvid',
    'fgfa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid',
    'fgfa_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid',
    'fgfa_atss_r50-fpn_4xb1-120k_imagenetvid', 'fgfa_yolox-s_4xb1-120k_imagenetvid',
    MST.format(''), MST.format('-dalign-frame'), MST.format('-proposal'), MST.format('-mega'),
    MST.format('-flownet'), 'mst_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid',
    'mst_retinanet_r50-fpn_4xb1-120k_imagenetvid',
    'dff_faster-rcnn_x101-dc5_8xb1-7e_imagenetvid',
    'dff_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid',
    'mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_uavdt',
}
CLASSES = 4


def typical_by_default(names):
    """Run a test for one config of each kind, and for every config among the slow tests."""
    rest = set(PUBLISHED) - TYPICAL
    return pytest.mark.parametrize('name', [
        pytest.param(name, marks=[pytest.mark.slow] if name in rest else [])
        for name in sorted(names)])


@cache
def parsed(name):
    """A config, not to be changed."""
    return Config.fromfile(NAMES[name])


def test_there_are_configs():
    assert TYPICAL <= set(NAMES)
    assert len(NAMES) == len(SHIPPED), 'two configs have the same name'


@typical_by_default(NAMES)
def test_a_config_parses_dumps_and_parses_again(name, tmp_path):
    config = parsed(name)
    dumped = tmp_path / 'dumped.py'
    config.dump(dumped)  # formatting the text is slow: it is read back below
    assert Config.fromfile(dumped).to_dict() == config.to_dict()
    assert str(ROOT) not in dumped.read_text()


@pytest.mark.parametrize('name', sorted(NAMES))
def test_model_references_is_the_only_place_of_the_policy(name):
    config = parsed(name)
    assert config.runner_type == 'VideoRunner'
    assert 'references' not in config
    assert config.train_dataloader.dataset.pipeline[0] == dict(type='SampleReferenceFrames')
    for loader in (config.val_dataloader, config.test_dataloader):
        assert loader.sampler == dict(type='VideoStreamSampler')


def test_no_config_edits_another_by_position():
    edits = re.compile(r'\w\[-?\d+\]|\.(pop|insert)\((-?\d|\))|_base_[\w.]* = (?!\[|\'|")')
    found = [f'{path.name}: {line}' for path in CONFIGS.rglob('*.py')
             for line in path.read_text().splitlines() if edits.search(line)]
    assert found == []


@pytest.mark.parametrize('name', sorted(PUBLISHED))
def test_a_leaf_is_short(name):
    lines = len(PUBLISHED[name].read_text().splitlines())
    assert lines <= (40 if PUBLISHED[name].parent.name == 'mixed' else 10)


def metafiles():
    return [(path, yaml.safe_load(path.read_text())) for path in CONFIGS.glob('*/metafile.yml')]


def test_metafiles_name_every_config_of_a_real_data_set():
    models = [(path, model) for path, content in metafiles() for model in content['Models']]
    assert sorted(model['Name'] for _, model in models) == sorted(PUBLISHED)
    for path, model in models:
        assert ROOT / model['Config'] == PUBLISHED[model['Name']]
        assert (ROOT / model['Config']).parent == path.parent
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert {ROOT / path for path in index['Import']} == {path for path, _ in metafiles()}


def test_metafiles_belong_to_a_collection_with_a_readme():
    for path, content in metafiles():
        collections = {collection['Name'] for collection in content['Collections']}
        assert {model['In Collection'] for model in content['Models']} <= collections
        readme = (path.parent / 'README.md').read_text()
        assert all((ROOT / part['README']).exists() for part in content['Collections'])
        assert not [m['Name'] for m in content['Models'] if f'{m["Name"]}.py' not in readme]


# Train a step, detect in a video ----------------------------------------------------------------


@pytest.fixture(scope='module')
def tiny_json(tmp_path_factory):
    gc.freeze()  # each data set runs gc.collect() after serialising: keep it from all of torch
    path = make_tiny_vid(tmp_path_factory.mktemp('tiny'), lengths=(4, ), num_classes=CLASSES)
    make_tiny_proposals(path)
    return path


def on_tiny_video(loader, path):
    """Let a data loader of ImageNet VID read a tiny video instead, in place."""
    for part in loader.dataset.get('datasets', [loader.dataset]):
        part.update(type='CocoVIDDataset', data_root='', ann_file=str(path),
                    data_prefix=dict(img_path=str(path.parent)), filter_cfg=dict(min_size=1))
        if part.get('proposal_file'):
            part.proposal_file = str(path.with_name('tiny_proposals.npz'))
    for transform in loader.dataset.pipeline:
        for inner in transform.get('transforms', []):
            if inner['type'] == 'Resize':
                inner['scale'] = (96, 64)
    loader.update(num_workers=0, persistent_workers=False)
    return loader


@typical_by_default(IMAGENET)
def test_a_config_trains_a_step_and_detects_in_a_video(name, tiny_json):
    config = copy.deepcopy(parsed(name))
    model = MODELS.build(shrink(config.model, num_classes=CLASSES))
    model.init_weights()
    if config.optim_wrapper.type == 'AmpOptimWrapper' and not torch.cuda.is_available():
        config.optim_wrapper.pop('loss_scale')  # mmengine's needs a GPU
        config.optim_wrapper.type = 'OptimWrapper'
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    config = complete_config(config)
    MessageHub.get_current_instance().update_info('iter', 0)  # YOLOX's frames change their size
    train = Runner.build_dataloader(on_tiny_video(config.train_dataloader, tiny_json), seed=0)
    model.train()
    missing = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.register_hook(lambda _, key=key: missing.discard(key))
    losses = model.train_step(next(iter(train)), optimizer)
    stages = ['s0.', 's1.', 's2.'] if 'cascade-rcnn_' in name else ['']
    rpn = {'loss_rpn_cls', 'loss_rpn_bbox'} if config.model.detector.get('rpn_head') else set()
    head = {f'{stage}loss_{part}' for stage in stages for part in ('cls', 'bbox')}
    if 'base' in config.model.detector.get('bbox_head', {}):  # the stock head may be frozen
        head = {'loss_refined_cls'}
    assert rpn | head <= set(losses)
    assert torch.isfinite(losses['loss'])
    # So find_unused_parameters is not needed with several processes.
    assert missing == set()
    model.eval()
    found = []
    test = on_tiny_video(config.test_dataloader, tiny_json)
    for batch in Runner.build_dataloader(test, seed=0):
        found += [s[0] for s in model.test_step(batch) if isinstance(s, TrackDataSample)]
    assert [sample.frame_id for sample in found] == [0, 1, 2, 3]
    assert all('scores' in sample.pred_instances for sample in found)


def under_the_runner(name, path, work_dir):
    """A config for two iterations and a validation on a tiny video."""
    config = copy.deepcopy(parsed(name))
    shrink(config.model, num_classes=CLASSES)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        on_tiny_video(loader, path)
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.val_evaluator = config.test_evaluator = dict(type='CocoVideoMetric')
    config.default_hooks.checkpoint.interval = 1
    config.update(work_dir=str(work_dir), experiment_name=work_dir.name, log_level='ERROR',
                  load_from=None)
    return config


def test_the_runner_trains_validates_and_saves_by_iterations(tiny_json, tmp_path):
    config = under_the_runner(MEGA.format('r50', ''), tiny_json, tmp_path)
    runner = RUNNERS.build(config)
    runner.train()
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['iter_1.pth', 'iter_2.pth']
    assert 'coco/bbox_mAP_50' in runner.test()


@pytest.mark.parametrize('name', [
    'mega_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid',
    'mega_faster-rcnn_swin-t-fpn_4xb1-120k_imagenetvid',
    'selsa_cascade-rcnn_r50-fpn_8xb1-7e_imagenetvid',
    'selsa_double-head_r50-fpn_8xb1-7e_imagenetvid',
    'selsa_deformable-detr_r50_4xb1-120k_imagenetvid', STMN.format('rfcn_r101'),
    STMN.format('faster-rcnn_r50-fpn'), STMN.format('faster-rcnn_r50-conv4-dc5'),
    STMN.format('retinanet_r50-fpn'), 'mst_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid',
    'mst_retinanet_r50-fpn_4xb1-120k_imagenetvid',
    *(f'fgfa_{detector}_4xb1-120k_imagenetvid'
      for detector in ('faster-rcnn_r50-fpn', 'retinanet_r50-fpn', 'atss_r50-fpn', 'yolox-s'))])
def test_the_runner_tests_mixed_models(name, tiny_json, tmp_path):
    config = under_the_runner(name, tiny_json, tmp_path)
    config.update(train_cfg=None, train_dataloader=None, optim_wrapper=None, param_scheduler=None,
                  load_from=None)
    assert 'coco/bbox_mAP_50' in RUNNERS.build(config).test()


# Published models -------------------------------------------------------------------------------


def published_shapes(model):
    """Names and shapes of a published model under our names."""
    program = 'mmtracking' if model.endswith('_dc5') else 'mega_pytorch'
    path = golden.find(f'{program}/{model}.keys.json')[0]
    shapes = json.loads(path.read_text())['shapes']
    weights = {key: torch.empty(shape, device='meta') for key, shape in shapes.items()}
    convert = convert_mmtracking if program == 'mmtracking' else convert_mega_pytorch
    return {key: tuple(value.shape) for key, value in convert(weights).state_dict.items()}


@pytest.mark.parametrize(('published', 'name'), [
    ('base', 'faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid'),
    ('mega', MEGA.format('r50', '')),
    ('mega_r101', MEGA.format('r101', '')),
    ('selsa_r50_dc5', 'selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid'),
    ('selsa_troi_r50_dc5', 'selsa-troialign_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid'),
    ('rdn_base', RDN_BASE.format('r50', '')),
    ('rdn', RDN.format('r50')),
    ('rdn_r101', RDN.format('r101')),
    ('fgfa', 'fgfa_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid'),
    ('fgfa_r50_dc5', 'fgfa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid'),
    ('dff', 'dff_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid'),
    ('dff_r50_dc5', 'dff_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid'),
])
def test_parameters_are_those_of_the_published_model(published, name):
    expected = published_shapes(published)
    with torch.device('meta'):
        model = MODELS.build(parsed(name).model)
    own = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert own == expected


# The schedule -----------------------------------------------------------------------------------


def test_biases_learn_twice_as_fast_and_do_not_decay():
    config = copy.deepcopy(parsed(MEGA.format('r50', '')))
    model = MODELS.build(shrink(config.model))
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    settings = {id(group['params'][0]): group for group in optimizer.param_groups}
    seen = set()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        group, bias = settings[id(parameter)], name.endswith('.bias')
        seen.add(bias)
        assert group['lr'] == pytest.approx(0.002 if bias else 0.001), name
        assert group['weight_decay'] == (0 if bias else 0.0001), name
        assert group['momentum'] == 0.9
    assert seen == {True, False}


def test_the_learning_rate_warms_up_and_falls():
    config = parsed(MEGA.format('r50', ''))
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=config.optim_wrapper.optimizer.lr)
    schedulers = [
        PARAM_SCHEDULERS.build(settings, default_args=dict(optimizer=optimizer))
        for settings in config.param_scheduler
    ]
    optimizer.step()
    rates = {}
    for iteration in range(80001):
        if iteration in (0, 250, 500, 79999, 80000):
            rates[iteration] = optimizer.param_groups[0]['lr']
        for scheduler in schedulers:
            scheduler.step()
    assert config.train_cfg.max_iters == 120000
    assert rates == {
        0: pytest.approx(0.001 / 3), 250: pytest.approx(0.001 * 2 / 3, rel=0.002),
        500: pytest.approx(0.001), 79999: pytest.approx(0.001), 80000: pytest.approx(0.0001)}


@pytest.mark.parametrize('name', [name for name in sorted(IMAGENET) if '_8xb1-' in name])
def test_seven_epochs_are_those_of_mmtracking(name):
    config = parsed(name)
    assert config.train_cfg == dict(
        type='EpochBasedTrainLoop', max_epochs=7, val_begin=7, val_interval=7)
    assert config.train_dataloader.sampler.type == 'VideoKeyFrameSampler'
    assert config.optim_wrapper.optimizer.lr == 0.01
    assert config.optim_wrapper.clip_grad == dict(max_norm=35, norm_type=2)
    assert config.param_scheduler[1].milestones == [2, 5]
    assert config.log_processor.by_epoch is config.default_hooks.checkpoint.by_epoch is True
    amp = '-amp-' in name
    assert config.optim_wrapper.type == ('AmpOptimWrapper' if amp else 'OptimWrapper')


@pytest.mark.parametrize('name', sorted(IMAGENET))
def test_auto_scale_lr_is_ready(name):
    clips = math.prod(map(int, re.search(r'_(\d+)xb(\d+)-', name).groups()))
    assert parsed(name).auto_scale_lr == dict(enable=False, base_batch_size=clips)


@pytest.mark.parametrize(('backbone', 'variant'), [
    ('r50', '-no-reduction'), ('r101', ''), ('x101-32x4d', '')])
def test_rdn_s_second_stage_starts_from_the_first_and_is_half_as_long(backbone, variant):
    first, second = parsed(RDN_BASE.format(backbone, variant)), parsed(RDN.format(backbone))
    assert second.load_from == f'work_dirs/{RDN_BASE.format(backbone, variant)}/iter_120000.pth'
    assert (first.train_cfg.max_iters, second.train_cfg.max_iters) == (120000, 60000)
    assert second.param_scheduler[0] == first.param_scheduler[0]
    assert second.param_scheduler[1] == {
        **first.param_scheduler[1], 'end': 60000, 'milestones': [40000]}
    assert second.optim_wrapper == first.optim_wrapper
    stages = [config.model.detector.roi_head.aggregator.num_advanced_stages
              for config in (first, second)]
    assert stages == [0, 1]
    with torch.device('meta'):
        one, two = (MODELS.build(config.model).state_dict() for config in (first, second))
    assert {name: value.shape for name, value in one.items()}.items() <= {
        name: value.shape for name, value in two.items()}.items()
    assert all('.aggregator.advanced_' in name for name in two.keys() - one.keys())


def test_rdn_looks_18_frames_to_both_sides():
    policy = build_references(parsed(RDN.format('r101')).model.references)
    assert policy.frames(100, 300) == {'local': list(range(82, 119))}
    rng = np.random.default_rng(0)
    for _ in range(50):
        key, *drawn = policy.sample(100, 300, rng)['local']
        assert key == 100
        assert len(set(drawn)) == 2
        assert all(82 <= t <= 118 for t in drawn)


@pytest.mark.parametrize('name', sorted(name for name in IMAGENET if name.startswith('stmn_')))
def test_stmn_starts_from_a_trained_detector(name):
    config = parsed(name)
    assert bool(config.load_from) == ('-fresh' not in name)
    neck = config.model.detector.get('neck', {})
    assert not (neck.get('last_conv') is False and neck.get('init_cfg'))


# The runtime ------------------------------------------------------------------------------------


def test_the_runtime_counts_iterations_and_names_registered_hooks():
    config = Config.fromfile(CONFIGS / '_base_' / 'default_runtime.py')
    assert config.default_hooks.checkpoint.by_epoch is False
    assert config.log_processor.by_epoch is False
    assert config.randomness.seed == 0
    for hook in [*config.default_hooks.values(), *config.custom_hooks]:
        assert HOOKS.get(hook.type) is not None


def test_processes_without_a_gpu_are_a_fragment(tmp_path, monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    path = tmp_path / 'two_processes.py'
    leaf = NAMES[MEGA.format('r50', '')]
    path.write_text(f"_base_ = ['{leaf}', '{CONFIGS}/_base_/cpu_distributed.py']\n")
    config, alone = Config.fromfile(path), Config.fromfile(leaf)
    assert config.model_wrapper_cfg.device_ids is None
    assert config.test_dataloader == alone.test_dataloader
    assert config.model == alone.model


# Variants ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(('variant', 'window', 'memory', 'pool'), [
    ('', range(88, 113), (63, 87), 10),
    ('-tl13', range(94, 107), (69, 93), 10),
    ('-tl29', range(86, 115), (61, 85), 10),
    ('-tm5', range(88, 113), (83, 87), 10),
    ('-tm45', range(88, 113), (43, 87), 10),
    ('-tg20', range(88, 113), (63, 87), 20),
    ('-online', range(76, 101), (51, 75), 10),
    ('-no-memory', range(88, 113), None, 10),
    ('-no-memory-tl49', range(76, 125), None, 10),
    ('-no-global', range(88, 113), (63, 87), None),
    ('-no-local', None, None, 25),
])
def test_a_variant_looks_where_the_paper_says(variant, window, memory, pool):
    """Frames of key frame 100 of 300; the memory is drawn from the frames before the window."""
    config = parsed(MEGA.format('r101', variant))
    policy = build_references(config.model.references)
    roles = policy.frames(100, 300)
    assert roles.get('local') == (window and list(window))
    assert len(roles.get('global', [])) == (pool or 0)
    rng = np.random.default_rng(0)
    drawn = [t for _ in range(300) for t in policy.sample(100, 300, rng).get('memory', [])]
    assert (min(drawn), max(drawn)) == memory if memory else not drawn
