"""One call detects in any source, and writes what is asked for."""

import copy
import json
import signal

import cv2
import mmdet.apis
import numpy as np
import pytest
import torch
from mmdet.models.detectors import MaskFormer
from mmdet.registry import MODELS
from mmengine.config import Config

from mmvod_plugins.apis import (
    InferenceInterrupted,
    VideoDetInferencer,
    detect_frames,
    init_video_detector,
)
from mmvod_plugins.apis.stock import as_video_config
from mmvod_plugins.datasets.transforms import ImageToFloat32
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.adapters import adapt
from mmvod_plugins.results import read_results
from mmvod_plugins.visualization import VideoWriter, count_frames, read_frames, write_video
from tests.models.tiny import MEGA, ONLINE, WINDOW, video
from tests.tools.tiny_coco import write_config

from .test_inference import as_images, model_file

CLASSES = ('a', 'b', 'c', 'd')
NAME = 'a clip, "1".mp4'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two videos of six frames; models of each kind of policy."""
    made = tmp_path_factory.mktemp('inferencer')
    for i, name in enumerate((NAME, 'b.mp4')):
        write_video(made / 'videos' / name, as_images(video(6, seed=i)), 10)
    for name, references in dict(single=None, window=WINDOW, mega=MEGA, online=ONLINE).items():
        (made / name).mkdir()
        model_file(made / name, references)
    return made


def inferencer_of(folder, name='single', **options):
    return VideoDetInferencer(folder / name / 'config.py', folder / name / 'model.pth', 'cpu',
                              show_progress=False, **options)


def boxes_of(samples):
    return [sample.pred_instances.bboxes for sample in samples]


def assert_same(found, expected, **tolerance):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **(tolerance or dict(rtol=0, atol=0)))


@pytest.mark.parametrize('name', ['single', 'window', 'mega', 'online'])
def test_a_call_gives_what_detect_frames_gives(folder, name):
    run = inferencer_of(folder, name)
    path = folder / 'videos' / NAME
    expected = list(detect_frames(run.model, read_frames(path), 6, NAME))
    found = run(path, return_datasamples=True)
    assert_same(boxes_of(found['predictions'][0]), boxes_of(expected))
    streamed = list(run.stream(path))
    assert_same(boxes_of(sample for _, sample in streamed), boxes_of(expected))
    assert all(map(np.array_equal, (frame for frame, _ in streamed), read_frames(path)))
    [detections] = found['results'].videos
    assert detections.frame_ids.tolist() == list(range(6))
    assert detections.video_id == NAME
    np.testing.assert_array_equal(detections.boxes, torch.cat(boxes_of(expected)).numpy())
    assert found['results'].classes == CLASSES


@pytest.mark.parametrize('name', ['window', 'mega'])
def test_several_frames_in_one_pass_give_the_same(folder, name):
    run, seen = inferencer_of(folder, name), []
    one = run(folder / 'videos' / NAME, return_datasamples=True)['predictions'][0]
    run.model.detector.backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    four = run(folder / 'videos' / NAME, 4, return_datasamples=True)['predictions'][0]
    assert max(seen) == 4
    assert sum(seen) == 6 if name == 'window' else sum(seen) >= 6
    assert_same(boxes_of(four), boxes_of(one), rtol=1e-3, atol=1e-2)


def test_the_frames_that_a_stream_holds_are_bounded(folder):
    """A frame comes out as many frames late as ``delay`` and the batch say."""
    run, given = inferencer_of(folder, 'window'), 0

    def camera():
        nonlocal given
        for image in as_images(video(20)):
            given += 1
            yield image

    assert run.delay == 2
    for number, _ in enumerate(run.stream(camera(), batch_size=3), start=1):
        assert given - number <= 2 + 3 - 1
    assert number == given == 20


def test_a_whole_video_model_refuses_what_has_no_length_before_it_detects(folder):
    run = inferencer_of(folder, 'mega')
    assert run.delay is None
    with pytest.raises(ValueError, match='whole video, whose length is not known'):
        run(iter(as_images(video(4))))
    with pytest.raises(ValueError, match='a stream is one video'):
        next(run.stream(folder / 'videos'))
    with pytest.raises(ValueError, match='frames has no frame'):
        inferencer_of(folder)(iter([]))


def test_a_folder_gives_a_video_and_detections_for_each(folder, tmp_path):
    run = inferencer_of(folder)
    found = run(folder / 'videos', out_dir=tmp_path, pred_out=tmp_path / 'all.csv',
                pred_score_thr=0.0)
    files = ['all.csv', 'preds/a clip, _1_.json', 'preds/b.json', 'vis/a clip, _1_.mp4',
             'vis/b.mp4']
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*.*')) == files
    assert [str(p.relative_to(tmp_path)) for p in found['visualization']] == files[3:]
    assert count_frames(tmp_path / files[3]) == 6
    assert cv2.VideoCapture(str(tmp_path / files[4])).get(cv2.CAP_PROP_FPS) == 10
    first = read_results(tmp_path / files[1])
    assert first.videos[0].equals(found['results'].videos[0])
    entry = json.loads((tmp_path / files[1]).read_text())
    assert entry['videos'] == found['predictions'][:1]
    assert entry['videos'][0]['fps'] == 10
    table = read_results(tmp_path / 'all.csv', CLASSES)
    assert [len(v) for v in table.videos] == [len(v) for v in found['results'].videos]
    before, after = (list(read_frames(p)) for p in (folder / 'videos/b.mp4', tmp_path / files[4]))
    assert np.abs(after[3].astype(int) - before[3]).max() > 150  # boxes were drawn


def test_without_outputs_nothing_is_written(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = inferencer_of(folder)
    run(as_images(video(2)), print_result=True)
    assert not list(tmp_path.iterdir())
    [printed] = json.loads(capsys.readouterr().out)
    assert len(printed['frames']) == 2
    run(as_images(video(2)), out_dir='out', no_save_vis=True, no_save_pred=True)
    assert not list(tmp_path.iterdir())


def test_classes_and_colours(folder, tmp_path):
    every = inferencer_of(folder)(as_images(video(3)))['results'].videos[0]
    some = inferencer_of(folder, classes=['d', 'a'])(as_images(video(3)))['results'].videos[0]
    assert some.equals(every.select(np.isin(every.labels, [0, 3])))
    assert 0 < len(some) < len(every)
    with pytest.raises(ValueError, match=r"no classes \['x'\]: it has a, b, c, d"):
        inferencer_of(folder, classes=['a', 'x'])
    with pytest.raises(ValueError, match="palette 'nothing' is not possible"):
        inferencer_of(folder, palette='nothing')
    inferencer_of(folder, palette=(255, 0, 0))(
        as_images(video(2)), vis_out=tmp_path / 'red.mp4', pred_score_thr=0.0)
    red = next(read_frames(tmp_path / 'red.mp4')).astype(int)
    assert (red[..., 2] - red[..., 0] > 150).sum() > 50


# Post-processing --------------------------------------------------------------------------------


def moving(length=6):
    """A bright square that moves, so that detections of neighbouring frames overlap."""
    frames = [np.full((64, 96, 3), 60, np.uint8) for _ in range(length)]
    for t, frame in enumerate(frames):
        frame[16:48, 20 + 2 * t:52 + 2 * t] = 250
    return frames


def test_linked_detections_have_tracks_and_are_drawn_afterwards(folder, tmp_path, monkeypatch):
    drawn = []
    from mmvod_plugins.apis import painter
    original = painter.draw_detections
    monkeypatch.setattr(painter, 'draw_detections', lambda *args, **options: drawn.append(
        options['track_ids']) or original(*args, **options))
    run = inferencer_of(folder, post_processors=[dict(type='SeqNMS')])
    assert not run.model.output.nms  # Seq-NMS needs the boxes before suppression
    found = run(moving(), vis_out=tmp_path / 'linked.mp4', pred_out=tmp_path / 'linked.xml',
                pred_score_thr=0.0)
    [linked] = found['results'].videos
    assert np.bincount(linked.track_ids[linked.track_ids >= 0]).max() > 1
    np.testing.assert_array_equal(np.concatenate(drawn), linked.track_ids)
    assert count_frames(tmp_path / 'linked.mp4') == 6
    assert len(read_results(tmp_path / 'linked.xml', CLASSES).videos[0]) == len(linked)
    with pytest.warns(UserWarning, match='can be read once: the boxes that are drawn'):
        run(iter(moving()), vis_out=tmp_path / 'once.mp4')


def test_a_tracker_numbers_what_is_detected(folder):
    plain = inferencer_of(folder)(moving())['results'].videos[0]
    config = dict(type='ByteTracker', motion=dict(type='KalmanFilter'), init_track_thr=0.0,
                  obj_score_thrs=dict(high=0.0, low=0.0))
    tracked = inferencer_of(folder, tracker=config)(moving())['results'].videos[0]
    assert np.bincount(tracked.track_ids).max() > 1
    assert tracked.with_arrays(track_ids=None).equals(plain)


def test_mixed_precision_needs_a_gpu(folder):
    with pytest.raises(ValueError, match='amp=True needs a GPU, the model is on cpu'):
        inferencer_of(folder, amp=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_mixed_precision_is_near(folder):
    exact, near = (VideoDetInferencer(
        folder / 'single/config.py', folder / 'single/model.pth', show_progress=False, amp=amp)
        for amp in (False, True))
    seen = []
    near.model.detector.backbone.register_forward_hook(lambda *args: seen.append(args[2][-1].dtype))
    exact, near = (run(moving(2))['results'].videos[0] for run in (exact, near))
    assert set(seen) == {torch.float16}
    assert near.boxes.dtype == np.float32
    assert abs(near.scores.max() - exact.scores.max()) < 0.1


# Models -----------------------------------------------------------------------------------------


@pytest.fixture
def stock(tmp_path):
    """A plain RetinaNet of mmdet: config, checkpoint, mmdet's own model."""
    write_config(tmp_path / 'retina.py', tmp_path, [])
    torch.manual_seed(1)
    model = MODELS.build(Config.fromfile(tmp_path / 'retina.py').model)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=1.5 / parameter[0].numel()**0.5)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(
        dataset_meta=dict(classes=('thing', ), palette=[(0, 0, 255)]),
        cfg=Config.fromfile(tmp_path / 'retina.py').pretty_text)), tmp_path / 'retina.pth')
    return tmp_path / 'retina.py', tmp_path / 'retina.pth'


def test_a_stock_detector_detects_as_in_mmdet(stock):
    """The same boxes, frame by frame, and a linked video in the same call."""
    config, weights = stock
    frames = as_images(video(3, shape=(48, 80)))
    theirs = mmdet.apis.init_detector(str(config), str(weights), device='cpu')
    expected = [mmdet.apis.inference_detector(theirs, frame) for frame in frames]
    run = VideoDetInferencer(config, weights, 'cpu', show_progress=False)
    assert isinstance(run.model, VideoDetector)
    assert run.classes == ('thing', )
    found = run(frames, return_datasamples=True)['predictions'][0]
    assert min(map(len, boxes_of(found))) > 1
    assert_same(boxes_of(found), boxes_of(expected), rtol=1e-5, atol=1e-4)
    linked = VideoDetInferencer(config, weights, 'cpu', show_progress=False, post_processors=[
        dict(type='SeqNMS')])(moving())['results'].videos[0]
    assert linked.track_ids is not None


def test_a_stock_pipeline_keeps_its_steps_and_what_it_says_of_frames():
    """CenterNet crops, wants float32 and needs ``border``; loading and packing are ours."""
    crop = dict(type='RandomCenterCropPad', test_mode=True)
    inner = dict(type='CocoDataset', metainfo=dict(classes=('a', )), pipeline=[
        dict(type='LoadImageFromFile', to_float32=True), crop,
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs', meta_keys=('img_id', 'border'))])
    stock = Config(dict(model=dict(type='CenterNet'), test_dataloader=dict(
        dataset=dict(type='ClassBalancedDataset', dataset=inner))))
    made = as_video_config(stock)
    assert made.model == dict(type='VideoDetector', detector=dict(type='CenterNet'))
    assert made.test_dataloader.dataset == dict(
        type='CocoDataset', metainfo=dict(classes=('a', )), pipeline=[
            dict(type='TransformBroadcaster', transforms=[dict(type='ImageToFloat32'), crop]),
            dict(type='PackVideoInputs', meta_keys=('img_id', 'border'))])
    assert stock.model.type == 'CenterNet'
    assert as_video_config(made) is made
    image = np.full((2, 2, 3), 200, np.uint8)
    assert ImageToFloat32()(dict(img=image))['img'].dtype == np.float32
    with pytest.raises(ValueError, match='has no test_dataloader: pass a whole config'):
        as_video_config(Config(dict(model=dict(type='CenterNet'))))
    with pytest.raises(ValueError, match=r'no test_dataloader\.dataset\.pipeline'):
        as_video_config(Config(dict(model={}, test_dataloader=dict(dataset={}))))


def test_a_detector_without_a_box_head_is_refused():
    with pytest.raises(TypeError, match='MaskFormer is of no family of detectors that is known'):
        adapt(MaskFormer.__new__(MaskFormer))


def test_weights_alone_bring_their_config(stock):
    _, weights = stock
    both = VideoDetInferencer(*stock, 'cpu', show_progress=False)(as_images(video(2)))
    alone = VideoDetInferencer(weights=weights, device='cpu', show_progress=False)
    assert alone(as_images(video(2)))['predictions'] == both['predictions']
    content = torch.load(weights, weights_only=True)
    content['meta']['cfg'] += "\nmodel = dict(type=__import__('os').getcwd())\n"
    torch.save(content, weights)
    with pytest.raises(ValueError, match=r'retina\.pth is more than settings .* trust=True'):
        VideoDetInferencer(weights=weights)
    del content['meta']['cfg']
    torch.save(content, weights)
    with pytest.raises(ValueError, match='holds no config: pass it as model'):
        VideoDetInferencer(weights=weights)


def test_a_model_that_is_built_is_taken(folder):
    model = init_video_detector(folder / 'online/config.py', folder / 'online/model.pth')
    first = VideoDetInferencer(model, show_progress=False)(as_images(video(3)))
    assert first['predictions'] == inferencer_of(folder, 'online')(
        as_images(video(3)))['predictions']


@pytest.mark.parametrize(('arguments', 'error', 'message'), [
    ({}, ValueError, 'neither model nor weights'),
    (dict(model='mega_faster-rcnn_r50-fpm', weights='x.pth'), FileNotFoundError,
     'neither a file nor a config.*similar names are .*mega_faster-rcnn_r50-fpn'),
    (dict(model='mega_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid'), ValueError,
     'by hand, from .* pass the file as weights'),
    (dict(model='mst-r101'), ValueError,
     'no published weights: pass a checkpoint as weights'),
    (dict(model='rtmdet-s', weights='none.pth'), ValueError, 'none.pth does not exist'),
    (dict(model='rtmdet_s_8xb32-300e_coco', weights='none.pth'), ValueError,
     'none.pth does not exist'),
])
def test_models_that_cannot_be_had_are_said(arguments, error, message):
    with pytest.raises(error, match=message):
        VideoDetInferencer(**arguments)


# Faults -----------------------------------------------------------------------------------------


def interrupting(monkeypatch, after):
    """Let Ctrl-C come while frame number ``after`` is detected."""
    original, count = VideoDetector.detect, 0

    def detect(*args, **options):
        nonlocal count
        count += 1
        if count == after + 1:
            raise KeyboardInterrupt
        return original(*args, **options)
    monkeypatch.setattr(VideoDetector, 'detect', detect)


@pytest.mark.parametrize('post', [None, [dict(type='SeqNMS')]], ids=['plain', 'linked'])
def test_an_interruption_keeps_what_was_done(folder, tmp_path, monkeypatch, post):
    run = inferencer_of(folder, post_processors=post)
    interrupting(monkeypatch, after=10)
    with pytest.raises(InferenceInterrupted, match=r'interrupted: 4 of 6 frames of b\.mp4 are '
                                                   r'detected; written: .*b\.mp4.*all\.jsonl'
                       ) as caught:
        run(folder / 'videos', out_dir=tmp_path, pred_out=tmp_path / 'all.jsonl')
    assert [count_frames(tmp_path / 'vis' / name) for name in ('a clip, _1_.mp4', 'b.mp4')] == [
        6, 4]
    assert [v.num_frames for v in read_results(tmp_path / 'all.jsonl', CLASSES).videos] == [6, 4]
    assert [v.num_frames for v in caught.value.results['results'].videos] == [6, 4]
    assert not list(tmp_path.rglob('*part*'))


def test_an_interrupted_post_processor_loses_no_detections(folder, tmp_path, monkeypatch):
    run = inferencer_of(folder, tracker='bytetrack')
    monkeypatch.setattr(run.post_processors[0], 'process', interrupt)
    with pytest.raises(InferenceInterrupted, match='frames are not wholly post-processed'):
        run(moving(3), vis_out=tmp_path / 'v.mp4', pred_out=tmp_path / 'v.csv')
    assert count_frames(tmp_path / 'v.mp4') == 3
    assert read_results(tmp_path / 'v.csv').videos[0].num_frames == 3


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interruption_waits_until_the_video_is_finished(folder, tmp_path, monkeypatch):
    release = VideoWriter._release

    def interrupted(self):
        signal.raise_signal(signal.SIGINT)
        release(self)
    monkeypatch.setattr(VideoWriter, '_release', interrupted)
    # a process in the background ignores interruptions
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(InferenceInterrupted, match=r'all 3 frames of frames are done; written: '
                                                       r'.*v\.mp4, .*v\.csv'):
            inferencer_of(folder)(moving(3), vis_out=tmp_path / 'v.mp4',
                                  pred_out=tmp_path / 'v.csv')
    finally:
        signal.signal(signal.SIGINT, before)
    assert count_frames(tmp_path / 'v.mp4') == 3
    assert read_results(tmp_path / 'v.csv').videos[0].num_frames == 3


def test_a_camera_ends_by_an_interruption(folder, tmp_path, monkeypatch):
    """No error: there is no other end."""
    from mmvod_plugins.apis import sources

    def camera():
        yield from moving(3)
        raise KeyboardInterrupt
    monkeypatch.setattr(sources, '_live', lambda *_: sources.VideoSource(
        'camera 0', camera, replayable=False, live=True))
    found = inferencer_of(folder, 'online')(0, out_dir=tmp_path)
    assert found['results'].videos[0].num_frames == 3
    assert count_frames(tmp_path / 'vis' / 'camera 0.mp4') == 3


def test_a_frame_of_another_size_leaves_no_file_of_its_video(folder, tmp_path):
    frames = [*moving(2), np.zeros((32, 96, 3), np.uint8)]
    with pytest.raises(ValueError, match=r'frame 2 .* need one size'):
        inferencer_of(folder)(frames, out_dir=tmp_path, pred_out=tmp_path / 'x.json')
    assert not [p for p in tmp_path.rglob('*') if p.is_file()]


def test_videos_before_a_bad_one_are_written(folder, tmp_path, monkeypatch):
    run = inferencer_of(folder)
    original = VideoDetector.detect

    def detect(self, key, *args):
        if key.place.video_id == 'b.mp4' and key.place.frame_id == 2:
            raise OSError('gone')
        return original(self, key, *args)
    monkeypatch.setattr(VideoDetector, 'detect', detect)
    with pytest.raises(OSError, match='gone'):
        run(folder / 'videos', out_dir=tmp_path, pred_out=tmp_path / 'all.csv')
    assert sorted(p.name for p in tmp_path.rglob('*') if p.is_file()) == [
        'a clip, _1_.json', 'a clip, _1_.mp4', 'all.csv']
    assert [v.video_id for v in read_results(tmp_path / 'all.csv').videos] == [NAME]


@pytest.mark.parametrize(('options', 'message'), [
    (dict(pred_out='x.doc'), 'must end with'),
    (dict(pred_out='x.txt'), r'holds one video, there are 2: write \{video\}'),
    (dict(vis_out='x.mp4'), 'is one video, but there are 2'),
    (dict(out_dir='out', fps=-1.0), 'positive fps'),
    (dict(batch_size=0), 'batch_size must be 1 or more'),
])
def test_bad_outputs_are_refused_before_the_work(folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    run = inferencer_of(folder)
    run.model.detect = None  # would fail otherwise
    with pytest.raises(ValueError, match=message):
        run(folder / 'videos', **options)
    assert not list(tmp_path.iterdir())


def test_the_input_is_not_overwritten(folder, tmp_path):
    path = tmp_path / 'clip.mp4'
    path.write_bytes((folder / 'videos' / 'b.mp4').read_bytes())
    before = copy.copy(path.read_bytes())
    with pytest.raises(ValueError, match='is read and would be overwritten'):
        inferencer_of(folder)(path, vis_out=path)
    assert path.read_bytes() == before


def test_a_window_that_cannot_open_is_said(folder, monkeypatch):
    from mmvod_plugins.apis import painter
    shown = []
    run = inferencer_of(folder)

    def fail(*_):
        raise cv2.error('no GTK')
    monkeypatch.setattr(painter.cv2, 'namedWindow', fail)
    for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'QT_QPA_PLATFORM'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OSError, match='there is no display'):
        run(moving(2), show=True)
    monkeypatch.setenv('DISPLAY', ':0')
    with pytest.raises(OSError, match='no window can be opened'):
        run(moving(2), show=True)
    monkeypatch.setattr(painter.cv2, 'namedWindow', lambda *_: None)
    monkeypatch.setattr(painter.cv2, 'imshow', lambda _, picture: shown.append(picture))
    monkeypatch.setattr(painter.cv2, 'waitKey', lambda _: ord('q') if len(shown) == 2 else -1)
    with pytest.raises(InferenceInterrupted, match='2 of 4 frames'):
        run(moving(4), show=True)
    assert len(shown) == 2
