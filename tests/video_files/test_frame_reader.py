"""Frames of video files: the right ones, each decoded once, with every decoder that is there."""

import importlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmvod_plugins.apis import VideoDetInferencer
from mmvod_plugins.datasets.transforms import LoadVideoFrame
from mmvod_plugins.video_files import BACKENDS, FrameReader, read_frame, split_frame_name
from mmvod_plugins.visualization import VideoWriter, encoders, read_frames, write_video
from tests.apis.test_inference import as_images, model_file
from tests.models.tiny import MEGA, video

MODULES = dict(opencv='cv2', pyav='av', torchcodec='torchcodec.decoders')
REAL = [*(Path(__file__).parents[3] / 'shared/data').glob('*.mp4')]


def usable(backend):
    try:
        importlib.import_module(MODULES[backend])
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f'{backend} cannot be used: {str(error).splitlines()[0]}')


def numbered(count, size=(48, 64)):
    """Frames that say which they are: the brightness of their eight columns is the number."""
    columns = np.array([[i >> bit & 1 for bit in range(8)] for i in range(count)], np.uint8) * 255
    return [np.broadcast_to(np.repeat(row, size[1] // 8)[None, :, None], (*size, 3)).copy()
            for row in columns]


def number_of(frame):
    bits = frame.mean((0, 2)).reshape(8, -1).mean(1) > 127
    return int((bits << np.arange(8)).sum())


@pytest.fixture
def clip(tmp_path):
    write_video(tmp_path / 'clip.mp4', numbered(40), 10)
    return tmp_path / 'clip.mp4'


@pytest.fixture
def decoded(monkeypatch):
    """How often each frame was decoded."""
    counts, opencv = Counter(), BACKENDS['opencv']

    def counting(path):
        for i, item in enumerate(opencv(path)):
            counts[i] += 1
            yield item

    monkeypatch.setitem(BACKENDS, 'opencv', counting)
    return counts


@pytest.mark.parametrize('backend', BACKENDS)
def test_frames_are_the_right_ones_in_any_order(clip, backend):
    usable(backend)
    reader = FrameReader(clip, backend)
    order = np.random.default_rng(0).permutation(40)
    assert [number_of(reader[i]) for i in order.tolist()] == order.tolist()
    assert list(map(number_of, reader)) == list(range(40))
    assert (len(reader), reader.fps, number_of(reader[-1])) == (40, 10, 39)
    np.testing.assert_allclose(reader.times, np.arange(40) / 10, atol=1e-3)


@pytest.mark.parametrize('path', REAL, ids=lambda path: path.name)
@pytest.mark.parametrize('backend', BACKENDS)
def test_29_random_frames_of_a_real_video_equal_sequential_decoding(path, backend):
    usable(backend)
    frames = list(FrameReader(path, backend))
    reader = FrameReader(path, backend)
    for i in np.random.default_rng(0).integers(len(frames), size=29).tolist():
        np.testing.assert_array_equal(reader[i], frames[i])
    assert len(reader) == len(frames)


def test_every_frame_is_decoded_once(clip, decoded):
    reader = FrameReader(clip)
    for i in (30, 2, 39, 30, 0):
        assert number_of(reader[i]) == i
    assert len(reader) == len(list(reader)) == 40
    assert set(decoded.values()) == {1}


def test_in_order_nothing_is_kept(clip):
    reader = FrameReader(clip)
    assert sum(1 for _ in reader) == 40
    assert len(reader._kept) == 0


@pytest.mark.parametrize('room', [0, 10])
def test_without_room_frames_are_decoded_again_and_it_is_said(clip, room):
    reader = FrameReader(clip, scratch=room * 48 * 64 * 3)
    assert [number_of(reader[i]) for i in (5, 30)] == [5, 30]
    with pytest.warns(UserWarning, match=r'clip.mp4.*decoded again'):
        assert number_of(reader[20]) == 20
    assert len(reader) == 40


def test_what_is_not_possible_is_said(clip, tmp_path):
    with pytest.raises(IndexError, match=r'clip.mp4 has 40 frames, asked for frame 40'):
        FrameReader(clip)[40]
    with pytest.raises(FileNotFoundError, match=r'none.mp4'):
        FrameReader(tmp_path / 'none.mp4')
    with pytest.raises(ValueError, match=r'ffmpeg.*opencv, pyav, torchcodec'):
        FrameReader(clip, 'ffmpeg')


@pytest.mark.parametrize('backend', BACKENDS)
def test_what_is_no_video_has_no_frames(tmp_path, backend):
    usable(backend)
    (tmp_path / 'text.mp4').write_text('no video')
    assert len(FrameReader(tmp_path / 'text.mp4', backend)) == 0


def test_a_backend_that_is_not_installed_is_named(clip, monkeypatch):
    monkeypatch.setitem(importlib.import_module('sys').modules, 'av', None)
    monkeypatch.setenv('MMVOD_VIDEO_BACKEND', 'pyav')
    with pytest.raises(ModuleNotFoundError, match='pip install av'):
        len(FrameReader(clip))


@pytest.mark.parametrize(('name', 'parts'), [
    ('a/clip.mp4#17', ('a/clip.mp4', 17)), ('c#1.MOV#0', ('c#1.MOV', 0)), ('clip.mp4', None),
    ('clip.jpg#3', None), ('clip.mp4#-1', None)])
def test_names_of_frames(name, parts):
    assert split_frame_name(name) == parts


def test_datasets_load_frames_of_a_file_each_decoded_once(clip, decoded):
    load = LoadVideoFrame()
    for i in (12, 3, 20, 12):
        found = load.transform(dict(img_path=f'{clip}#{i}', height=48, width=64))
        assert number_of(found['img']) == i
    assert set(decoded.values()) == {1}
    for name, words in ((f'{clip}#40', 'has 40 frames'), (f'{clip}x.mp4#0', 'is no file')):
        with pytest.raises(OSError, match=words):
            load.transform(dict(img_path=name))


def test_a_changed_file_is_read_again(clip):
    assert number_of(read_frame(str(clip), 3)) == 3
    write_video(clip, numbered(9)[::-1])
    assert number_of(read_frame(str(clip), 3)) == 5


def test_shuffled_references_on_a_file_decode_each_frame_once(tmp_path, decoded):
    model = model_file(tmp_path, MEGA)
    write_video(tmp_path / 'clip.mp4', as_images(video(6)))
    decoded.clear()
    inferencer = VideoDetInferencer(model, show_progress=False)
    assert inferencer.delay is None
    inferencer(tmp_path / 'clip.mp4', out_dir=tmp_path / 'out', no_save_vis=False)
    assert decoded.pop(0) <= 2  # opened once to see whether it is a video
    assert set(decoded.values()) == {1}


@pytest.mark.parametrize('size', [(48, 64), (47, 63)])
def test_h264_where_pyav_is_there(tmp_path, size):
    av = pytest.importorskip('av', reason='H.264 needs PyAV')
    frames = [np.full((*size, 3), value, np.uint8) for value in (10, 120, 240)]
    write_video(tmp_path / 'a.mp4', frames, 29.97)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt) == ('h264', 'yuv420p')
        assert abs(float(stream.average_rate) - 29.97) < 0.01
    found = [frame.mean() for frame in read_frames(tmp_path / 'a.mp4')]
    np.testing.assert_allclose(found, (10, 120, 240), atol=4)


@pytest.mark.parametrize('backend', ['pyav', 'torchcodec'])
def test_turned_videos_are_upright_with_every_decoder(tmp_path, backend):
    """A phone's video: the matrix in its header says that it is turned by a quarter."""
    usable(backend)
    write_video(tmp_path / 'a.mp4', numbered(3))
    content = bytearray((tmp_path / 'a.mp4').read_bytes())
    matrix = content.index(b'tkhd') + 4 + 40  # version 0: 40 bytes before the matrix
    one = 1 << 16
    content[matrix:matrix + 36] = np.array([0, one, 0, -one % 2**32, 0, 0, 0, 0, 1 << 30],
                                           '>u4').tobytes()
    (tmp_path / 'turned.mp4').write_bytes(content)
    [opencv, other] = (FrameReader(tmp_path / 'turned.mp4', name)[1]
                       for name in ('opencv', backend))
    assert opencv.shape == other.shape == (64, 48, 3)
    np.testing.assert_allclose(opencv.mean((1, 2)), other.mean((1, 2)), atol=4)


def test_without_pyav_it_is_mp4v(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, 'find_spec', lambda _: None)
    with VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(numbered(1)[0])
    capture = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little') == b'FMP4'
