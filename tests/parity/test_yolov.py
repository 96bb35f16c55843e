"""YOLOV and YOLOV++ against recorded runs of the published program."""

import json
import math
import re
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.datasets.transforms import Pad
from mmdet.models.backbones import SwinTransformer
from mmdet.models.dense_heads import YOLOXHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData

from mmvod_plugins.checkpoints import convert
from mmvod_plugins.datasets.transforms import TruncatingResize
from mmvod_plugins.models.adapters import DenseAdapter
from mmvod_plugins.models.backbones import FocalNet
from mmvod_plugins.models.dense_heads.temporal_dense_head import best_alone
from mmvod_plugins.models.layers import AffinityAggregation, LocalAggregation
from mmvod_plugins.models.memories import YOLOVMemory
from mmvod_plugins.models.necks import WideYOLOXPAFPN
from mmvod_plugins.models.selection import OutputOptions
from mmvod_plugins.models.task_modules import DensePoints, ScoreThreshold, TopObjectness
from mmvod_plugins.references import ShuffledGroups
from mmvod_plugins.structures import FramePlace, FramePlan, FrameRecord, ObjectFeatures

from . import yolov_runs
from .compare_yolov import compare
from .golden import ROOT, assert_near, case_name, find, load, meta, note

#: Options of a recorded run: config, changes to it, and which frames.
RUNS = {
    'run_yolov_s': ('yolov_s', {'detector.bbox_head.aggregator.form': '2024'}, None),
    'run_yolov_s_2022': ('yolov_s', {}, None),
    'run_yolovpp_s': ('yolovpp_s', {}, None),
    'run_yolovpp_s_min50': ('yolovpp_s', {'detector.bbox_head.selection.min_objects': 50}, 4),
    'run_yolovpp_s_max12': ('yolovpp_s', {'detector.bbox_head.selection.max_objects': 12}, 4),
}


def files(name):
    """Recorded files of a name; a skip with the reason where there is none."""
    try:
        return [pytest.param(path, id=case_name(path)) for path in find(f'yolov/{name}.npz')]
    except FileNotFoundError as error:
        return [pytest.param(None, id=name, marks=pytest.mark.skip(reason=str(error)))]


def groups(name):
    """Every case of the recorded files of a name, with its arrays."""
    found = []
    for path in files(name):
        if path.marks:
            return [path]
        arrays = load(path.values[0])
        for case in sorted({key.partition('.')[0] for key in arrays}):
            own = {key.removeprefix(f'{case}.'): value for key, value in arrays.items()
                   if key.startswith(f'{case}.')}
            found.append(pytest.param(own, id=f'{path.id}/{case}'))
    return found


def tensors(arrays):
    return {key: torch.from_numpy(value) for key, value in arrays.items()
            if value.dtype.kind != 'U'}


SELECTIONS = {
    'yolovpp': ScoreThreshold(), 'yolovpp_min50': ScoreThreshold(min_objects=50),
    'yolovpp_max20': ScoreThreshold(max_objects=20),
    'yolovpp_nms': ScoreThreshold(iou_threshold=.75),
}


@pytest.mark.filterwarnings('ignore:more than max_objects')
@pytest.mark.parametrize('arrays', groups('mod_selection'))
def test_selected_points_are_the_recorded_ones(arrays, request):
    case = request.node.callspec.id.rpartition('/')[2]
    rule = SELECTIONS.get(case)
    if rule is None:
        points, kept, iou = arrays['settings']
        rule = TopObjectness(int(points), iou if iou <= 1 else None, int(kept))
    for frame in sorted({key.partition('.')[0] for key in arrays} - {'settings'}):
        decoded = torch.from_numpy(arrays[f'{frame}.decoded'])
        centres, sizes = decoded[:, :2], decoded[:, 2:4]
        points = DensePoints(torch.cat([centres - sizes / 2, centres + sizes / 2], 1),
                             decoded[:, 5:], decoded[:, 4])
        chosen = rule(points)
        assert sorted(chosen.tolist()) == sorted(arrays[f'{frame}.idx'].tolist())
        assert (points.scores[chosen].diff() <= 0).all()


def module_of(arrays, settings, branches, **options):
    module = AffinityAggregation(
        arrays['x_cls'].shape[1], 4, branches=branches, score_mask=settings.get('use_mask', False),
        thresholds=(settings.get('sim_thresh', .75), settings.get('conf_sim_thresh', .99)),
        hide=settings.get('local_mask_branch', ()), **options)
    names = {'qkv_cls': 'msa.qkv_cls', 'qkv_reg': 'msa.qkv_reg'}
    for branch in branches:
        suffix = '_obj' if branch == 'obj' else ''
        names |= {f'{layer}.{branch}': layer + suffix for layer in ('linear1', 'linear2')}
    state = {key: arrays[f'w.{names[key.rpartition(".")[0]]}.{key.rpartition(".")[2]}']
             for key in module.state_dict()}
    module.load_state_dict(state)
    return module


@pytest.mark.parametrize('arrays', groups('mod_aggregation*'))
def test_aggregation_is_the_recorded_one(arrays, request):
    case = request.node.callspec.id.rpartition('/')[2]
    if case.startswith('local_'):
        return check_local(request.node.callspec.id, arrays)
    settings, arrays = json.loads(str(arrays.get('settings', '{}'))), tensors(arrays)
    branches = [name for name in ('cls', 'obj') if f'out_{name}' in arrays]
    module = module_of(arrays, settings, branches,
                       weigh_by_objectness='2022' in case or case.startswith('online'))
    inputs = [arrays[name] for name in ('x_cls', 'x_reg', 'cls_score', 'fg_score')]
    hidden = None
    if settings.get('local_mask'):
        hidden = torch.arange(len(inputs[0])) < settings['lframe'] * settings['afternum']
    with torch.no_grad():
        outputs, found = module(*inputs, hidden), module.affinities(*inputs, hidden)
    for branch in branches:
        assert_near(request.node.callspec.id, branch, outputs[branch],
                    arrays[f'out_{branch}'].numpy())
    for i, name in enumerate(('cls', 'reg')):
        if f'attended_{name}' in arrays:
            assert_near(request.node.callspec.id, f'attended_{name}', found.attended[i],
                        arrays[f'attended_{name}'].numpy())
    for i, name in enumerate(branches):
        if f'pool_{name}' in arrays:
            assert_near(request.node.callspec.id, f'pool_{name}', found.pooled[i],
                        arrays[f'pool_{name}'].numpy())
    if 'boxes' in arrays:
        check_refinement(request.node.callspec.id, outputs['cls'], arrays)


#: Layers of a block of the ablation, ours and theirs.
LOCAL_NAMES = {
    'norm1.cls': 'norm1', 'norm1.reg': 'norm3', 'norm2.cls': 'norm2', 'norm2.reg': 'norm4',
    'query_key': 'attn.qk', 'value.cls': 'attn.v_cls', 'value.reg': 'attn.v_reg',
    'location': 'attn.loc2feature', 'mlp.cls.0': 'mlp.net.0', 'mlp.cls.2': 'mlp.net.3',
    'mlp.reg.0': 'mlp_conf.net.0', 'mlp.reg.2': 'mlp_conf.net.3',
}


def check_local(case, arrays):
    """Blocks of the ablation; with ``reconf`` half of ``qk`` is unused, and heads are mixed up."""
    settings, arrays = json.loads(str(arrays['settings'])), tensors(arrays)
    channels, joint = arrays['x_cls'].shape[1], settings['reconf']
    module = LocalAggregation(channels, 4, joint=joint, mixed_heads=joint,
                              location=settings.get('use_loc_emd', False),
                              overlap=settings.get('iou_base', False))
    theirs = {key.removeprefix('w.transBlocks.'): value for key, value in arrays.items()}
    qk = theirs.pop('0.attn.qk.weight' if joint else '0.attn.qkv.weight')
    theirs['0.attn.qk.weight'] = qk[:2 * channels]
    if not joint:
        theirs['0.attn.v_cls.weight'] = qk[2 * channels:]
    state = {}
    for key, value in module.state_dict().items():
        block, name, leaf = re.fullmatch(r'blocks\.(\d+)\.(.+)\.(\w+)', key).groups()
        state[key] = theirs[f'{block}.{LOCAL_NAMES[name]}.{leaf}'].view_as(value)
    module.load_state_dict(state)
    with torch.no_grad():
        found = module(*(arrays[name] for name in ('x_cls', 'x_reg', 'boxes')))
    for name, ours in zip(('cls', 'reg'), found, strict=True):
        assert_near(case, name, ours, arrays[f'out_{name}'].numpy())


def check_refinement(case, outputs, arrays):
    """The local step of the online mode; an object without overlap is NaN there, kept here."""
    def rows(boxes, feats, cls, obj):
        return ObjectFeatures(boxes, feats, None, torch.zeros(len(boxes)).long(),
                              class_probs=cls[:, None], objectness=obj)
    num = len(arrays['boxes'])
    memory = YOLOVMemory(half_overlaps=True)
    bank = rows(arrays['bank.boxes'], arrays['bank.msa'], arrays['bank.cls_scores'],
                arrays['bank.reg_scores'])
    memory.write(bank, bank)
    own = rows(arrays['boxes'], outputs[:num], arrays['cls_score'][:num], arrays['fg_score'][:num])
    refined, golden = memory.refine(own), arrays['out_local']
    alone = golden.isnan().any(1)
    assert alone.any()
    assert torch.equal(refined[alone], outputs[:num][alone])
    assert_near(case, 'refined', refined[~alone], golden[~alone].numpy())


@pytest.mark.parametrize('arrays', groups('mod_postprocess'))
def test_detections_are_the_recorded_ones(arrays, request):
    case = request.node.callspec.id
    arrays = tensors(arrays)
    if 'rows' not in arrays:
        kept = batched_nms(arrays['boxes'], arrays['scores'], arrays['labels'],
                           dict(type='nms', iou_threshold=0.5))[1]
        assert kept.tolist() == arrays['keep_50'].tolist()
        return
    rows, num_classes = arrays['rows'], arrays['cls_logits'].shape[1]
    config = ConfigDict(score_thr=0.001, nms=dict(type='nms', iou_threshold=0.5))
    head = YOLOXHead(num_classes, 8, test_cfg=config)
    adapter = DenseAdapter(SimpleNamespace(bbox_head=head))
    record = FrameRecord(FramePlace(0, 0, 1), FramePlan(), DetDataSample())
    objectness = arrays['obj_logits'].sigmoid() if 'obj_logits' in arrays else rows[:, 4]
    for name, scores in (('det', arrays['cls_logits'].sigmoid() * objectness[:, None]),
                         ('base', best_alone(rows[:, 7:]) * rows[:, 4:5])):
        found = adapter.select(InstanceData(bboxes=rows[:, :4], scores=scores), record,
                               OutputOptions(), rescale=False)
        golden = arrays[name]
        if name == 'base' and not len(arrays['det']):
            continue  # the program gives neither where it finds nothing
        order = (golden[:, 4] * golden[:, 5]).argsort(descending=True, stable=True)
        assert found.labels.tolist() == golden[order, 6].long().tolist()
        assert_near(case, f'{name} boxes', found.bboxes, golden[order, :4].numpy())
        assert_near(case, f'{name} scores', found.scores,
                    (golden[:, 4] * golden[:, 5])[order].numpy())


@pytest.mark.parametrize('arrays', groups('mod_preprocess'))
def test_frames_are_resized_as_recorded(arrays):
    height, width = arrays['out'].shape[1:]
    results = dict(img=arrays['raw'], img_shape=arrays['raw'].shape[:2])
    results = TruncatingResize(scale=(width, height)).transform(results)
    assert results['img_shape'] == tuple(arrays['content'])
    assert results['scale_factor'] == pytest.approx([float(arrays['ratio'])] * 2)
    results = Pad(size=(width, height), pad_val=dict(img=(114, 114, 114))).transform(results)
    assert (results['img'].transpose(2, 0, 1) == arrays['out']).all()


@pytest.mark.parametrize('arrays', groups('mod_backbones'))
def test_backbones_and_the_wide_neck_are_the_recorded_ones(arrays, request):
    case = request.node.callspec.id
    kind, arrays = case.rpartition('/')[2], tensors(arrays)
    weights = {key.removeprefix('w.'): value for key, value in arrays.items()
               if key.startswith('w.')}
    inner = 'backbone.' if kind == 'neck' else 'backbone.backbone.'
    found = convert({f'{inner}{key}': value for key, value in weights.items()} | {
        'head.stems.0.conv.weight': torch.zeros(1)}).state_dict
    found = {re.sub(r'^detector\.\w+\.', '', key): value for key, value in found.items()
             if not key.startswith('detector.neck.out_convs.')}
    depths = [len({key.split('.')[3] for key in weights if key.startswith(f'layers.{i}.b')})
              for i in range(len({k.split('.')[1] for k in weights if k[:7] == 'layers.'}))]
    if kind == 'swin':
        bias = weights['layers.0.blocks.0.attn.relative_position_bias_table']
        module = SwinTransformer(
            embed_dims=len(weights['patch_embed.proj.bias']), depths=depths,
            num_heads=[weights[f'layers.{i}.blocks.0.attn.relative_position_bias_table'].shape[1]
                       for i in range(len(depths))],
            window_size=(math.isqrt(len(bias)) + 1) // 2, strides=(4, 2, 2, 2)[:len(depths)],
            out_indices=[i for i in range(len(depths)) if f'norm{i}.weight' in weights])
        inputs = arrays['x']
    elif kind == 'focal':
        module = FocalNet(len(weights['patch_embed.proj.bias']), depths, out_indices=[
            i for i in range(len(depths)) if f'norm{i}.weight' in weights])
        inputs = arrays['x']
    else:
        inputs = [arrays[f'in{i}'] for i in range(3)]
        widths = [arrays[f'out{i}'].shape[1] for i in range(3)]
        blocks = len({key.split('.')[2] for key in weights if key.startswith('C3_p4.m.')})
        module = WideYOLOXPAFPN([part.shape[1] for part in inputs], widths, 8,
                                num_csp_blocks=blocks,
                                norm_cfg=dict(type='BN', momentum=0.03, eps=0.001))
        module.out_convs = torch.nn.ModuleList(torch.nn.Identity() for _ in widths)
    missing = module.load_state_dict(found, strict=False)
    assert not missing.unexpected_keys
    assert not [key for key in missing.missing_keys
                if not key.endswith(('num_batches_tracked', 'relative_position_index'))]
    module.eval()
    with torch.no_grad():
        outputs = module(inputs)
    golden = [arrays[key] for key in sorted(arrays) if key.startswith('out')]
    assert len(outputs) == len(golden)
    for mine, theirs in zip(outputs, golden, strict=True):
        worst = float((mine - theirs).abs().max())
        note(case, f'{worst:.1e}, limit 1e-4')
        assert worst <= 1e-4


@pytest.mark.parametrize(('path', 'name'), [
    pytest.param(*path.values, name, id=path.id, marks=path.marks)
    for name in RUNS for path in files(name)])
@pytest.mark.filterwarnings('ignore:more than max_objects')
def test_a_group_is_detected_as_recorded(path, name):
    model_name, changes, num_frames = RUNS[name]
    model = yolov_runs.build(model_name, path.parent, **changes)
    check_run(path, load(path), yolov_runs.run(model, yolov_runs.video(path.parent, num_frames)))


SIZES = {
    'yolox_s': 'yolox-s_1xb16-7e', 'yolov_s': 'yolov_yolox-s_1xb1-105k',
    'yolov_l': 'yolov_yolox-l_1xb1-150k', 'yolov_x': 'yolov_yolox-x_1xb1-300k',
    'yolovpp_s': 'yolovpp_yolox-s_1xb1-105k', 'yolovpp_l': 'yolovpp_yolox-l_1xb1-105k',
    'yolovpp_swin_tiny': 'yolovpp_yolox-swin-t_1xb1-105k',
    'yolovpp_swin_base': 'yolovpp_yolox-swin-b_1xb1-105k',
    'yolovpp_focal_large': 'yolovpp_yolox-focal-l_1xb1-75k',
}


TRANSFORMERS = ('yolovpp_swin_tiny', 'yolovpp_swin_base', 'yolovpp_focal_large')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[pytest.mark.slow] if name in TRANSFORMERS[1:] else [])
    for name in SIZES])
@pytest.mark.parametrize('path', files('video'))
def test_published_files_of_every_size_load_and_train_the_same_weights(path, name):
    keys = json.loads(path.with_name(f'{name}.keys.json').read_text())
    config = Config.fromfile(ROOT / 'configs' / 'yolov' / f'{SIZES[name]}_imagenetvid.py')
    # mmdet's Swin Transformer reads numbers while it is built, which meta tensors do not have
    with nullcontext() if name in TRANSFORMERS else torch.device('meta'):
        model = MODELS.build(config.model)
    found = convert({key: torch.empty(()).expand(shape) for key, shape in keys['shapes'].items()})
    assert found.mapped.keys() | found.dropped.keys() == keys['shapes'].keys()
    weights = dict(found.state_dict)
    if model.adapter.head is not None:
        model.adapter.head.take_stock_names(weights, 'detector.bbox_head.')
    own = {key: tuple(value.shape) for key, value in model.state_dict().items()
           if not key.endswith('relative_position_index')}
    assert {key: tuple(value.shape) for key, value in weights.items()} == own
    trained = {found.mapped[key] for key in keys['trainable_parameters'] if key in found.mapped}
    assert {key.replace('bbox_head.base.', 'bbox_head.') for key, weight
            in model.named_parameters() if weight.requires_grad} == trained


def test_local_blocks_are_refused():
    with pytest.raises(ValueError, match='local blocks, of an ablation'):
        convert({'head.stems.0.conv.weight': torch.zeros(1),
                 'head.agg.transBlocks.0.norm1.weight': torch.zeros(1)})


@pytest.mark.parametrize('path', files('run_yolovpp_s_empty'))
def test_a_frame_without_candidates_is_detected_as_recorded(path):
    golden = load(path)
    model = yolov_runs.build('yolovpp_s', path.parent, int(golden['weights_seed']))
    frames = yolov_runs.video(path.parent, 5)
    frames[1] = 114
    check_run(path, golden, yolov_runs.run(model, frames))


def check_run(path, golden, mine):
    limits = meta(path.parent)['limits']
    worst = compare(golden, mine, limits['weakest_detection'])
    for name, value in worst.items():
        note(f'{case_name(path)} {name}', f'{value:.1e}, limit {limits[name]:.0e}')
    assert {name: value for name, value in worst.items() if not value <= limits[name]} == {}
    assert 'det_lost' in worst


@pytest.mark.parametrize('path', files('run_small'))
@pytest.mark.parametrize('method', ['yolov', 'yolovpp'])
@pytest.mark.parametrize('size', [1, 2])
def test_small_groups(path, method, size):
    """Of one frame: the detector's own boxes (YOLOV++ does not even suppress them as published)."""
    changes = {'detector.bbox_head.aggregator.form': '2024'} if method == 'yolov' else {}
    model = yolov_runs.build(f'{method}_s', path.parent, **changes)
    mine = yolov_runs.run(model, yolov_runs.video(path.parent, size))
    golden = {key.partition('.')[2]: value for key, value in load(path).items()
              if key.startswith(f'{method}_{size}.')}
    if 'raw_det' in golden and 'det' not in golden:  # selected points, not suppressed
        golden = dict(sel_count=golden['sel_count'], sel_idx=golden['sel_idx'],
                      sel=golden['raw_det'])
        worst = compare(golden, mine, meta(path.parent)['limits']['weakest_detection'])
        assert worst['candidates_lost'] == 0
        assert worst['box'] <= meta(path.parent)['limits']['box']
        return
    check_run(path, golden, mine)


@pytest.mark.parametrize('path', files('run_yolov_s_online'))
def test_the_online_mode_is_the_recorded_one(path):
    golden = load(path)
    memory = dict(forget='random', half_overlaps=True)
    model = yolov_runs.build('yolov_s', path.parent, **{
        'references': dict(_delete_=True, type='KeyFrameOnly'),
        'detector.bbox_head.aggregator.memory': memory})
    mine = yolov_runs.run(model, yolov_runs.video(path.parent))
    starts = np.cumsum([0, *mine['sel_count'][2:]])
    for t, start in enumerate(starts[:-1], 2):
        logits = golden[f'f{t:02d}.cls_logits'][:, :30]
        order = golden['sel_idx'][t * 30:(t + 1) * 30].tolist()
        found = mine['sel_idx'][t * 30:(t + 1) * 30].tolist()
        assert sorted(order) == sorted(found)
        own = mine['cls_logits'][start:start + 30][[found.index(point) for point in order]]
        lost = np.isnan(logits).any(1)  # no recent box overlaps: NaN there, kept here
        difference = np.abs(own[~lost] - logits[~lost]).max()
        note(f'{case_name(path)} frame {t}', f'{difference:.1e}, limit 5e-3')
        assert difference <= 5e-3
        assert np.isfinite(own).all()


@pytest.mark.parametrize('path', [
    pytest.param(path.values[0] and path.values[0].with_name('grouping.json'), id=path.id,
                 marks=path.marks) for path in files('video')])
def test_groups_and_memory_draw_the_recorded_frames(path):
    recorded = json.loads(path.read_text())
    for name, expected in recorded['demo'].items():
        length, size, seed = (int(part.lstrip('Lgsed')) for part in name.split('_'))
        policy = ShuffledGroups(size, seed=seed, by_video=False)
        found = {tuple(ids) for key in range(length)
                 for ids in policy.frames(key, length).values()}
        assert found == {tuple(sorted(group)) for group in expected}
    videos = list(enumerate(recorded['lengths']))
    for name in [name for name in recorded if name.startswith('test_formal_g')]:
        policy = ShuffledGroups(int(name.rpartition('g')[2]), seed=recorded['seed'], videos=videos)
        found = {(video, tuple(ids)) for video, length in videos for key in range(length)
                 for ids in policy.frames(key, length, video).values()}
        assert found == {(video, tuple(sorted(group))) for video, group in recorded[name]}
    memory = YOLOVMemory(forget='random')
    for t, expected in enumerate(recorded['online']['global_frames']):
        assert sorted(int(part.frame_ids[0]) for part in memory.read()) == sorted(expected)
        memory.write(one_object(t), None)


def one_object(frame_id):
    return ObjectFeatures(torch.zeros(1, 4), torch.zeros(1, 2, 4), None, torch.tensor([frame_id]))


def training_steps():
    found = []
    for path in files('train'):
        if path.marks:
            return [path]
        steps = json.loads(path.values[0].with_suffix('.json').read_text())
        found += [pytest.param((path.values[0], name), id=f'{path.id}/{name}') for name in steps]
    return found


def train(path, step):
    """A model after one training step on the recorded frames, its losses, and what it met."""
    arrays, name, mode = load(path), *step.split('.')
    model = yolov_runs.build(name, path.parent, **(
        {'detector.bbox_head.aggregator.form': '2024'} if name == 'yolov_s' else {}))
    head = model.detector.bbox_head
    base = head if name == 'yolox_s' else head.base
    with torch.no_grad():
        for layer in (*base.multi_level_conv_cls, *base.multi_level_conv_obj):
            layer.bias += meta(path.parent)['training_bias_shift']
    model.train()
    if mode == 'bn_eval':
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    frames = yolov_runs.video(path.parent)[torch.from_numpy(arrays['frame_ids'])]
    clip = yolov_runs.clip_of(frames)
    for t, (sample, rows) in enumerate(zip(clip.video_data_samples, arrays[f'targets_{mode}'],
                                           strict=True)):
        rows = torch.from_numpy(rows[rows.any(1)])
        sample.set_metainfo(dict(role='window' if t else 'key'))
        sample.gt_instances = InstanceData(labels=rows[:, 0].long(), bboxes=torch.cat(
            [rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2], 1))
    if name == 'yolox_s':
        maps = model.detector.extract_feat(frames)
        return model, base.loss(maps, list(clip)), None
    targets = []
    own = head.losses.targets
    head.losses.targets = lambda *given: targets.append(own(*given)) or targets[-1]
    model.policy.num_samples = len(frames)
    return model, model.loss(frames[None], [clip]), targets


@pytest.mark.parametrize('step', training_steps())
def test_a_training_step_is_the_recorded_one(step, request):
    path, name = step
    case = request.node.callspec.id
    golden = json.loads(path.with_suffix('.json').read_text())[name]
    model, losses, targets = train(path, name)
    names = dict(iou_loss='loss_bbox', conf_loss='loss_obj', cls_loss='loss_cls')
    if name.startswith('yolov_s'):
        names['cls_loss'] = 'loss_refined_cls'  # so named in the published log
    if name.startswith('yolovpp'):
        names |= dict(loss_refined_cls='loss_refined_cls', loss_refined_obj='loss_refined_obj')
    for theirs, ours in names.items():
        assert_near(case, theirs, losses[ours].detach(), np.array(golden['losses'][theirs]), 1e-4)
    total = sum(losses.values())
    assert_near(case, 'total', total.detach(), np.array(golden['losses']['total_loss']), 1e-4)
    if targets is not None:
        check_targets(golden, load(path), name, targets)
    total.backward()
    check_gradients(case, golden['grad_norms'], model)


def check_targets(golden, arrays, name, targets):
    assert [part.num_positive for part in targets] == golden['foreground_per_frame']
    assert [len(part.positive) for part in targets] == golden['candidates_per_frame']
    classes = torch.cat([part.classes[part.supervised] for part in targets])
    objectness = torch.cat([part.positive for part in targets])
    expected = arrays[f'{name}.refined_target{int(name.startswith("yolovpp"))}']
    assert classes.shape == expected.shape
    assert np.abs(np.sort(classes.sum(1)) - np.sort(expected.sum(1))).max() <= 1e-4
    assert (classes.sum(0) - torch.from_numpy(expected.sum(0))).abs().max() <= 1e-3
    if name.startswith('yolovpp'):
        assert int(objectness.sum()) == int(arrays[f'{name}.refined_target0'].sum())


def check_gradients(case, golden, model):
    weights = {name: torch.zeros(1) for name in golden}
    ours = {theirs: name.replace('bbox_head.multi', 'bbox_head.base.multi')
            for theirs, name in convert(
                weights | {'head.stems.0.conv.weight': torch.zeros(1)}).mapped.items()}
    own = dict(model.named_parameters())
    largest = max(golden.values())
    for theirs, expected in golden.items():
        name = ours[theirs] if ours[theirs] in own else ours[theirs].replace('.base', '')
        grad = own[name].grad
        if expected > 1e-4 * largest:
            assert_near(case, theirs, grad.norm(), np.array(expected), 1e-3)
    without = [name for name, weight in own.items() if weight.requires_grad and weight.grad is None]
    assert without == []
