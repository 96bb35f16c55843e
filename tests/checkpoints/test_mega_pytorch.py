"""Published and own checkpoints in every model that they may meet."""

import json
import re
import warnings

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.runner.checkpoint import load_checkpoint, load_state_dict

from mmvod_plugins.checkpoints import convert_mega_pytorch
from mmvod_plugins.models import RDNAggregator

from ..models.tiny import MEGA, WINDOW, tiny_config, tiny_model
from ..parity import golden

BOX = 'roi_heads.box.feature_extractor.'
LETTERS = {'location': 'g', 'query': 'q', 'key': 'k', 'value': 'v'}


# A published file made from a tiny model ---------------------------------------------------------


def published_name(name, rdn=False):
    """The name of one of our weights in a file of mega.pytorch."""
    table = [
        (r'detector\.backbone\.(conv1|bn1)\.', r'backbone.body.stem.\1.'),
        (r'detector\.backbone\.layer', r'backbone.body.layer'),
        (r'detector\.rpn_head\.rpn_conv', 'rpn.head.conv'),
        (r'detector\.rpn_head\.rpn_cls', 'rpn.head.cls_logits'),
        (r'detector\.rpn_head\.rpn_reg', 'rpn.head.bbox_pred'),
        (r'detector\.roi_head\.bbox_roi_extractor\.layer4', BOX + 'head.layer4'),
        (r'detector\.roi_head\.bbox_roi_extractor\.reduction', BOX + 'conv'),
        (r'detector\.roi_head\.bbox_head\.fc_cls', 'roi_heads.box.predictor.cls_score'),
        (r'detector\.roi_head\.bbox_head\.fc_reg', 'roi_heads.box.predictor.bbox_pred'),
        (r'detector\.roi_head\.bbox_head\.shared_fcs\.0', BOX + 'fc6'),
        (r'detector\.roi_head\.bbox_head\.shared_fcs\.1', BOX + 'fc7'),
        (r'detector\.roi_head\.embedding\.fc', BOX + ('fcs.0' if rdn else 'l_fcs.0')),
    ]
    for ours, theirs in table:
        if re.match(ours, name):
            return re.sub(ours, theirs, name)
    match = re.match(r'detector\.roi_head\.aggregator\.(\w+?)_(\w+)\.(\d)\.(\w+)(\.\w+)?', name)
    stage, kind, index, part, leaf = match.groups()
    if rdn:  # two basic stages come first
        index = int(index) + 2 * (stage == 'advanced')
        return BOX + (f'fcs.{index + (stage == "base")}.{part}' if kind == 'transforms' else
                      f'W{LETTERS[part]}s.{index}{leaf}')
    if kind == 'transforms':
        return f'{BOX}l_fcs.{int(index) + 1}.{part}'
    letter = 'l' if stage == 'local' else 'g'
    index = int(index) + (stage == 'result')
    return f'{BOX}{letter}_' + (f'us.{index}' if part == 'key_bias' else
                                f'W{LETTERS[part]}s.{index}{leaf}')


def published(model):
    """A model's weights as mega.pytorch would have stored them: background first."""
    weights = {'rpn.anchor_generator.cell_anchors.0': torch.zeros(6, 4)}
    rdn = isinstance(model.adapter.head and model.adapter.head.aggregator, RDNAggregator)
    for name, value in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        theirs = published_name(name, rdn)
        if 'cls_score' in theirs:
            value = torch.cat([value[-1:], value[:-1]])
        elif 'predictor.bbox_pred' in theirs:
            value = torch.cat([torch.full_like(value[:4], 99), value])
        elif 'Wvs' in theirs or 'Wgs' in theirs:
            value = value[..., None, None] if value.dim() == 2 else value
        elif re.search(r'us\.\d$', theirs):
            value = value.view(4, 1, -1)
        weights[theirs] = value
    return weights


def wrapped(weights):
    """As the published files are: with optimizer state, from several GPUs."""
    return {'model': {f'module.{key}': value for key, value in weights.items()},
            'optimizer': {'state': {}}, 'scheduler': {}, 'iteration': 120000}


def file_of(content, folder):
    path = folder / 'checkpoint.pth'
    torch.save(content, path)
    return str(path)


def references_of(method):
    return MEGA if method == 'mega' else WINDOW


def assert_equal_weights(model, other):
    theirs = other.state_dict()
    for name, value in model.state_dict().items():
        if 'num_batches_tracked' not in name:
            assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize(('method', 'settings'), [
    ('single', {}), ('mega', {}), ('mega', dict(num_result_stages=1)),
    ('mega', dict(num_local_stages=4)), ('mega', dict(num_global_stages=0)),
    ('rdn-base', {}), ('rdn', {}), ('rdn', dict(num_advanced_stages=2))])
@pytest.mark.parametrize('wrap', [dict, wrapped], ids=['bare', 'wrapped'])
def test_a_published_file_loads_completely(method, settings, wrap, tmp_path):
    source, model = (tiny_model(method, references_of(method), seed=seed, **settings)
                     for seed in (0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        load_checkpoint(model, file_of(wrap(published(source)), tmp_path), strict=True)
    assert_equal_weights(model, source)


def test_every_key_is_mapped_or_dropped_with_a_reason():
    weights = published(tiny_model(num_result_stages=1))
    conversion = convert_mega_pytorch(weights)
    assert conversion.method == 'MEGA'
    assert conversion.mapped.keys() | conversion.dropped.keys() == weights.keys()
    assert conversion.dropped == {
        'rpn.anchor_generator.cell_anchors.0': 'anchors come from the config'}
    assert len(set(conversion.mapped.values())) == len(conversion.mapped)


def test_the_background_class_moves_to_the_end_and_its_boxes_go():
    """Rows 0, 10, 20, ... of their classes 0 (background), 1, 2, ..."""
    conversion = convert_mega_pytorch({
        f'{BOX}fc6.weight': torch.zeros(2, 2),
        'roi_heads.box.predictor.cls_score.bias': 10 * torch.arange(3),
        'roi_heads.box.predictor.bbox_pred.bias': torch.arange(12)})
    head = 'detector.roi_head.bbox_head.'
    assert conversion.state_dict[f'{head}fc_cls.bias'].tolist() == [10, 20, 0]
    assert conversion.state_dict[f'{head}fc_reg.bias'].tolist() == [4, 5, 6, 7, 8, 9, 10, 11]


def test_a_file_stays_as_it_is():
    weights = published(tiny_model())
    before = {key: value.clone() for key, value in weights.items()}
    convert_mega_pytorch(weights)
    assert weights.keys() == before.keys()
    assert all(torch.equal(weights[key], value) for key, value in before.items())


# Other methods and versions ----------------------------------------------------------------------


@pytest.mark.parametrize('kind', ['single', 'mega'])
def test_a_file_of_no_known_method_is_refused(kind, tmp_path):
    weights = {f'{BOX}conv.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'mega\.pytorch with no known method: only'):
        load_checkpoint(tiny_model(kind), file_of(wrapped(weights), tmp_path))


def test_an_unknown_key_is_refused():
    weights = published(tiny_model()) | {f'{BOX}l_extra.0.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match=r"key '.*l_extra.0.weight' is not known"):
        convert_mega_pytorch(weights)


@pytest.mark.parametrize(('held', 'name', 'wanted', 'says'), [
    ('mega', 'MEGA', 'single', 'a single-frame detector'),
    ('mega', 'MEGA', 'rdn', 'RDN'),
    ('mega', 'MEGA', 'rdn-base', 'RDN-base'),
    ('rdn', 'RDN', 'single', 'a single-frame detector'),
    ('rdn', 'RDN', 'mega', 'MEGA'),
    ('rdn', 'RDN', 'rdn-base', 'RDN-base'),
    ('rdn-base', 'RDN-base', 'mega', 'MEGA'),
])
@pytest.mark.parametrize('content', [lambda model: wrapped(published(model)),
                                     lambda model: model.state_dict()], ids=['published', 'own'])
def test_another_method_is_refused_with_the_name_of_the_one_held(held, name, wanted, says, content,
                                                                 tmp_path):
    path = file_of(content(tiny_model(held, references_of(held))), tmp_path)
    model = tiny_model(wanted, references_of(wanted), seed=1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"holds {name} \(it has 'detector.*, but the model is "
                       rf'{says}: use a config of {name}$'):
        load_checkpoint(model, path)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize('content', [published, lambda model: model.state_dict()],
                         ids=['published', 'own'])
def test_rdn_starts_from_rdn_base_and_says_what_stays_initial(content, tmp_path):
    """Stage 1 and stage 2 of the recipe."""
    source, model = tiny_model('rdn-base', WINDOW), tiny_model('rdn', WINDOW, seed=1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    parts = ['advanced_relations.0', 'advanced_relations.1', 'advanced_transforms.0']
    with pytest.warns(UserWarning, match='holds RDN-base, the model is RDN: these modules keep '
                      f'their initial weights and need training: {re.escape(str(parts))}$'):
        load_checkpoint(model, file_of(content(source), tmp_path))
    theirs = source.state_dict()
    for name, value in model.state_dict().items():
        expected = before[name] if 'advanced' in name else theirs[name]
        assert 'num_batches_tracked' in name or torch.equal(value, expected), name


# Classes, and checkpoints of our own -------------------------------------------------------------


def shrunk(model):
    """The same detector for two classes."""
    head = model.adapter.head.bbox_head if model.adapter.head else model.detector.roi_head.bbox_head
    head.fc_cls = torch.nn.Linear(head.fc_cls.in_features, 3)
    head.fc_reg = torch.nn.Linear(head.fc_reg.in_features, 8)
    return model


@pytest.mark.parametrize('content', [published, lambda model: model.state_dict()],
                         ids=['published', 'own'])
def test_another_number_of_classes_keeps_the_last_layers(content, tmp_path):
    source, model = tiny_model(), shrunk(tiny_model(seed=1))
    last = {name: value.clone() for name, value in model.state_dict().items() if '.fc_' in name}
    with pytest.warns(UserWarning, match=r'another number of classes.*fc_cls.weight.*\(5, 32\), '
                      r'\(3, 32\)'):
        load_checkpoint(model, file_of(content(source), tmp_path))
    theirs = source.state_dict()
    for name, value in model.state_dict().items():
        if 'num_batches_tracked' not in name:
            assert torch.equal(value, last.get(name, theirs.get(name))), name
    assert len(last) == 4


def test_own_checkpoint_loads_with_its_training_state(tmp_path):
    source, model = tiny_model(), tiny_model(seed=1)
    content = dict(meta=dict(iter=3), state_dict=source.state_dict(), optimizer=dict())
    checkpoint = load_checkpoint(model, file_of(content, tmp_path), strict=True)
    assert_equal_weights(model, source)
    assert checkpoint['meta']['iter'] == 3
    assert all(key.startswith('detector.') for key in checkpoint['state_dict'])


def start_from_single(content, tmp_path):
    """A MEGA model after loading a single-frame file, its source, and its weights before."""
    source, model = tiny_model('single'), tiny_model(seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_checkpoint(model, file_of(content(source), tmp_path))
    return source.state_dict(), model.state_dict(), before


@pytest.mark.parametrize('content', [lambda model: model.state_dict(), published,
                                     lambda model: model.detector.state_dict()],
                         ids=['own', 'published', 'plain mmdet'])
@pytest.mark.filterwarnings('ignore:the checkpoint holds a single-frame detector')
def test_mega_starts_from_a_single_frame_detector(content, tmp_path):
    """Its two shared layers become the embedding and the first layer between local modules."""
    single, mega, before = start_from_single(content, tmp_path)
    head, shared = 'detector.roi_head.', 'detector.roi_head.bbox_head.shared_fcs.'
    for name, value in mega.items():
        source = name.replace(f'{head}embedding.fc', f'{shared}0').replace(
            f'{head}aggregator.local_transforms.0', f'{shared}1')
        expected = single.get(source, before[name])
        assert source in single or 'aggregator' in name
        assert 'num_batches_tracked' in name or torch.equal(value, expected), name


def test_starting_mega_from_a_published_single_frame_file_says_so(tmp_path):
    with pytest.warns(UserWarning, match='temporal modules keep their initial weights'):
        start_from_single(published, tmp_path)


def test_a_plain_mmdet_checkpoint_fits_the_single_frame_model(tmp_path):
    config = tiny_config('single')
    plain = MODELS.build(ConfigDict(config.detector))
    path = file_of(dict(state_dict=plain.state_dict(), meta={}), tmp_path)
    model = tiny_model('single', seed=1)
    load_checkpoint(model, path, strict=True)
    assert_equal_weights(model.detector, plain)


# The published key lists --------------------------------------------------------------------------


def key_lists(names):
    """The published key lists of these models, by name."""
    return [case for case in golden.cases('mega_pytorch/*.keys.json')
            if case.values[0].name.split('.')[0] in names]


def shapes_of(path):
    return json.loads(path.read_text())['shapes']


#: The method of every published key list that can be translated.
LISTS = {'base': 'single frame', 'mega': 'MEGA', 'mega_res1': 'MEGA', 'mega_r101': 'MEGA',
         'rdn_base': 'RDN-base', 'rdn': 'RDN', 'rdn_r101': 'RDN', 'fgfa': 'FGFA', 'dff': 'DFF'}


@pytest.mark.parametrize('path', key_lists(LISTS))
def test_every_published_key_is_accounted_for(path):
    weights = {key: torch.zeros(shape, device='meta') for key, shape in shapes_of(path).items()}
    conversion = convert_mega_pytorch(weights)
    assert conversion.method == LISTS[path.name.split('.')[0]]
    assert conversion.mapped.keys() | conversion.dropped.keys() == weights.keys()
    assert not conversion.mapped.keys() & conversion.dropped.keys()
    assert all('cell_anchors' in key for key in conversion.dropped)
    assert len(set(conversion.mapped.values())) == len(conversion.mapped)


@pytest.mark.parametrize(('part', 'settings', 'says'), [
    ('backbone', dict(depth=50), 'backbone.layer1.0.conv1.weight: (8, 8, 1, 1) in the file, '
     '(8, 8, 3, 3) in the model'),
    ('backbone', dict(base_channels=16), 'backbone.conv1.weight: (16, 3, 7, 7) in the file'),
    ('bbox_head', dict(fc_out_channels=16), 'roi_head.bbox_head.fc_cls.weight: (5, 16) in the '),
])
def test_another_architecture_is_refused_with_the_shapes(part, settings, says):
    config = tiny_config('single')
    detector = config.detector
    (detector.backbone if part == 'backbone' else detector.roi_head.bbox_head).update(settings)
    with pytest.raises(ValueError, match=r'another architecture: \d+ tensors .* detector\.'
                       + re.escape(says)):
        load_state_dict(tiny_model('single'), MODELS.build(config).state_dict())


def test_the_heads_of_attention_are_no_last_layer():
    """Another number of them changes first dimensions alone, as other classes do."""
    state = tiny_model('mega', num_heads=8).state_dict()
    with pytest.raises(ValueError, match=r'another architecture: .*location.weight: \(8, '):
        load_state_dict(tiny_model('mega', num_heads=4), state)


@pytest.mark.parametrize('state', [
    {'optimizer': {'state': {}}, 'iteration': 3},
    {'encoder.weight': torch.zeros(2)},
], ids=['optimizer', 'foreign'])
def test_a_file_without_weights_of_the_model_is_refused(state):
    with pytest.raises(ValueError, match='holds no weights of this model: its first keys are'):
        load_state_dict(tiny_model('single'), state)
