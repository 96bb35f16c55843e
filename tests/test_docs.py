"""Code and tests that the documentation names."""

import copy
import dataclasses
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.layers.transformer import dino_layers, utils
from mmdet.registry import MODELS
from mmengine.config import Config

from mmvod_plugins.checkpoints import read_checkpoint
from mmvod_plugins.engine import complete_config
from mmvod_plugins.models import Aggregator, Needs, TemporalHead, TemporalNeck, TemporalPart
from mmvod_plugins.models.adapters import QueryAdapter
from mmvod_plugins.references import FramePlan, ReferencePolicy, build_references
from mmvod_plugins.streaming import VideoStream
from tests.apis.test_inference import as_images, model_file
from tests.models.dense_heads import test_temporal_dense_head as points
from tests.models.query_heads import test_temporal_query_head as queries
from tests.models.roi_heads import test_every_aggregator as proposals
from tests.models.scenarios.detectors import WIDTH, detector_of
from tests.models.tiny import ONLINE, detect, shrink, tiny_model, training_batch, video
from tests.parity.mega_runs import without_pretrained

ROOT = Path(__file__).resolve().parents[1]


def blocks(page, kind):
    """The code blocks of one kind on a page."""
    text = (ROOT / 'docs' / page).read_text()
    return re.findall(rf'^```{kind}\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)


def pages_naming(pattern):
    """Pages of the documentation that contain a pattern."""
    pages = [ROOT / 'README.md', ROOT / 'CHANGELOG.md', *(ROOT / 'docs').rglob('*.md'),
             *(ROOT / 'configs').rglob('*.md')]
    return [page.relative_to(ROOT) for page in sorted(pages)
            if re.search(pattern, page.read_text())]


@pytest.mark.parametrize('page', pages_naming(r'\.py::'), ids=str)
def test_tests_named_on_a_page_exist(page):
    named = re.findall(r'`(tests/[\w/]+\.py)::(\w+)`', (ROOT / page).read_text())
    assert len(named) == (ROOT / page).read_text().count('.py::')
    for file, name in named:
        assert f'def {name}(' in (ROOT / file).read_text(), f'{file}::{name}'


@pytest.mark.parametrize('page', pages_naming(r'[` ]tools/[\w/]+\.(py|sh)'), ids=str)
def test_programs_named_on_a_page_exist(page):
    named = re.findall(r'[` ](tools/[\w/]+\.(?:py|sh))', (ROOT / page).read_text())
    assert named
    for file in named:
        assert (ROOT / file).is_file(), file


def test_examples_of_the_tutorial_s_table_exist():
    page = (ROOT / 'docs/add_a_method.md').read_text()
    examples = (ROOT / 'tests/models/scenarios/parts.py').read_text()
    examples_of = [row.split('|')[4] for row in page.splitlines() if row.count('|') == 5]
    named = re.findall(r'`([A-Z]\w+)`', ' '.join(examples_of))
    assert len(named) == 6
    for name in named:
        assert f'class {name}(' in examples, name


def test_the_contract_of_the_architecture_has_the_real_signatures():
    [block] = blocks('architecture.md', 'python')
    classes = {cls.__name__: cls for cls in (ReferencePolicy, TemporalPart, TemporalNeck,
                                             TemporalHead, Aggregator, VideoStream)}
    shown = re.findall(r'^class (\w+)|^    def (\w+)\(self(?:, ([^)]*))?\)', block, re.MULTILINE)
    assert len(shown) > 25
    for name, method, arguments in shown:
        if name:
            cls = classes.pop(name, None)
        elif '...' not in arguments:
            names = [part.split(':')[0] for part in arguments.split(', ') if part]
            assert list(inspect.signature(getattr(cls, method)).parameters)[1:] == names, method
    assert not classes


def test_the_table_of_flags_is_complete():
    text = (ROOT / 'docs/architecture.md').read_text()
    flags = re.findall(r'^\| `(\w+)` \| (policy|plan|needs) \|', text, re.MULTILINE)
    expected = [('lookahead', 'policy'), ('draws', 'policy')]
    expected += [(field.name, 'plan') for field in dataclasses.fields(FramePlan)]
    expected += [(field.name, 'needs') for field in dataclasses.fields(Needs)]
    assert flags == expected


@pytest.fixture
def tutorial(tmp_path):
    """The tutorial's method as its reader has it: the class registered, the config read."""
    [code], [config] = blocks('add_a_method.md', 'python'), blocks('add_a_method.md',
                                                                   'python config')
    exec(compile(code, 'add_a_method.md', 'exec'), {'__name__': 'tutorial'})
    path = tmp_path / 'mean.py'
    path.write_text(config.replace("'../mega/", f"'{ROOT}/configs/mega/"))
    yield Config.fromfile(path)
    MODELS.module_dict.pop('MeanAggregator')


def tiny_form(config):
    """The tutorial's model, narrow, with the weights of the tiny MEGA where they fit."""
    model = MODELS.build(shrink(config))
    weights = {name: value for name, value in tiny_model().state_dict().items()
               if 'aggregator' not in name}
    model.load_state_dict(weights, strict=False)
    return model


def test_the_tutorial_s_method_trains_and_detects(tutorial):
    window = dict(type='LocalWindow', radius=12, num_samples=2, sample_key=True)
    assert complete_config(tutorial).test_dataloader.sampler.references == window
    assert tutorial.model.detector.roi_head.aggregator == dict(
        type='MeanAggregator', channels=1024)
    model = tiny_form(tutorial.model)
    found = detect(model.eval(), video(5))
    assert [sample.frame_id for sample in found] == list(range(5))
    model.train()
    data = training_batch(video(10), 6, {'local': [6, 5, 8]})
    total, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    total.backward()
    assert torch.isfinite(total)
    assert model.adapter.head.aggregator.project.weight.grad.abs().sum() > 0


def test_the_child_config_of_the_tutorial_changes_one_policy_and_omits_one(tmp_path):
    [block] = blocks('add_a_method.md', 'python child config')
    path = tmp_path / 'child.py'
    path.write_text(block.replace("'../mega/", f"'{ROOT}/configs/mega/"))
    roles = build_references(Config.fromfile(path).model.references).frames(100, 300)
    assert list(roles) == ['local', 'global']
    assert roles['local'] == list(range(94, 107))


def test_the_neck_of_the_mixing_page_trains_and_detects(tmp_path):
    [block] = blocks('mixing.md', 'python neck config')
    path = tmp_path / 'dff_retinanet.py'
    path.write_text(block.replace("'./", f"'{ROOT}/configs/fgfa/"))
    config = Config.fromfile(path)
    assert config.model.references == dict(type='KeyFrameInterval', interval=10)
    model, seen = MODELS.build(shrink(config.model)), []
    model.detector.backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    found = detect(model.eval(), video(12))
    assert [sample.frame_id for sample in found] == list(range(12))
    assert sum(seen) == 2
    data = training_batch(video(10), 6, {'local': [3]})
    model.train()
    total, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    total.backward()
    assert torch.isfinite(total)


@pytest.mark.parametrize('page', ['mixing.md', '../README.md'])
def test_my_detector_plus_time(tmp_path, monkeypatch, page):
    """The recipe of a page with a stock config and a stock checkpoint."""
    [block] = blocks(page, 'python dense config')
    monkeypatch.chdir(tmp_path)
    stock = Config(dict(model=detector_of('yolox')))
    stock.model.bbox_head.update(feat_channels=128)
    stock.dump('my_yolox.py')
    torch.save(MODELS.build(copy.deepcopy(stock.model)).state_dict(), 'my_yolox.pth')
    Path('plus_time.py').write_text(block.replace("'../_base_/", f"'{ROOT}/configs/_base_/"))
    config = complete_config(Config.fromfile('plus_time.py'))
    assert len(block.splitlines()) <= 10
    model = MODELS.build(config.model)
    model.init_weights()
    weights = read_checkpoint(config.load_from)
    assert not model.load_state_dict(dict(weights), strict=False).unexpected_keys
    found = detect(model.eval(), video(4))
    assert [sample.frame_id for sample in found] == list(range(4))
    model.train()
    data = training_batch(video(10), 6, model.policy.sample(6, 10, np.random.default_rng(0)))
    total, values = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    total.backward()
    assert set(values) == {'loss', 'loss_refined_cls'}
    assert all(weight.grad is None for weight in model.detector.backbone.parameters())


def test_fgfa_in_mmdet_s_deformable_detr_trains_and_detects(tmp_path):
    [block] = blocks('mixing.md', 'python transformer config')
    path = tmp_path / 'fgfa_deformable_detr.py'
    path.write_text(block.replace("'../_base_/", f"'{ROOT}/configs/_base_/"))
    config = complete_config(Config.fromfile(path))
    assert config.test_dataloader.sampler.references == config.model.references
    whole = MODELS.build(config.model)
    assert isinstance(whole.adapter, QueryAdapter)
    assert whole.detector.bbox_head.num_classes == 30
    assert whole.data_preprocessor.mean.flatten().tolist() == pytest.approx(
        config.model.detector.data_preprocessor.mean)
    assert whole.temporal_neck.channels == whole.detector.neck.convs[0].conv.out_channels
    settings = without_pretrained(config.model)
    settings.temporal_neck.update(channels=WIDTH, embed_layers=[(8, 3)])
    settings.temporal_neck.motion.base_channels = 2
    settings.detector = detector_of('deformable_detr')
    model = MODELS.build(settings)
    model.init_weights()  # mmdet's transformers leave some of them unset before
    found = detect(model.eval(), video(4))
    assert [sample.frame_id for sample in found] == list(range(4))
    model.train()
    data = training_batch(video(10), 6, {'local': [4, 8]})
    total, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    total.backward()
    assert torch.isfinite(total)
    assert model.temporal_neck.embed_convs[0].conv.weight.grad.abs().sum() > 0


def test_yolov_on_mmdet_s_dino_trains_its_temporal_layers_and_detects(tmp_path, monkeypatch):
    # the small detectors of the other tests replace it
    monkeypatch.setattr(dino_layers, 'coordinate_to_encoding', utils.coordinate_to_encoding)
    [block] = blocks('mixing.md', 'python query config')
    path = tmp_path / 'yolov_dino.py'
    path.write_text(block.replace("'../_base_/", f"'{ROOT}/configs/_base_/"))
    config = complete_config(Config.fromfile(path))
    assert config.test_dataloader.sampler.references == config.model.references
    settings = without_pretrained(config.model)
    settings.detector.num_queries = 20
    for part in (settings.detector.encoder, settings.detector.decoder):
        part.num_layers = 1
    settings.detector.bbox_head.num_objects = 10
    settings.detector.test_cfg.max_per_img = 10
    model = MODELS.build(settings)
    model.init_weights()
    learning = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert {name.split('.')[2] for name in learning} == {'aggregator', 'project'}
    found = detect(model.eval(), video(4))
    assert [sample.frame_id for sample in found] == list(range(4))
    model.train()
    data = training_batch(video(10), 6, {'window': [1, 2, 4]})
    total, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    total.backward()
    assert model.adapter.head.project.weight.grad.any()


def test_the_live_input_of_get_started_detects_every_frame(tmp_path, monkeypatch, capsys):
    model_file(tmp_path, ONLINE)
    monkeypatch.chdir(tmp_path)
    frames = as_images(video(4))
    scope = {'camera': frames, 'frames': frames}
    for block in blocks('get_started.md', 'python session'):
        exec(compile(block, 'get_started.md', 'exec'), scope)
    printed = [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()
               if line[:1].isdigit()]
    assert printed == [*range(4), *range(4)]


def test_the_table_of_pairs_is_what_is_tested():
    names = dict(
        faster_rcnn='Faster R-CNN with FPN', cascade='Cascade R-CNN', yolox='YOLOX',
        rtmdet='RTMDet', retinanet='RetinaNet', atss='ATSS', fcos='FCOS',
        deformable_detr='Deformable DETR', dino='DINO')
    tested = dict(proposals=(proposals.DETECTORS, proposals.AGGREGATORS),
                  points=(points.DENSE, points.AGGREGATORS),
                  queries=(queries.HEADS, queries.AGGREGATORS))
    columns = ('selsa', 'rdn', 'mega', 'yolov')
    rows = [' | '.join([f'| {names[detector]}', kind,
                        *('yes' if name in aggregators else 'no' for name in columns)]) + ' |'
            for kind, (detectors, aggregators) in tested.items() for detector in detectors]
    assert '\n'.join(rows) in (ROOT / 'docs' / 'mixing.md').read_text()
