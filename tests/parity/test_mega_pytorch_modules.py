"""Single functions of mega.pytorch: conventions, attention, backbone."""

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms, nms, roi_align
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import ConfigDict

from mmvod_plugins.models.layers import RelationModule, location_terms, sine_embedding

from . import golden, mega_runs
from .golden import assert_near, case_name, load
from .seeded_weights import make_array

pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')


def mega_cases(name):
    """The mega.pytorch files of a name (other projects have files of that name, too)."""
    return golden.cases(f'mega_pytorch/{name}.npz')


def t(array):
    return torch.from_numpy(np.asarray(array))


@pytest.mark.parametrize('path', mega_cases('preprocess'))
def test_preprocess(path):
    data = load(path)
    preprocessor = MODELS.build(mega_runs.model_config('base').data_preprocessor)
    batch = mega_runs._batch(data['rgb_uint8'][None], 0)
    assert_near(case_name(path), 'output', preprocessor(batch)['inputs'][0, 0], data['output'])


@pytest.mark.parametrize('path', mega_cases('anchors'))
def test_anchors(path):
    data = load(path)
    config = mega_runs.model_config('base').detector.rpn_head.anchor_generator
    generator = TASK_UTILS.build(config)
    height, width = (int(n) for n in data['grid_hw'])
    anchors = generator.grid_priors([(height, width)], device='cpu')[0]
    assert_near(case_name(path), 'cell_anchors', generator.base_anchors[0], data['cell_anchors'])
    assert_near(case_name(path), 'anchors', anchors, data['anchors'])
    low, high = anchors[:, :2].min(1).values, anchors[:, 2:]
    inside = (low >= 0) & (high[:, 0] < width * 16) & (high[:, 1] < height * 16)
    assert torch.equal(inside, t(data['visibility']))


@pytest.mark.parametrize('kind', ['head', 'rpn'])
@pytest.mark.parametrize('path', mega_cases('box_coder'))
def test_box_coder(path, kind):
    data = load(path)
    model = mega_runs.model_config('base').detector
    head = model.roi_head.bbox_head if kind == 'head' else model.rpn_head
    coder = TASK_UTILS.build(head.bbox_coder)
    boxes, targets, codes = t(data['proposals']), t(data['targets']), t(data[f'codes_{kind}'])
    case = case_name(path)
    assert_near(case, f'encoded_{kind}', coder.encode(boxes, targets), data[f'encoded_{kind}'])
    decoded = coder.decode(boxes, codes)
    assert_near(case, f'decoded_{kind}', decoded, data[f'decoded_{kind}'])
    if kind == 'head':
        width, height = (int(n) for n in data['image_size_wh'])
        clipped = coder.decode(boxes, codes, max_shape=(height, width)).view(-1, 4)
        assert_near(case, 'clipped', clipped, data['decoded_head_clipped'])


@pytest.mark.parametrize('threshold', [30, 50, 70])
@pytest.mark.parametrize('path', mega_cases('nms'))
def test_nms(path, threshold):
    data = load(path)
    _, keep = nms(t(data['boxes']), t(data['scores']), threshold / 100, offset=1)
    assert sorted(keep.tolist()) == data[f'keep_{threshold}'].tolist()


@pytest.mark.parametrize('path', mega_cases('roi_align'))
def test_roi_align(path):
    data = load(path)
    for name, sampling in (('adaptive', 0), ('sampling2', 2)):
        out = roi_align(t(data['feature']), t(data['rois']), (7, 7), 1 / 16, sampling, 'avg', False)
        assert_near(case_name(path), name, out, data[f'output_{name}'])


@pytest.mark.parametrize('path', mega_cases('rpn_select'))
def test_rpn_selection(path):
    data = load(path)
    config = mega_runs.model_config('base').detector
    rpn = MODELS.build(ConfigDict(config.rpn_head, train_cfg=None, test_cfg=config.test_cfg.rpn))
    width, height = (int(n) for n in data['image_size_wh'])
    outputs = [t(data['objectness_logits'])], [t(data['box_deltas'])]
    for name, before, after in (('key', 6000, 300), ('ref', 6000, 75), ('ref_pre200', 200, 75)):
        settings = ConfigDict(config.test_cfg.rpn, nms_pre=before, max_per_img=after)
        found = rpn.predict_by_feat(
            *outputs, batch_img_metas=[dict(img_shape=(height, width))], cfg=settings)[0]
        assert_near(case_name(path), f'{name} boxes', found.bboxes, data[f'{name}_boxes'])
        assert_near(case_name(path), f'{name} scores', found.scores, data[f'{name}_scores'])


@pytest.mark.parametrize('limit', [300, 50])
@pytest.mark.parametrize('path', mega_cases('box_postprocess'))
def test_box_postprocess(path, limit):
    data = load(path)
    config = mega_runs.model_config('base').detector
    head = MODELS.build(config.roi_head.bbox_head)
    proposals = t(data['proposals'])
    width, height = (int(n) for n in data['image_size_wh'])
    found = head.predict_by_feat(
        rois=(torch.cat([proposals.new_zeros(len(proposals), 1), proposals], dim=1), ),
        cls_scores=(t(np.roll(data['logits'], -1, axis=1)), ),
        bbox_preds=(t(data['deltas'][:, 4:].copy()), ),
        batch_img_metas=[dict(img_shape=(height, width))],
        rcnn_test_cfg=ConfigDict(config.test_cfg.rcnn, max_per_img=limit))[0]
    mine = np.concatenate([found.labels[:, None] + 1, found.scores[:, None], found.bboxes], axis=1)
    theirs = np.concatenate([data[f'limit{limit}_labels'][:, None],
                             data[f'limit{limit}_scores'][:, None],
                             data[f'limit{limit}_boxes']], axis=1)
    mine, theirs = (rows[np.lexsort(rows.T[:2])] for rows in (mine, theirs))
    assert np.array_equal(mine[:, 0], theirs[:, 0])
    assert_near(case_name(path), f'limit {limit}', mine, theirs)


@pytest.mark.parametrize('path', mega_cases('position'))
def test_position_terms(path):
    data = load(path)
    terms = location_terms(t(data['rois']), t(data['rois_ref']))
    assert_near(case_name(path), 'matrix', terms, data['matrix'])
    matrix = t(data['matrix'])
    assert_near(case_name(path), 'embedding', sine_embedding(matrix), data['embedding'], 1e-3)
    short = sine_embedding(matrix, embed_dim=32, wave_length=10000)
    assert_near(case_name(path), '32, 10000', short, data['embedding_dim32_wave10000'], 1e-3)


def relation_from(weights, channels, heads, *, location, key_bias):
    """A relation module with published weights: ``weights('Wq_weight')`` gives an array."""
    module = RelationModule(channels, heads, location=location, key_bias=key_bias)
    state = {}
    for ours, theirs in (('query', 'Wq'), ('key', 'Wk'), ('value', 'Wv'), ('location', 'Wg')):
        if ours != 'location' or location:
            weight = t(weights(f'{theirs}_weight'))
            state[f'{ours}.weight'] = weight.reshape(len(weight), -1)
            state[f'{ours}.bias'] = t(weights(f'{theirs}_bias'))
    if key_bias:
        state['key_bias'] = t(weights('u')).flatten()
    module.load_state_dict(state)
    return module.eval()


SMALL = [('attention_rdn', 'output', True, False), ('attention_mega', 'output_local', True, True),
         ('attention_mega', 'output_global', False, True)]


@pytest.mark.parametrize(('path', 'output', 'location', 'key_bias'), [
    pytest.param(*case.values, *row[1:], id=f'{case.id}-{row[1]}')
    for row in SMALL for case in mega_cases(row[0])
])
@torch.no_grad()
def test_small_attention(path, output, location, key_bias, monkeypatch):
    data = load(path)
    module = relation_from(lambda name: data[f'small_{name}'], 128, int(data['small_groups']),
                           location=location, key_bias=key_bias)
    embedding = t(data['small_position_embedding']).permute(1, 2, 0)
    monkeypatch.setattr(
        module, 'location_bias',
        lambda *_: module.bias_of(module.location(embedding).permute(2, 0, 1)))
    feats, references = t(data['small_feat']), t(data['small_feat_ref'])
    boxes, others = (part.new_zeros(len(part), 4) for part in (feats, references))
    out = module(feats, references, boxes, others)
    assert_near(case_name(path), output, out, data[f'small_{output}'])


def full_cases():
    rows = []
    for name, model in (('attention_rdn', 'rdn'), ('attention_mega', 'mega_res1')):
        for case in mega_cases(name):
            path = case.values[0]
            outputs = [key for key in load(path) if key.startswith('full_output')]
            rows += [
                pytest.param(path, model, key, id=f'{case.id}-{key}')
                for key in outputs
            ]
    return rows


@pytest.mark.parametrize(('path', 'model', 'output'), full_cases())
@torch.no_grad()
def test_full_attention(path, model, output):
    """``full_output[_local|_global]_stage<k>``: prefix ``l_``, ``g_`` or none in the key names."""
    data = load(path)
    kind, stage = output.removeprefix('full_output_').rpartition('stage')[::2]
    prefix = {'': '', 'local_': 'l_', 'global_': 'g_'}[kind]
    seed = golden.meta(path.parent)['weight_seed']
    names = {'Wg': 'Wgs', 'Wq': 'Wqs', 'Wk': 'Wks', 'Wv': 'Wvs', 'u': 'us'}
    root = f'roi_heads.box.feature_extractor.{prefix}'

    def weights(name):
        part, _, leaf = name.partition('_')
        key = f'{root}{names[part]}.{stage}' + (f'.{leaf}' if leaf else '')
        shapes = golden.json.loads((path.parent / f'{model}.keys.json').read_text())['shapes']
        return make_array(key, shapes[key], seed)

    module = relation_from(weights, 1024, 16, location=prefix != 'g_', key_bias=prefix != '')
    out = module(t(data['full_feat']), t(data['full_feat_ref']), t(data['full_rois']),
                 t(data['full_rois_ref']))
    assert_near(case_name(path), output, out, data[output], 1e-4)


@pytest.mark.parametrize('path', mega_cases('backbone'))
@torch.no_grad()
def test_backbone_chain(path):
    """Every stage of the single-frame model, from pixels to the second embedding."""
    data = load(path)
    model = mega_runs.build(path.with_name('e2e_base.npz'))
    frames = mega_runs.images(path.with_name('e2e_base.npz'))
    inputs, _ = mega_runs.network_input(model, frames, int(data['frame']))
    inputs = inputs[:, 0]
    backbone, extractor = model.detector.backbone, model.detector.roi_head.bbox_roi_extractor
    seen = {'stem': backbone.maxpool(backbone.norm1(backbone.conv1(inputs)).relu())}
    feat = seen['stem']
    for name in ('layer1', 'layer2', 'layer3'):
        feat = seen[name] = getattr(backbone, name)(feat)
    torch.testing.assert_close(model.detector.extract_feat(inputs)[0], feat, rtol=0, atol=0)
    logits, deltas = model.detector.rpn_head.forward_single(feat)
    seen['layer4'] = extractor.layer4(feat)
    seen['reduced'] = extractor.reduction(seen['layer4']).relu()
    steps = {'stem': (16, 2), 'layer1': (64, 2), 'layer2': (64, 1), 'layer3': (32, 1),
             'layer4': (64, 1), 'reduced': (8, 1)}
    case = case_name(path)
    for name, (channel, cell) in steps.items():
        assert_near(case, name, seen[name][0, ::channel, ::cell, ::cell], data[name])
    assert_near(case, 'rpn_logits', logits[0], data['rpn_logits'])
    assert_near(case, 'rpn_deltas', deltas[0], data['rpn_deltas'])
    proposals = t(data['proposals'])
    rois = torch.cat([proposals.new_zeros(len(proposals), 1), proposals], dim=1)
    pooled = extractor((feat, ), rois)
    assert_near(case, 'pooled', pooled[:, ::32], data['pooled'])
    feats = pooled.flatten(1)
    for name, layer in zip(('fc6', 'fc7'), model.detector.roi_head.bbox_head.shared_fcs,
                           strict=True):
        feats = layer(feats).relu()
        assert_near(case, name, feats[:, ::8], data[name])


def test_batched_nms_keeps_classes_apart_with_inclusive_boxes():
    """mmcv shifts classes by the largest coordinate plus one: touching boxes must not meet."""
    boxes = torch.tensor([[0., 0., 99., 99.], [0., 0., 99., 99.]])
    _, keep = batched_nms(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 1]),
                          dict(type='nms', iou_threshold=0.0, offset=1))
    assert sorted(keep.tolist()) == [0, 1]
