"""The contract of every temporal neck and aggregator that is registered.

A new method adds one line to ``SETTINGS``; a class without a line fails.
"""

import ast
import copy
import importlib
import inspect
import pkgutil
import re
import textwrap

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import nn

import mmvod_plugins
from mmvod_plugins.models import (
    Aggregator,
    NeckStep,
    Needs,
    STMMNeck,
    TemporalNeck,
    VideoDetector,
)
from mmvod_plugins.references import WINDOW_ROLE
from mmvod_plugins.structures import FrameRecord, ObjectFeatures

from .records import record_of
from .tiny import batch, sample_of, tiny_model, video

CHANNELS = 16
MOTION = dict(type='FlowNetSimple', base_channels=2)
#: Constructor arguments of every registered class, for maps and objects of 16 channels.
SETTINGS = {
    'ChainedAggregator': dict(order=['proposal', 'instance'], aggregators=dict(
        instance=dict(type='MSTInstanceAggregator', channels=CHANNELS, num_heads=4,
                      num_candidates=7, ratio=0.5, reference_topk=5, relation=dict(scaled=True)),
        proposal=dict(type='MSTProposalAggregator', channels=CHANNELS, num_heads=4,
                      reference_topk=5))),
    'DFFNeck': dict(motion=MOTION),
    'FGFANeck': dict(channels=CHANNELS, motion=MOTION, embed_layers=[(8, 1), (12, 3)]),
    'MEGAAggregator': dict(channels=CHANNELS, num_heads=4, num_global_stages=2,
                           num_result_stages=1, reference_topk=5, distilled_topk=2, memory_size=3),
    'MSTInstanceAggregator': dict(channels=CHANNELS, num_heads=4, num_candidates=7, ratio=0.5,
                                  reference_topk=5, relation=dict(scaled=True)),
    'MSTNeck': dict(channels=CHANNELS, dalign=dict(predict_channels=6, apply_channels=8),
                    attention=dict(num_heads=4)),
    'MSTProposalAggregator': dict(channels=CHANNELS, num_heads=4, reference_topk=5, fc=True),
    'OGEMNAggregator': dict(channels=CHANNELS, num_heads=3, embed_channels=4, reference_topk=5),
    'OGEMNNeck': dict(in_channels=CHANNELS, num_heads=4, embed_channels=4,
                      write_rule=dict(similarity_thr=100.0, max_per_class=2)),
    'RDNAggregator': dict(channels=CHANNELS, num_heads=4, reference_topk=5, distilled_topk=2),
    'SELSAAggregator': dict(channels=CHANNELS, num_heads=4, num_stages=3, reference_topk=5),
    'STMMNeck': dict(in_channels=CHANNELS, channels=8, replaces='detector.neck.last_conv.conv'),
    'YOLOVAggregator': dict(channels=CHANNELS, num_heads=4, reference_topk=5),
}
#: Further settings of classes that are two things, by a name of their own.
VARIANTS = {
    'ChainedAggregator after MEGA': ('ChainedAggregator', dict(
        order=['mega', 'instance'], aggregators=dict(
            mega=SETTINGS['MEGAAggregator'] | dict(type='MEGAAggregator'),
            instance=SETTINGS['MSTInstanceAggregator'] | dict(type='MSTInstanceAggregator')))),
    'MSTNeck of frames': ('MSTNeck', dict(
        channels=CHANNELS, attention=dict(num_heads=4, reduction=2), queries='key')),
    'MSTNeck with flow': ('MSTNeck', dict(
        channels=CHANNELS, motion=MOTION, attention=dict(num_heads=4))),
    'STMMNeck added to the maps': ('STMMNeck', dict(in_channels=CHANNELS, channels=8)),
    'STMMNeck online': ('STMMNeck', dict(in_channels=CHANNELS, channels=8, bidirectional=False)),
}
#: Aggregators whose output is wider than their input.
WIDER = {'YOLOVAggregator': 4}
#: Parts that look at the last of several references alone.
LAST_ALONE = {'DFFNeck'}
#: Parameters whose gradient is zero by the method itself, as patterns of their names.
DEAD = (
    # adds the same to the logits of all references, which a softmax does not see
    r'key\.bias',
)
#: Further ones where a frame is alone, by class.
DEAD_ALONE = {
    'FGFANeck': (r'embed_convs\..*', ),  # the softmax over one frame is 1
    'MSTNeck': (r'motion\..*', ),  # the key frame is not warped
    # a first frame has no memory for the reset gate and the memory's convolutions to see
    'STMMNeck': (r'w_r\.(weight|bias)', r'u(_z|_r)?\.weight'),
}
#: Methods that set a module up.
SETUP = {'__init__'}


class ExampleNeck(TemporalNeck):
    """A gated mean of the window and of the last result: keeps the tests of necks honest."""

    def __init__(self, channels):
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)

    needs = Needs(of_key=frozenset({'maps', 'image'}), of_references=frozenset({'maps', 'image'}))

    def encode(self, record, image):
        return {'brightness': image.mean(dim=(2, 3), keepdim=True)}

    def init_memory(self):
        return []

    def enhance(self, key, references, memory):
        records = references['local']
        own = key.extras['brightness']
        maps = [record.maps[0] * (record.extras['brightness'] / own).mean() for record in records]
        maps += (memory or [])[-1:]
        gates = torch.stack([self.gate(part) for part in maps]).sigmoid()
        feats = (torch.stack(maps) * gates).mean(0)
        return NeckStep((feats, ), to_memory=feats)

    def write(self, memory, step, found):
        memory.append(step.to_memory.detach().clone())


def registered(kind):
    """Classes of this package in mmdet's registry."""
    found = {cls for cls in MODELS.module_dict.values()
             if inspect.isclass(cls) and issubclass(cls, kind)
             and cls.__module__.startswith('mmvod_plugins.')}
    return sorted(found, key=lambda cls: cls.__name__)


AGGREGATORS = registered(Aggregator)
PARTS = [*AGGREGATORS, *registered(TemporalNeck), ExampleNeck, *VARIANTS]
every_part = pytest.mark.parametrize('cls', PARTS, ids=lambda cls: getattr(cls, '__name__', cls))


def build(cls):
    if cls is ExampleNeck:
        part = cls(CHANNELS)
    elif cls in VARIANTS:
        name, settings = VARIANTS[cls]
        part = MODELS.get(name)(**copy.deepcopy(settings))
    elif cls.__name__ not in SETTINGS:
        pytest.fail(f'{cls.__name__} is registered but has no line in SETTINGS of this file')
    else:
        part = cls(**copy.deepcopy(SETTINGS[cls.__name__]))
    torch.manual_seed(0)
    for name, parameter in part.named_parameters():
        # flows that stay inside the map: beyond its border they have no gradient
        nn.init.normal_(parameter, std=3e-4 if 'predict_flow.' in name else 0.3)
    return part.double().eval()


def frame(part, frame_id):
    """What the part is given of a frame: a record with maps, or objects."""
    generator = torch.Generator().manual_seed(frame_id)
    if isinstance(part, TemporalNeck):
        feats = torch.randn(1, CHANNELS, 6, 8, generator=generator).double()
        image = 60 * torch.randn(1, 3, 96, 128, generator=generator).double() + 110
        record = record_of(sample_of(frame_id, 9, (90, 120)), (feats, ))
        record.extras.update(part.encode(record, image))
        return record
    corner = 60 * torch.rand(7, 2, generator=generator)
    return ObjectFeatures(
        torch.cat([corner, corner + 9 + 20 * torch.rand(7, 2, generator=generator)], 1).double(),
        torch.randn(7, CHANNELS, generator=generator).double(),
        torch.rand(7, generator=generator).sort(descending=True).values,
        torch.full((7, ), frame_id))


def found_of(part):
    """What was detected in a frame, for parts that ask for it."""
    if 'detections' not in part.needs.of_key:
        return None
    return InstanceData(bboxes=torch.tensor([[8.0, 8.0, 60.0, 50.0], [0.0, 0.0, 5.0, 5.0]]),
                        scores=torch.tensor([0.95, 0.91]), labels=torch.tensor([1, 0]))


def clip(part, key_id, roles=None):
    """References of all roles that the part knows."""
    number = 1 if type(part).__name__ in LAST_ALONE else 3
    if isinstance(part, STMMNeck) and not part.bidirectional:
        key_id -= 2  # looks at no frame after the key frame
    return {role: [frame(part, (key_id + 3 * i + j) % 9) for j in range(number)]
            for i, role in enumerate(sorted(part.needs.roles - {WINDOW_ROLE} if roles is None
                                            else roles))}


def streaming_roles(part):
    """While testing, a memory stands for roles that exist in training alone, or for them all."""
    if isinstance(part, STMMNeck) and not part.bidirectional:
        return frozenset()
    return part.needs.roles - part.needs.detached_roles - {WINDOW_ROLE}


def tensors_of(item):
    """Every tensor that can be changed in a frame."""
    if isinstance(item, ObjectFeatures):
        return [item.boxes, item.feats, item.scores, item.frame_ids]
    return [*item.maps, *item.extras.values()]


def maps_of(result):
    """Maps of a step of a neck, or features of a step of an aggregator."""
    return result.maps if isinstance(result, NeckStep) else (result.feats, )


def shapes_of_results(part, key):
    """Shapes of what a part makes of a frame."""
    ratio = WIDER.get(type(part).__name__)
    return [(len(x), ratio * x.shape[1]) if ratio else x.shape for x in features_of(key)]


def features_of(item):
    return item.maps if isinstance(item, FrameRecord) else (item.feats, )


@torch.no_grad()
def stream(part, length=6, offset=0, spoil=False):
    """Detect a video key by key; ``spoil`` overwrites all that was given and returned."""
    memory, out = part.init_memory(), []
    for key_id in range(offset, offset + length):
        key, references = frame(part, key_id), clip(part, key_id, streaming_roles(part))
        result = part(key, references or part.needs.alone(key), memory)
        out.append([level.clone() for level in maps_of(result)])
        if memory is not None:
            part.write(memory, result, found_of(part))
        if spoil:
            for item in [key, *(item for items in references.values() for item in items)]:
                for tensor in tensors_of(item):
                    tensor.zero_()
            for level in maps_of(result):
                level.zero_()
        yield out[-1]


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y)


@every_part
def test_shape_in_is_shape_out(cls):
    part = build(cls)
    key = frame(part, 4)
    result = part(key, clip(part, 4), None)
    assert [x.shape for x in maps_of(result)] == shapes_of_results(part, key)


def assert_alive(part, result, dead):
    """Every parameter has a gradient, and those alone that are named have one of zero.

    In double precision a gradient that cancels leaves about 1e-16 of the largest one.
    """
    part.zero_grad()
    sum(x.square().sum() for x in maps_of(result)).backward()
    assert [name for name, p in part.named_parameters() if p.grad is None] == []
    norms = {name: p.grad.norm().item() for name, p in part.named_parameters()}
    zero = {name for name, norm in norms.items() if norm <= 1e-10 * max(norms.values())}
    assert zero == {name for name in norms
                    if any(re.fullmatch(rf'(.*\.)?({pattern})', name) for pattern in dead)}


@every_part
def test_gradient_reaches_every_parameter(cls):
    part = build(cls)
    # the key frame is the middle one: both directions of a memory have frames before it
    assert_alive(part, part(frame(part, 5), clip(part, 4), None), DEAD)


@every_part
def test_detached_roles_get_no_gradient_and_others_do(cls):
    part = build(cls)
    # a method of groups takes a frame once: the key frame is none of its references
    key, references = frame(part, 4), clip(part, 5 if type(part).__name__ in WIDER else 4)
    for items in references.values():
        for item in items:
            for level in features_of(item):
                level.requires_grad_()
            if cls == 'MSTNeck of frames':
                item.extras.clear()  # made of the maps before
    sum(x.square().sum() for x in maps_of(part(key, references, None))).backward()
    for role, items in references.items():
        for item in items[-1:] if type(part).__name__ in LAST_ALONE else items:
            got = [x.grad is not None and bool(x.grad.abs().sum() > 0) for x in features_of(item)]
            assert all(got) if role not in part.needs.detached_roles else not any(got), role


@every_part
def test_inputs_stay_as_they_are(cls):
    part = build(cls)
    key, references = frame(part, 4), clip(part, 4)
    items = [key, *(item for frames in references.values() for item in frames)]
    before = [[x.clone() for x in tensors_of(item)] for item in items]
    part(key, references, part.init_memory())
    assert_equal([tensors_of(item) for item in items], before)
    number = 1 if type(part).__name__ in LAST_ALONE else 3
    assert {role: len(frames) for role, frames in references.items()} == dict.fromkeys(
        part.needs.roles - {WINDOW_ROLE}, number)


@every_part
@torch.no_grad()
def test_output_depends_on_arguments_alone(cls):
    part = build(cls)
    state = {name: value.clone() for name, value in part.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in part.named_modules()}
    first = list(stream(part))
    assert_equal(list(stream(part)), first)
    assert attributes == {name: set(vars(module)) for name, module in part.named_modules()}
    assert all(torch.equal(value, state[name]) for name, value in part.state_dict().items())


@every_part
def test_nothing_handed_out_aliases_the_memory(cls):
    part = build(cls)
    assert_equal(list(stream(part, spoil=True)), list(stream(part)))


@every_part
def test_two_streams_do_not_mix(cls):
    part = build(cls)
    alone = list(stream(part)), list(stream(part, offset=20))
    together = list(zip(stream(part), stream(part, offset=20), strict=True))
    assert_equal([first for first, _ in together], alone[0])
    assert_equal([second for _, second in together], alone[1])


@every_part
@torch.no_grad()
def test_one_frame_video(cls):
    """Every role names the key frame itself, as the policies do; or there is no reference."""
    part = build(cls)
    key = frame(part, 0)
    for references in (part.needs.alone(key), {role: [key] for role in streaming_roles(part)}):
        references = references or part.needs.alone(key)
        result = part(key, references, part.init_memory())
        assert all(torch.isfinite(level).all() for level in maps_of(result))
        assert [x.shape for x in maps_of(result)] == shapes_of_results(part, key)


@every_part
def test_one_frame_in_training_gives_every_parameter_a_gradient(cls):
    part = build(cls).train()
    key = frame(part, 0)
    clips = [{role: [key] for role in part.needs.roles - {WINDOW_ROLE}}]
    # without references a RoI head gives an aggregator the key objects in another order
    clips += [part.needs.alone(key)] * isinstance(part, TemporalNeck)
    for references in clips:
        assert_alive(part, part(key, references, None),
                     DEAD + DEAD_ALONE.get(type(part).__name__, ()))


@every_part
def test_changed_frame_size_is_refused(cls):
    model, part = tiny_model(), build(cls)
    if isinstance(part, TemporalNeck):
        part.encode = lambda *_: {}  # for other maps, but no key frame gets as far
        model.temporal_neck = part
    else:
        model.adapter.head.aggregator = part
    model.test_step(batch(video(6), [0]))
    with pytest.raises(ValueError, match='frames of a video need one size'):
        model.test_step(batch(video(6, shape=(48, 64)), [1]))


@every_part
@torch.no_grad()
def test_roles_may_be_missing(cls):
    part = build(cls)
    for role in part.needs.roles - {WINDOW_ROLE}:
        references = clip(part, 4)
        references.pop(role)
        references = references or part.needs.alone(frame(part, 4))
        assert all(torch.isfinite(x).all() for x in maps_of(part(frame(part, 4), references, None)))


@every_part
@torch.no_grad()
def test_memory_is_bounded(cls):
    """What a memory holds after 40 frames is not more than after 20."""
    part = build(cls)
    if cls is ExampleNeck:
        pytest.skip('the example keeps everything')
    sizes, memory = [], part.init_memory()
    for key_id in range(40):
        key = frame(part, key_id % 9)
        references = clip(part, key_id, streaming_roles(part)) or part.needs.alone(key)
        result = part(key, references, memory)
        if memory is not None:
            part.write(memory, result, found_of(part))
        sizes.append(held(memory))
    assert max(sizes[20:]) == sizes[20]


def held(item):
    """Bytes of all tensors that an object reaches."""
    if isinstance(item, torch.Tensor):
        return item.untyped_storage().nbytes()
    if isinstance(item, dict):
        return sum(map(held, item.values()))
    if hasattr(item, '__dict__'):
        return sum(map(held, vars(item).values()))
    if hasattr(item, '__iter__') and not isinstance(item, str):
        return sum(map(held, item))
    return 0


def records(objects):
    """Records of frames from their objects, by role."""
    return {role: [record_of(sample_of(int(part.frame_ids[0]), 9), objects=part) for part in parts]
            for role, parts in objects.items()}


@pytest.mark.parametrize('cls', AGGREGATORS, ids=lambda cls: cls.__name__)
def test_result_does_not_depend_on_the_batch(cls):
    head = tiny_model().detector.roi_head
    head.embedding.fc = nn.Linear(head.embedding.fc.in_features, CHANNELS)
    width = CHANNELS * WIDER.get(cls.__name__, 1)
    head.bbox_head.fc_cls, head.bbox_head.fc_reg = nn.Linear(width, 5), nn.Linear(width, 16)
    head.aggregator = build(cls)
    head.double().train()
    head.bbox_sampler.num = 1000  # takes every RoI, so that nothing is drawn
    outputs = []
    head.bbox_head.register_forward_hook(lambda _, __, out: outputs.append(out))

    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(2, 32, 4, 6, generator=generator).double()
    proposals = [InstanceData(bboxes=frame(head.aggregator, t).boxes, scores=torch.rand(7))
                 for t in (30, 31)]
    samples = [sample_of(t, 9) for t in (1, 2)]
    for sample in samples:
        sample.gt_instances.bboxes = sample.gt_instances.bboxes.double()
    references = [records(clip(head.aggregator, t)) for t in (1, 5)]

    head.loss((maps, ), proposals, samples, references)
    for i in range(2):
        head.loss((maps[i:i + 1], ), proposals[i:i + 1], samples[i:i + 1], references[i:i + 1])
    together, *alone = outputs
    for part, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(part, torch.cat(parts), rtol=1e-9, atol=1e-9)


# State -------------------------------------------------------------------------------------------


def modules_of_the_package():
    """Every ``nn.Module`` class that a file of the package defines."""
    found = set()
    for info in pkgutil.walk_packages(mmvod_plugins.__path__, 'mmvod_plugins.'):
        module = importlib.import_module(info.name)
        found |= {value for value in vars(module).values()
                  if inspect.isclass(value) and issubclass(value, nn.Module)
                  and value.__module__.startswith('mmvod_plugins.')}
    return sorted(found, key=lambda cls: cls.__name__)


def stores(cls):
    """``method: target`` of every assignment to (a part of) ``self`` outside set-up."""

    def owner(node):
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        return getattr(node, 'id', None)

    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
    return {f'{fn.name}: {ast.unparse(node)}'
            for fn in body if isinstance(fn, ast.FunctionDef) and fn.name not in SETUP
            for node in ast.walk(fn)
            if isinstance(node, ast.Attribute | ast.Subscript)
            and isinstance(node.ctx, ast.Store) and owner(node) == 'self'}


@pytest.mark.parametrize('cls', modules_of_the_package(), ids=lambda cls: cls.__name__)
def test_nothing_of_a_video_is_stored_on_a_module(cls):
    assert stores(cls) == set()


def test_the_search_for_stored_state_finds_it():
    class Forgetful(nn.Module):
        def forward(self, x):
            self.memo = x
            self.queue[0] = x
            return x

    assert stores(Forgetful) == {'forward: self.memo', 'forward: self.queue[0]'}


def test_every_registered_part_is_a_module_of_the_package():
    assert set(AGGREGATORS) <= set(modules_of_the_package())
    assert VideoDetector in modules_of_the_package()
    assert SETTINGS.keys() <= {getattr(cls, '__name__', cls) for cls in PARTS}
