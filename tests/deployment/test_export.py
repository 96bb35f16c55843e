"""Exported models against torch: graph by graph, frame by frame, and without torch at all."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.apis.session import array_pipeline, encode_frame
from mmvod_plugins.cli import main
from mmvod_plugins.models.layers.masked_attention import attention
from mmvod_plugins.structures import ObjectFeatures
from tests.apis.test_inference import PIPELINE, as_images
from tests.models.tiny import MEGA, ONLINE, SHAPE, WINDOW, selsa_config, tiny_config, video

for name in ('onnx', 'onnxscript', 'onnxruntime'):
    pytest.importorskip(name, reason='the extra "export" is not installed')

from mmvod_plugins.deployment import export, onnx_runtime, verify  # noqa: E402
from mmvod_plugins.deployment.graphs import FrameGraph, Sizes, TemporalGraph  # noqa: E402
from mmvod_plugins.deployment.operators import exportable_detectors, kept, pooled  # noqa: E402
from mmvod_plugins.deployment.policies import policy_settings  # noqa: E402
from mmvod_plugins.deployment.verify import (  # noqa: E402
    Comparison,
    Differences,
    compare,
    differences,
    fed_by_torch,
)

ROOT = Path(__file__).resolve().parents[2]
#: Frames are wider than the network's input: they are resized and padded.
FRAME = (72, 112)
PADDED = [dict(PIPELINE[0], transforms=[
    PIPELINE[0]['transforms'][0], dict(type='Resize', scale=SHAPE[::-1], keep_ratio=True)
]), PIPELINE[1]]


def method_config(method):
    """A narrow model of a method with references that are as in the shipped configs."""
    if method == 'selsa':
        config = selsa_config()
        config.references = dict(type='UniformStride', num_frames=3, append_key=True)
    elif method == 'rdn':
        config = tiny_config('rdn', dict(WINDOW, outside='cut'))
    else:
        config = tiny_config('mega', ONLINE if method == 'online' else MEGA)
    config.data_preprocessor.pad_size_divisor = 16
    return config


def built(config, tmp_path):
    """A model with random weights whose proposals have scores apart, so that none change places."""
    model = init_video_detector(Config(dict(
        model=config, test_dataloader=dict(dataset=dict(pipeline=PADDED)))))
    torch.manual_seed(1)
    for key, parameter in model.named_parameters():
        if parameter.dim() > 1:
            std = 0.1 if key.endswith(('rpn_reg.weight', 'fc_reg.weight')) else 1.0
            torch.nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
        elif 'location.bias' in key:
            torch.nn.init.constant_(parameter, 0.8)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(
        dataset_meta=dict(classes=('a', 'b', 'ç', 'd')))), tmp_path / 'model.pth')
    model.cfg.dump(tmp_path / 'config.py')
    model.dataset_meta = dict(classes=('a', 'b', 'ç', 'd'))
    return model


def clip(length, seed=0):
    return as_images(video(length, seed, FRAME))


@pytest.fixture(scope='module', params=[
    'mega', 'rdn', 'selsa', pytest.param('online', marks=pytest.mark.slow)])
def exported(request, tmp_path_factory):
    """A model and the folder of its export; SELSA is exported by the command."""
    folder = tmp_path_factory.mktemp(request.param)
    model = built(method_config(request.param), folder)
    if request.param != 'selsa':
        return model, export.export_onnx(model, folder / 'exported', FRAME)
    (folder / 'frames').mkdir()
    for i, frame in enumerate(clip(5)):
        cv2.imwrite(str(folder / 'frames' / f'{i}.png'), frame)
    assert main(['export', str(folder / 'config.py'), '--weights', str(folder / 'model.pth'),
                 '--out', str(folder / 'exported'), '--verify', str(folder / 'frames'),
                 '--frames', '3']) == 0
    return model, folder / 'exported'


def test_every_frame_has_the_detections_of_torch(exported):
    """The memory fills up, windows meet both ends of the video; also a video of one frame."""
    model, folder = exported
    runtime = onnx_runtime.VideoRuntime(folder, threads=1)
    for length in (9, 1):
        found = compare(model, runtime, clip(length))
        assert found.frames == length
        assert found.detections > 5 * length
        assert found.same_objects.unmatched == 0, str(found)
        assert found.same_objects.scores <= 1e-4
        assert found.same_objects.boxes <= 1e-2
        assert found.equal, str(found)


def test_a_frame_has_the_objects_of_torch(exported):
    model, folder = exported
    runtime, [image] = onnx_runtime.VideoRuntime(folder, threads=1), clip(1, seed=3)
    expected = encode_frame(model, array_pipeline(model.cfg), image, 0, 'x', 1).objects
    found = runtime.encode(image)
    assert 3 < found.valid.sum() == len(expected)
    np.testing.assert_allclose(found.boxes[found.valid], expected.boxes.detach(), atol=1e-4)
    np.testing.assert_allclose(found.feats[found.valid], expected.feats.detach(), atol=1e-4)


def test_the_memory_matters_and_streams_do_not_mix(exported, monkeypatch):
    """Two streams in turn give what each gives alone."""
    _, folder = exported
    runtime = onnx_runtime.VideoRuntime(folder, threads=1)
    clips = [clip(5, seed) for seed in (1, 2)]
    alone = [list(runtime.stream(frames, 'v')) for frames in clips]
    streams = [runtime.stream(frames, 'v') for frames in clips]
    for pair in zip(*alone, strict=True):
        for expected, stream in zip(pair, streams, strict=True):
            found = next(stream)
            for name in ('frame_id', 'boxes', 'scores', 'labels'):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    if runtime.manifest['memory']['frames']:
        monkeypatch.setattr(onnx_runtime._Memory, 'write', lambda *_: None)
        without = list(runtime.stream(clips[0], 'v'))
        assert any(len(a.scores) != len(b.scores) or not np.allclose(a.scores, b.scores)
                   for a, b in zip(alone[0], without, strict=True))


def test_the_folder_runs_without_torch_and_this_package(exported, tmp_path):
    _, folder = exported
    np.save(tmp_path / 'frames.npy', np.stack(clip(4)))
    program = ('import sys\n'
               'for name in ("torch", "mmdet", "mmcv", "mmengine", "mmvod_plugins", "cv2"):\n'
               '    sys.modules[name] = None\n'
               'import numpy as np\n'
               'from video_runtime import VideoRuntime\n'
               f'runtime = VideoRuntime({str(folder)!r}, threads=1)\n'
               f'frames = np.load({str(tmp_path / "frames.npy")!r})\n'
               'found = list(runtime.stream(frames, "v"))\n'
               'print(runtime.classes[2], [len(f.scores) for f in found])\n')
    done = subprocess.run([sys.executable, '-c', program], cwd=folder, capture_output=True,
                          text=True, check=False, env={'PYTHONIOENCODING': 'utf-8'})
    assert done.returncode == 0, done.stderr
    expected = [len(found.scores)
                for found in onnx_runtime.VideoRuntime(folder).stream(clip(4), 'v')]
    assert done.stdout.strip() == f'ç {expected}'


def test_the_manifest_describes_the_graphs(exported):
    import onnx
    _, folder = exported
    manifest = json.loads((folder / 'manifest.json').read_text(encoding='utf-8'))
    for graph in manifest['graphs'].values():
        model = onnx.load(folder / graph['file'])
        onnx.checker.check_model(model, full_check=True)
        for kind in ('input', 'output'):
            assert list(graph[f'{kind}s']) == [value.name for value in getattr(model.graph, kind)]
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        'frame.onnx', 'manifest.json', 'temporal.onnx', 'video_runtime.py']


@pytest.mark.parametrize('frame', [
    np.zeros((72, 110, 3), np.uint8), np.zeros((72, 112, 3), np.float32),
    np.zeros((72, 112), np.uint8), None])
def test_other_frames_are_refused_with_the_size(exported, frame):
    runtime = onnx_runtime.VideoRuntime(exported[1])
    with pytest.raises(ValueError, match=r'exported for uint8 frames \(72, 112, 3\), BGR'):
        list(runtime.stream([frame]))


def test_a_wrong_length_is_refused(exported):
    runtime = onnx_runtime.VideoRuntime(exported[1])
    with pytest.raises(ValueError, match='2 frames came but video_length is 3'):
        list(runtime.stream(iter(clip(2)), video_length=3))
    with pytest.raises(ValueError, match='the video has 2 frames, but more came'):
        list(runtime.stream(iter(clip(3)), video_length=2))
    if runtime.lookahead is None:
        with pytest.raises(ValueError, match='pass video_length'):
            runtime.stream(iter(clip(3)))
    else:
        live = [found.scores for found in runtime.stream(iter(clip(3)))]
        for a, b in zip(live, runtime.stream(clip(3)), strict=True):
            np.testing.assert_array_equal(a, b.scores)


def test_a_missing_runtime_or_folder_is_said(exported, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='no manifest'):
        onnx_runtime.VideoRuntime(tmp_path)
    manifest = json.loads((exported[1] / 'manifest.json').read_text(encoding='utf-8'))
    (tmp_path / 'manifest.json').write_text(json.dumps(manifest | dict(format=99)))
    with pytest.raises(ValueError, match='has the format 99'):
        onnx_runtime.VideoRuntime(tmp_path)
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ImportError, match='pip install onnxruntime'):
        onnx_runtime.VideoRuntime(exported[1])


def test_padding_changes_nothing():
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, n, 4) for n in (3, 7, 7))
    bias, valid = torch.randn(1, 2, 3, 7), torch.arange(7) < 4
    for some in (None, bias):
        cut = None if some is None else some[..., :4]
        expected = attention(query, key[:, :, :4], value[:, :, :4], cut)
        torch.testing.assert_close(attention(query, key, value, some, valid), expected)
        none = attention(query, key, value, some, torch.zeros(7, dtype=torch.bool))
        assert not none.any()


def padded(objects, rows):
    """Objects with rows of rubbish at the end, which ``valid`` rules out."""
    extra = rows - len(objects)
    return replace(
        objects, boxes=torch.cat([objects.boxes, torch.rand(extra, 4) * 50]),
        feats=torch.cat([objects.feats, torch.randn(extra, objects.feats.shape[1])]),
        frame_ids=torch.zeros(rows, dtype=torch.long), scores=None,
        valid=torch.arange(rows) < len(objects))


@pytest.mark.parametrize('method', ['mega', 'rdn', 'selsa'])
def test_aggregators_do_not_look_at_padding(method):
    """Frames with few objects, and a frame without any, give the same padded and not."""
    torch.manual_seed(0)
    aggregator = MODELS.build(method_config(method).detector.roi_head.aggregator).eval()
    topk, role = aggregator.needs.topk, 'global' if method == 'selsa' else 'local'

    def objects(count):
        corner = torch.rand(count, 2) * 40
        return ObjectFeatures(torch.cat([corner, corner + 5 + torch.rand(count, 2) * 20], 1),
                              torch.randn(count, 32), None, torch.zeros(count, dtype=torch.long))

    key, frames = objects(6), [objects(count) for count in (topk, 1, 0)]
    with torch.no_grad():
        expected = aggregator(key, {role: frames}, None).feats
        found = aggregator(padded(key, 9), {role: [padded(part, topk) for part in frames]}, None)
    torch.testing.assert_close(found.feats[:6], expected, rtol=1e-4, atol=1e-5)


def test_operators_are_those_of_mmcv():
    torch.manual_seed(0)
    boxes = torch.rand(50, 2).repeat(1, 2) * 40 + torch.tensor([0, 0, 12, 15])
    scores = torch.rand(50)
    scores[7] = -1
    rows = kept(boxes, scores, 0.3, 40)
    assert rows[-1] == -1
    assert 7 not in rows
    order = torch.from_numpy(onnx_runtime.suppress(boxes.numpy(), scores.numpy(), 0.3))
    assert rows[rows >= 0].tolist() == [row for row in order.tolist() if row != 7]
    assert kept(boxes, -torch.ones(50), 0.3, 3).tolist() == [-1] * 3
    torch.library.opcheck(kept, (boxes, scores, 0.3, 40))
    maps, rois = [torch.rand(1, 3, 16, 16), torch.rand(1, 3, 8, 8)], torch.cat(
        [torch.zeros(50, 1), boxes], 1)
    levels = torch.arange(50) % 2
    torch.library.opcheck(pooled, (maps, rois, levels, [0.25, 0.125], [2, 2], 2, True))


@pytest.mark.parametrize('keep', [0, 3])
def test_few_or_no_proposals(keep, tmp_path):
    """Boxes that are too small leave rows of padding."""
    model = built(method_config('mega'), tmp_path)
    sizes = Sizes(SHAPE, SHAPE, model.detector.test_cfg.rpn.max_per_img, 32, 8, {})
    image = torch.rand(1, 3, *SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), exportable_detectors():
        boxes = FrameGraph(model, sizes)(image)[0]
    least = 10**4 if keep == 0 else (boxes[:, 2:] - boxes[:, :2]).amin(1).sort().values[-keep - 1]
    model.detector.test_cfg.rpn.min_bbox_size = float(least)
    model.detector.rpn_head.test_cfg.min_bbox_size = float(least)
    with torch.no_grad(), exportable_detectors():
        boxes, scores, feats, valid = FrameGraph(model, sizes)(image)
    expected = encode_frame_of(model, image)
    assert valid.sum() == len(expected) >= keep
    torch.testing.assert_close(boxes[valid], expected.boxes)
    torch.testing.assert_close(feats[valid], expected.feats)
    assert not boxes[~valid].any()
    assert not scores[~valid].any()


def encode_frame_of(model, image):
    from mmvod_plugins.structures import FramePlan
    from tests.models.tiny import sample_of
    with torch.no_grad():
        [record] = model.encoder.encode(image, [sample_of(0, 1)], [FramePlan()])
    return record.objects


@pytest.mark.parametrize(('method', 'settings', 'message'), [
    ('mega', {'detector.test_cfg.rcnn.nms.type': 'soft_nms'}, r'test_cfg\.rcnn\.nms is .*soft_nms'),
    ('mega', {'references': dict(type='KeyFrameInterval')}, 'KeyFrameInterval cannot be exported'),
    ('mega', {'detections': dict(nms=False)}, 'omit model.detections'),
    ('mega', {'references': None}, 'KeyFrameOnly cannot be exported'),
    ('mega', {'detector.roi_head.bbox_roi_extractor.roi_layer.pool_mode': 'max'}, 'pool_mode'),
])
def test_settings_that_the_graphs_do_not_hold_are_refused(tmp_path, method, settings, message):
    config = method_config(method)
    for key, value in settings.items():
        part, *path = [config, *key.split('.')]
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        export.export_onnx(built(config, tmp_path), tmp_path / 'out', FRAME)
    assert not (tmp_path / 'out').exists()


def test_other_methods_are_refused_with_the_list(tmp_path):
    config = selsa_config('selsa-troialign')
    with pytest.raises(ValueError, match=r'Temporal RoI Align cannot be exported; what can be '
                       r'exported: SELSA, RDN and MEGA'):
        export.export_onnx(built(config, tmp_path), tmp_path / 'out', FRAME)


def test_a_part_that_cannot_be_traced_is_said(tmp_path):
    model = built(method_config('mega'), tmp_path)
    model.detector.backbone.register_forward_hook(
        lambda _, __, maps: str(float(maps[0].sum())) and None)
    with pytest.raises(ValueError, match='torch cannot trace the frame graph: '):
        export.export_onnx(model, tmp_path / 'out', FRAME)
    assert not (tmp_path / 'out' / 'manifest.json').exists()


@torch.no_grad()
def test_mega_without_memory_has_no_tables_of_it(tmp_path):
    config = method_config('mega')
    config.detector.roi_head.aggregator.memory_size = 0
    model = built(config, tmp_path)
    sizes = export._sizes(model, policy_settings(model.policy, model.detector.roi_head.needs.roles),
                          export.preprocess_settings(model, FRAME))
    graph = TemporalGraph(model, sizes)
    boxes, scores = graph(*graph.example())
    assert graph.outputs == ('boxes', 'scores')
    assert list(graph.tables) == ['key', 'local', 'global']
    assert len(boxes) == len(scores) == sizes.proposals


@pytest.mark.parametrize('step', [
    dict(type='Resize', scale=SHAPE[::-1], keep_ratio=True, interpolation='nearest'),
    dict(type='RandomFlip', prob=1.0),
])
def test_other_pipelines_are_refused(tmp_path, step):
    model = built(method_config('mega'), tmp_path)
    model.cfg.test_dataloader.dataset.pipeline[0].transforms[1:] = [step]
    with pytest.raises(ValueError, match='something else than to resize'):
        export.preprocess_settings(model, FRAME)


@pytest.mark.parametrize(('before', 'after'), [
    ((64, 96), (53, 80)), ((64, 96), (128, 192)), ((64, 96), (32, 48)), ((65, 97), (32, 48)),
    ((180, 320), (141, 250)), ((64, 96), (64, 48)), ((50, 40), (37, 211))])
def test_images_are_resized_as_by_opencv(before, after):
    image = np.random.default_rng(0).integers(0, 256, (*before, 3), dtype=np.uint8)
    expected = cv2.resize(image, after[::-1]).astype(int)
    assert np.abs(onnx_runtime.resized(image, *after) - expected).max() <= 1
    assert (onnx_runtime.resized(image, *after) == expected).mean() > 0.99


@pytest.mark.parametrize(('options', 'message'), [
    ([], '--shape HEIGHT WIDTH is missing'),
    (['--verify', 'none'], 'none does not exist'),
    (['--shape', '0', '9'], r'must be \(height, width\)'),
])
def test_the_command_says_what_is_missing(tmp_path, options, message):
    built(method_config('selsa'), tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(['export', str(tmp_path / 'config.py'), '--weights', str(tmp_path / 'model.pth'),
              '--out', str(tmp_path / 'out'), *options])
    assert not (tmp_path / 'out').exists()


def test_the_comparison_is_printed_and_fails_on_a_difference(tmp_path, monkeypatch, capsys):
    """The torch model and another one in the place of its export."""
    built(method_config('selsa'), tmp_path)
    cv2.imwrite(str(tmp_path / '0.png'), clip(1)[0])
    same, other = (Differences(count, 0.25, 3.0) for count in (0, 2))
    monkeypatch.setattr(export, 'export_onnx', lambda *_: None)
    monkeypatch.setattr(onnx_runtime, 'VideoRuntime', lambda _: None)
    for whole, code in ((same, 0), (other, 1)):
        monkeypatch.setattr(verify, 'compare', lambda *_, found=whole, **__: Comparison(
            3, 9, same, found, (0.2, 0.1)))
        assert main(['export', str(tmp_path / 'config.py'), '--weights',
                     str(tmp_path / 'model.pth'), '--out', str(tmp_path / 'out'), '--verify',
                     str(tmp_path / '0.png')]) == code
        printed = capsys.readouterr()
        assert '3 frames, 9 detections\nfrom the same objects: 0 detections' in printed.out
        assert '2.00 : 1' in printed.out
        assert ('other detections than torch' in printed.err) == bool(code)


def test_differences_are_found():
    def frame(*rows):
        table = np.array(rows, np.float32).reshape(-1, 6)
        return onnx_runtime.FrameDetections(0, table[:, :4], table[:, 4], table[:, 5])

    first, second = (0, 0, 10, 10, 0.5, 1), (0, 0, 10, 10, 0.5, 2)
    near, far = (0, 0, 10.005, 10, 0.50005, 1), (0, 0, 11, 10, 0.5, 1)
    for a, b, unmatched in (([first, second], [second, first], 0), ([first], [near], 0),
                            ([first], [far], 2), ([first], [second], 2), ([first], [], 1),
                            ([first], [first, first], 1)):
        found = differences([frame(*a)], [frame(*b)], 1e-4, 100)
        assert found.unmatched == unmatched
    assert differences([frame(first)], [frame(near)], 1e-4, 100).boxes == pytest.approx(
        0.005, rel=1e-3)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'find_spec', lambda name: None if name == 'onnxscript' else 1)
    with pytest.raises(ImportError, match=r"needs onnxscript: pip install 'mmvod_plugins\[export"):
        export.export_onnx(None, tmp_path, FRAME)


def test_objects_of_torch_are_given_to_a_copy(exported):
    model, folder = exported
    runtime = onnx_runtime.VideoRuntime(folder)
    assert fed_by_torch(runtime, model).encode is not runtime.encode
    assert 'encode' not in vars(runtime)


@pytest.mark.slow
@pytest.mark.parametrize('method', ['selsa', 'rdn', 'mega'])
def test_toy_models_on_toyvid(method, tmp_path):
    """The shipped toy models on rendered videos, with the weights of the single-frame detector.

    What the method adds has random weights, as large as trained ones are.
    """
    subprocess.run([sys.executable, ROOT / 'tools/dataset_converters/make_toy_vid.py',
                    tmp_path / 'toy', '--train-videos', '1', '--val-videos', '2', '--stills', '1',
                    '--frames', '30'], check=True)
    name = ROOT / f'configs/toy/{method}_faster-rcnn_r18-fpn_400i_toyvid.py'
    torch.manual_seed(0)
    model = init_video_detector(name, ROOT / 'tools/demo/single-frame_toyvid.pth')
    for key, parameter in model.detector.roi_head.aggregator.named_parameters():
        if 'relations' in key and parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.5 / parameter[0].numel()**0.5)
        elif 'location.bias' in key:
            torch.nn.init.constant_(parameter, 0.8)
    export.export_onnx(model, tmp_path / 'out', (128, 160))
    runtime = onnx_runtime.VideoRuntime(tmp_path / 'out', threads=1)
    videos = sorted((tmp_path / 'toy' / 'Data' / 'VID' / 'val').iterdir())
    assert len(videos) == 2
    for folder in videos:
        frames = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
        # the sines of a location reach further than 1e-4: see WHOLE
        found = compare(model, runtime, frames, folder.name, 1e-4 if method == 'selsa' else 1e-3)
        assert found.detections > 30
        assert found.equal, str(found)
        assert found.same_objects.scores <= 1e-5
